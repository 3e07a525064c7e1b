"""kinetune in ComfyUI: a motion file becomes music and its beats.

A thin client of the HTTP API (docs/http-api.md). Needs what ComfyUI has anyway: PyTorch and NumPy.
The server runs beside ComfyUI: ``kinetune serve``. KINETUNE_URL and KINETUNE_TOKEN name another.
"""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
