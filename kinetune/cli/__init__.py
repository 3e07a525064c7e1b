"""The front door: the command line, one file a verb.

Idle threads of torch's OpenMP sleep instead of spinning: on a machine that does anything else the
small networks here run many times faster that way, and no slower on an idle one
(docs/speed.md). It counts only before torch is loaded, so it stands here; a user's own
``OMP_WAIT_POLICY`` is kept.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
