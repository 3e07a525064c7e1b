"""FBX is read through Blender in a separate process; a fake Blender is on the path."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics
from kinetune.motion.clip import resample
from kinetune.motion.io import fbx, fbx_to_glb
from kinetune.motion.io.formats import ReadOptions, read_motion, read_motion_file
from tests.motion.glb_writer import add_animation, gltf_of

INSTALLED = shutil.which("blender")
HEAD = b"Kaydara FBX Binary  \x00\x1a\x00"
# Imports "FBX" by remembering where it is, and exports by copying the .glb that follows the head.
BLENDER = """
import sys
from types import SimpleNamespace as S

render = S(fps=30, fps_base={base})
context = S(scene=S(render=render))
held = []
def fbx_import(filepath):
    held.append(open(filepath, "rb").read()[23:])
def export(filepath, export_format, export_animations):
    assert export_format == "GLB" and export_animations and render.fps_base == 1.0
    print("Blender is talkative")
    {export}
def reset(use_empty):
    assert use_empty
ops = S(
    wm=S(read_factory_settings=reset, fbx_import=fbx_import),
    import_scene=S({old}), export_scene=S(gltf=export),
)
"""

EXPORT = """
import os, sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[-2])
bpy.ops.export_scene.fbx(filepath=sys.argv[-1], add_leaf_bones=False, bake_anim=True)
os._exit(0)
"""


@pytest.fixture(autouse=True)
def no_installed_blender(monkeypatch):
    monkeypatch.setattr(fbx.shutil, "which", lambda name: name if os.path.isfile(name) else None)
    monkeypatch.delenv(fbx.ENVIRONMENT_VARIABLE, raising=False)


@pytest.fixture
def blender(tmp_path, monkeypatch):
    def blender(export='open(filepath, "wb").write(held[0])', old="fbx=fbx_import", base=1.0):
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        (folder / "bpy.py").write_text(BLENDER.format(export=export, old=old, base=base))
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path)

    return blender


@pytest.fixture
def file(tmp_path, dance):
    path = tmp_path / "dance.fbx"
    path.write_bytes(HEAD + gltf_of(dance).glb())
    return path


@pytest.mark.parametrize("old", ["fbx=fbx_import", ""])
def test_blender_turns_it_into_gltf(blender, file, dance, old):
    blender(old=old)
    read = read_motion_file(file)
    assert (read.format, read.joints, read.clip.name) == ("FBX", 24, "dance")
    assert read.clip.source == "fbx"
    np.testing.assert_allclose(read.clip.root_m, dance.root_m, atol=1e-4)


def test_an_animation_is_chosen_by_name(blender, file, dance):
    gltf = gltf_of(dance)
    add_animation(gltf, [0.0, 0.5, 1.0], dance.rotations[:3], dance.root_m[:3], name="short")
    file.write_bytes(HEAD + gltf.glb())
    blender()
    assert read_motion(file, ReadOptions(animation="short")).duration_s < 1.1


def test_fbx_accepts_a_blender_crash_at_exit(blender, file, dance):
    blender(
        export="import atexit, os; atexit.register(os.abort); open(filepath, 'wb').write(held[0])"
    )
    np.testing.assert_allclose(read_motion(file).root_m, dance.root_m, atol=1e-4)


def test_a_rate_that_is_no_whole_number_is_kept(blender, file, dance):
    # Blender keeps 29.97 as 30 over 1.001, and the converter exports at 30.
    blender(base=1.001)
    clip = read_motion(file)
    assert (clip.fps, clip.frame_count) == (29.97, dance.frame_count)
    assert clip.duration_s == pytest.approx(dance.frame_count / 29.97)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-4)


def test_the_note_gives_true_seconds(blender, file, dance):
    gltf = gltf_of(dance)
    add_animation(gltf, [0.0, 0.5, 1.0], dance.rotations[:3], dance.root_m[:3], name="short")
    file.write_bytes(HEAD + gltf.glb())
    blender(base=2.0)
    length_s = 2.0 * (dance.frame_count - 1) / dance.fps
    assert f"read animation 'dance' ({length_s:.2f} s)" in read_motion_file(file).note


PROGRAM = """#!/bin/sh
echo "$@" > {seen}
while [ "$1" != "--" ]; do script="$2"; shift; [ "$script" = "--" ] && break; done
shift
exec {python} {converter} -- "$1" "$2"
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "my-blender"
    path.write_text(
        PROGRAM.format(
            seen=tmp_path / "arguments", python=sys.executable, converter=fbx_to_glb.__file__
        )
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("way", ["option", "environment", "path"])
def test_an_installed_blender_reads_fbx(blender, file, dance, program, monkeypatch, way):
    blender()
    if way == "environment":
        monkeypatch.setenv(fbx.ENVIRONMENT_VARIABLE, str(program))
    if way == "path":
        monkeypatch.setattr(fbx.shutil, "which", lambda name: str(program))
    clip = read_motion(file, ReadOptions(blender=program if way == "option" else None))
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-4)
    arguments = (program.parent / "arguments").read_text()
    assert arguments.startswith("--background --factory-startup --python-exit-code 4 --python ")
    assert "fbx_to_glb.py -- " in arguments


