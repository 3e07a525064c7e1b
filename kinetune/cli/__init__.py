"""The command line: one module per subcommand parses flags, runs a task and prints the result."""

import kinetune.tasks  # noqa: F401 - sets OMP_WAIT_POLICY before torch is loaded
