"""FBX to .glb with Blender's module ``bpy``; :mod:`kinetune.motion.io.fbx` runs it.

Imports nothing of kinetune, for it runs in a process of its own: ``fbx_to_glb.py IN.fbx OUT.glb``.
"""

import os
import sys

# Exit codes: as in kinetune.motion.io.fbx.
NO_BLENDER, NOT_READ = 3, 4


def main(source: str, target: str) -> int:
    """Convert ``source`` to ``target`` and return the exit code."""
    try:
        import bpy
    except ImportError as error:
        print(error, file=sys.stderr)
        return NO_BLENDER
    bpy.ops.wm.read_factory_settings(use_empty=True)
    try:
        try:
            bpy.ops.import_scene.fbx(filepath=source)
        except (
            AttributeError
        ):  # Blender 4.5 and later have a second reader, and may drop the first.
            bpy.ops.wm.fbx_import(filepath=source)
        bpy.ops.export_scene.gltf(filepath=target, export_format="GLB", export_animations=True)
    except RuntimeError as error:
        # How Blender says that a file is no FBX, or one of a version it doesn't know.
        print(error, file=sys.stderr)
        return NOT_READ
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: bpy 4.2 crashes while it is taken down, its work long done.
    os._exit(code)