@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_blender_that_is_not_there_is_named(file, tmp_path, monkeypatch, way):
    missing = tmp_path / "no-blender"
    if way == "environment":
        monkeypatch.setenv(fbx.ENVIRONMENT_VARIABLE, str(missing))
    with pytest.raises(MotionError, match=r"Blender's program at .*no-blender"):
        read_motion(file, ReadOptions(blender=missing if way == "option" else None))


@pytest.mark.parametrize("way", ["module", "program"])
def test_blender_itself_round_trips_the_dance(tmp_path, dance, way):
    if (find_spec("bpy") if way == "module" else INSTALLED) is None:
        pytest.skip("needs kinetune[fbx]" if way == "module" else "no Blender is installed")
    program = Path(INSTALLED) if way == "program" else None
    glb, path = tmp_path / "dance.glb", tmp_path / "dance.fbx"
    glb.write_bytes(gltf_of(dance).glb())
    script = tmp_path / "export.py"
    script.write_text(EXPORT)
    command = [INSTALLED, "-b", "--python"] if program else [sys.executable, "-P"]
    exported = [*command, str(script), "--", str(glb), str(path)]
    subprocess.run(exported, check=False, capture_output=True, timeout=300)
    ours, theirs = (
        kinematics.joint_positions(resample(read_motion(each, ReadOptions(blender=program)), 30.0))
        for each in (glb, path)
    )
    count = min(len(ours), len(theirs))
    assert abs(len(ours) - len(theirs)) <= 1
    apart = (ours - ours[:, :1])[:count] - (theirs - theirs[:, :1])[:count]
    assert np.abs(apart).mean() < 0.01


def test_without_blender_a_one_line_error_explains_what_to_install(tmp_path, file, monkeypatch):
    (tmp_path / "bpy.py").write_text("raise ImportError('no Blender here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        MotionError, match=r"install Blender .* or export the file as .glb"
    ) as caught:
        read_motion(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("export", "said"),
    [
        ('raise RuntimeError("version 6100 unsupported")', "version 6100 unsupported, exit 4"),
        ('raise ValueError("a bug")', "a bug, exit 1"),
        (
            """import os; os.write(2, b"ImportError: it\\nLocation: ops.py"); os._exit(4)""",
            "ImportError: it, exit 4",
        ),
        (
            """raise ImportError("No module named 'numpy'")""",
            "this Blender writes no .glb without NumPy; install it",
        ),
        ("import os; os.abort()", "exit -6"),
        ("pass", "Blender can't read it .*exit 0"),
        ("open(filepath, 'wb').write(b'glTF')", "dance.fbx: the .glb is cut short"),
    ],
)
def test_what_blender_cannot_read_is_one_line(blender, file, export, said):
    blender(export=export)
    with pytest.raises(MotionError, match=said) as caught:
        read_motion(file)
    assert "\n" not in str(caught.value)


def test_blender_that_hangs_is_stopped(blender, file):
    blender(export="import time; time.sleep(60)")
    with pytest.raises(MotionError, match="didn't finish reading it in 2 s"):
        fbx.read_fbx(file, timeout_s=2.0)


def test_fbx_written_as_text_is_reported(tmp_path):
    (tmp_path / "a.fbx").write_text("; FBX 7.7.0 project file\n")
    with pytest.raises(MotionError, match="FBX written as text"):
        read_motion(tmp_path / "a.fbx")


def test_both_sides_mean_the_same_by_their_exit_codes():
    assert (fbx.NO_BLENDER, fbx.NOT_READ) == (fbx_to_glb.NO_BLENDER, fbx_to_glb.NOT_READ)
