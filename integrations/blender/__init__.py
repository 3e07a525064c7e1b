"""kinetune in Blender: music for the dance of an armature.

A thin client of the HTTP API (docs/http-api.md); it needs nothing but Blender's own Python.
``bvh``, ``timing`` and ``client`` run without Blender.
"""

from . import panel, properties


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    properties.register()
    panel.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    panel.unregister()
    properties.unregister()
