"""The application layer: one function a task, a typed request in, a typed result out.

The command line, and anything else with a user in front of it, builds a request and calls the
function of the same name. Tasks never print: progress goes to a callback, what was done is in the
result. Requests and results turn into JSON and back (``tasks.requests.serialisation``), so that
they can be stored and sent.

Idle threads of torch's OpenMP sleep instead of spinning: on a machine that does anything else the
small networks here run many times faster that way, and no slower on an idle one (docs/speed.md).
The variable counts only before torch is loaded, so it is set here; a user's own
``OMP_WAIT_POLICY`` is kept.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
