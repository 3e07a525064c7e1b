"""The command line, one file a subcommand: flags become a request, a task runs, it is printed."""

import kinetune.tasks  # noqa: F401 - sets OMP_WAIT_POLICY before torch is loaded
