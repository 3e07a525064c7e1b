"""FBX reading through Blender, as a program or as the Python module ``bpy``.

Conventions: Blender reads the file and writes a .glb, which is then read like any other. It runs
in a process of its own because it takes hundreds of megabytes, prints what it likes, and may crash
on a damaged file. An installed Blender is used where there is one (``--blender``,
``$KINETUNE_BLENDER``, or ``blender`` on the PATH), else the module ``bpy``, whose wheels exist for
some Python versions only.
"""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.animation import GltfAnimation, read_gltf

logger = logging.getLogger("kinetune.motion")

MAGIC = b"Kaydara FBX Binary"
ENVIRONMENT_VARIABLE = "KINETUNE_BLENDER"
# Exit codes of the converter.
NO_BLENDER, NOT_READ = 3, 4
# Long captures with meshes take a minute; what takes longer than this has hung.
TIMEOUT_S = 600.0
# As Python ends a traceback: "ValueError: a bug".
_ERROR = re.compile(r"\w+Error: ")
# Blender's glTF exporter needs NumPy, which Debian's package of Blender only recommends.
_NO_NUMPY = "No module named 'numpy'"
_CONVERTER = Path(__file__).with_name("fbx_to_glb.py")
_INSTALL = (
    "install Blender from blender.org, or with your system's packages (apt install blender, brew "
    "install --cask blender), and give its program with --blender if it isn't on the PATH; or "
    "export the file as .glb or .bvh"
)


def read_fbx(
    path: Path,
    *,
    animation: str | None = None,
    blender: Path | None = None,
    timeout_s: float = TIMEOUT_S,
) -> GltfAnimation:
    """Read the skeletal animation of an FBX file.

    Args:
        path: The file.
        animation: Which of its animations, by name; None takes the longest that moves a body.
        blender: Blender's program; None looks for one, see :func:`converter_command`.
        timeout_s: How long Blender may take.

    Raises:
        MotionError: There is no Blender, it can't read the file or takes too long, or there is no
            animation in it.
    """
    with tempfile.TemporaryDirectory(prefix="kinetune-fbx-") as folder:
        converted = Path(folder) / "converted.glb"
        _convert(path, converted, blender, timeout_s)
        return read_gltf(
            converted,
            animation=animation,
            context=str(path),
            time_factor=_time_factor(converted),
        )


def converter_command(path: Path, converted: Path, blender: Path | None) -> list[str]:
    """Return the command that converts an FBX file to .glb.

    Args:
        path: The FBX file.
        converted: The .glb to be written.
        blender: Blender's program. None takes ``$KINETUNE_BLENDER``, then ``blender`` on the
            PATH, then this Python with the module ``bpy``.

    Raises:
        MotionError: The program named isn't there.
    """
    arguments = [str(path.resolve()), str(converted)]
    program = _blender_program(path, blender)
    if program is not None:
        logger.info("%s: converted by %s", path, program)
        return [program, "--background", "--factory-startup", "--python-exit-code",
                str(NOT_READ), "--python", str(_CONVERTER), "--", *arguments]  # fmt: skip
    # -P: modules beside the converter must not stand in for Blender's.
    return [sys.executable, "-P", str(_CONVERTER), *arguments]


def _blender_program(path: Path, blender: Path | None) -> str | None:
    named = str(blender) if blender is not None else os.environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        return shutil.which("blender")
    program = shutil.which(named)
    if program is None:
        raise MotionError(
            f"{path}: expected Blender's program at {named}, found none that can be run; correct "
            f"--blender or ${ENVIRONMENT_VARIABLE}"
        )
    return program


def _convert(path: Path, converted: Path, blender: Path | None, timeout_s: float) -> None:
    try:
        done = subprocess.run(
            converter_command(path, converted, blender),
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
        raise MotionError(f"{path}: FBX is read by Blender, and none was found; {_INSTALL}")
    if done.returncode or not converted.is_file():
        reason = _reason(done.stderr) or _reason(done.stdout) or "it printed nothing"
        if _NO_NUMPY in reason:
            raise MotionError(
                f"{path}: this Blender writes no .glb without NumPy; install it for Blender's "
                "Python (apt install python3-numpy), or take Blender from blender.org"
            )
        raise MotionError(
            f"{path}: Blender can't read it ({reason[:200]}, exit {done.returncode}); export it "
            "as .glb or .bvh"
        )


def _reason(printed: str) -> str:
    """Return the last line that names an error, or else the last line."""
    lines = printed.strip().splitlines()
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or [""])[-1].strip()


def _time_factor(converted: Path) -> float:
    """Return what the converter wrote beside its .glb: the factor from its times to true ones."""
    written = Path(f"{converted}.json")
    if not written.is_file():
        return 1.0
    return float(json.loads(written.read_text(encoding="utf-8"))["time_factor"])
