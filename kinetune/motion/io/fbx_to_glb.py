"""FBX to .glb with Blender; :mod:`kinetune.motion.io.fbx` runs it.

Imports nothing of kinetune, for it runs in a process of its own, either in Python with the module
``bpy`` or in Blender itself: ``fbx_to_glb.py [--] IN.fbx OUT.glb``. Beside OUT.glb it writes
OUT.glb.json with ``time_factor``, by which key times are to be multiplied.
"""

import json
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
        time_factor = even_rate(bpy.context.scene.render)
        bpy.ops.export_scene.gltf(filepath=target, export_format="GLB", export_animations=True)
    except RuntimeError as error:
        # Raised for a file that is no FBX, or of an unknown version.
        print(error, file=sys.stderr)
        return NOT_READ
    with open(target + ".json", "w", encoding="utf-8") as file:
        json.dump({"time_factor": time_factor}, file)
    return 0


def even_rate(render: object) -> float:
    """Give the scene a whole rate, and return the factor from its key times to the true ones.

    Blender keeps 29.97 frames per second as 30 over a base of 1.001. Its glTF exporter multiplies
    by the base where it should divide, so the base is taken away before and applied afterwards.

    Args:
        render: The scene's render settings, with ``fps`` and ``fps_base``.
    """
    base = float(render.fps_base)  # type: ignore[attr-defined]
    render.fps_base = 1.0  # type: ignore[attr-defined]
    return base


if __name__ == "__main__":
    # Blender passes on what follows "--"; Python has no such argument.
    code = main(*sys.argv[-2:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: bpy 4.2 crashes while it is taken down, its work long done.
    os._exit(code)
