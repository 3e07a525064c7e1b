"""The application layer: one function per task, with a typed request and a typed result.

The command line and the HTTP API build requests and call these functions. Tasks never print:
progress goes to a callback, and the result describes what was done. Requests and results turn into
JSON and back (``tasks.requests.serialisation``), so that they can be stored and sent.

Idle threads of torch's OpenMP sleep instead of spinning: on a machine that does anything else the
small networks here run many times faster that way, and no slower on an idle one (docs/speed.md).
The variable counts only before torch is loaded, so it is set here; a user's own
``OMP_WAIT_POLICY`` is kept.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
