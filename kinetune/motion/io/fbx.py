"""FBX, by way of Blender's own module ``bpy`` in a process of its own.

Conventions: Blender reads the file and writes a .glb, which is then read like any other. It runs
apart because it takes hundreds of megabytes, prints what it likes, and may crash on a damaged
file. ``pip install "kinetune[fbx]"`` brings it; wheels exist for some Python versions only.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.animation import GltfAnimation, read_gltf

MAGIC = b"Kaydara FBX Binary"
# Exit codes of the converter.
NO_BLENDER, NOT_READ = 3, 4
# Long captures with meshes take a minute; what takes longer than this has hung.
TIMEOUT_S = 600.0
_CONVERTER = Path(__file__).with_name("fbx_to_glb.py")


def read_fbx(
    path: Path, *, animation: str | None = None, timeout_s: float = TIMEOUT_S
) -> GltfAnimation:
    """Read the skeletal animation of an FBX file.

    Args:
        path: The file.
        animation: Which of its animations, by name; None takes the longest.
        timeout_s: How long Blender may take.

    Raises:
        MotionError: ``bpy`` isn't installed, Blender can't read the file or takes too long, or
            there is no animation in it.
    """
    with tempfile.TemporaryDirectory(prefix="kinetune-fbx-") as folder:
        converted = Path(folder) / "converted.glb"
        _convert(path, converted, timeout_s)
        return read_gltf(converted, animation=animation, context=str(path))


def _convert(path: Path, converted: Path, timeout_s: float) -> None:
    # -P: modules beside the converter must not stand in for Blender's.
    command = [sys.executable, "-P", str(_CONVERTER), str(path.resolve()), str(converted)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            cwd=converted.parent,
        )
    except subprocess.TimeoutExpired as error:
        raise MotionError(
            f"{path}: Blender didn't finish reading it in {timeout_s:g} s; export it as .glb"
        ) from error
    if done.returncode == NO_BLENDER:
        raise MotionError(
            f'{path}: FBX is read by Blender\'s module bpy; pip install "kinetune[fbx]", or '
            "export it as .glb or .bvh"
        )
    if done.returncode or not converted.is_file():
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise MotionError(
            f"{path}: Blender can't read it ({said[:200]}, exit {done.returncode}); export it as "
            ".glb or .bvh"
        )
