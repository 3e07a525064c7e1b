"""The Blender extension in Blender itself, as the module ``bpy``.

Needs a Python that has ``bpy``, in an environment of its own: ``make blender-test`` makes some, and
names each to these tests in KINETUNE_BPY.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.io.bvh import parse_bvh
from kinetune.motion.io.formats import read_motion
from kinetune.motion.kinematics import joint_positions
from tests.integrations.conftest import FOLDER

PYTHON = os.environ.get("KINETUNE_BPY", "")
CHECK = Path(__file__).parent / "blender_check.py"
FIRST = 11
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON, reason="KINETUNE_BPY names no Python with bpy: make blender-test"
    ),
]


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    target = tmp_path_factory.mktemp("extension") / "kinetune.zip"
    build = FOLDER.parent / "tools" / "build_blender_extension.py"
    subprocess.run([os.sys.executable, build, target], check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blender")


@pytest.fixture(scope="module")
def result(extension, server, dance, folder):
    """What Blender holds after the user's way."""
    home = {"BLENDER_USER_RESOURCES": str(folder / "user"), "HOME": str(folder)}
    done = subprocess.run(
        [PYTHON, CHECK, extension, server.url, dance, folder],
        capture_output=True, text=True, env={**os.environ, **home, "PYTHONPATH": ""}, timeout=600,
    )  # fmt: skip
    path = folder / "result.json"
    assert path.is_file(), done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(path.read_text())


def test_blender_takes_the_archive_for_a_valid_extension(extension):
    code = (
        "import bpy, pathlib, runpy, sys; "
        "scripts = pathlib.Path(bpy.utils.system_resource('SCRIPTS')); "
        "tool = scripts / 'addons_core' / 'bl_pkg' / 'cli' / 'blender_ext.py'; "
        f"sys.argv = [str(tool), 'validate', {str(extension)!r}]; "
        "runpy.run_path(str(tool), run_name='__main__')"
    )
    done = subprocess.run(
        [PYTHON, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_motion_leaves_blender_as_it_came_in(result, dance, folder):
    (folder / "sent.bvh").write_text(result["bvh"])
    sent, came = read_motion(folder / "sent.bvh"), read_motion(dance)
    assert sent.fps == pytest.approx(came.fps, rel=1e-3)
    assert abs(sent.frame_count - came.frame_count) <= 1
    count = min(sent.frame_count, came.frame_count)
    there, here = joint_positions(sent)[:count], joint_positions(came)[:count]
    np.testing.assert_allclose(there - there[:, :1], here - here[:, :1], atol=2e-3)
    np.testing.assert_allclose(there[:, 0], here[:, 0], atol=2e-3)
    assert parse_bvh(result["bvh"]).names[0]


def test_a_rig_whose_names_tell_nothing_is_read_by_its_mapping(result, folder):
    """Bones b0, b1 ...: not read as they are; mapped, the same motion leaves Blender."""
    plain, mapped = folder / "plain.bvh", folder / "mapped.bvh"
    plain.write_text(result["foreign"][0])
    mapped.write_text(result["foreign"][1])
    with pytest.raises(MotionError, match="human skeleton"):
        read_motion(plain)
    there, here = (joint_positions(read_motion(path)) for path in (mapped, folder / "sent.bvh"))
    np.testing.assert_allclose(there, here, atol=1e-4)
    assert set(result["mapping"]) == set(skeleton.JOINT_NAMES)


def test_music_and_markers_stand_at_the_right_frames(result):
    assert result["made"]["error"] == ""
    assert len(result["takes"]) == 2
    assert result["takes"][0][0].startswith("Take A (follows the body")
    ((name, start, channel, file),) = result["strips"]
    assert (name, start, channel) == ("kinetune", FIRST, 1)
    assert file == Path(result["takes"][0][1]).name
    assert result["sync"] == "AUDIO_SYNC"
    markers = [tuple(mark) for mark in result["markers"]]
    assert (3, "mine") in markers, "the user's own markers stay"
    ours = [frame for frame, text in markers if text.startswith("♪")]
    bpm = float(result["readings"][0].split()[0])
    assert np.diff(ours).mean() == pytest.approx(60.0 / bpm * result["fps"], abs=0.3)
    bars = [frame for frame, text in result["bars"] if text.startswith("♪")]
    assert set(bars) < set(ours)
    assert np.diff(bars).mean() == pytest.approx(4 * np.diff(ours).mean(), rel=0.02)


def test_the_sound_is_beside_the_blend_file(result, folder):
    for _, path in result["takes"]:
        assert path.startswith("//kinetune")
        assert (folder / path.removeprefix("//").replace("\\", "/")).read_bytes()[:4] == b"RIFF"


def test_takes_are_switched_and_a_range_is_redone(result):
    assert [row[1] for row in result["second"]] == [FIRST]
    assert result["second"][0][3] != result["strips"][0][3]
    assert result["redone"]["error"] == ""
    assert result["takes_after"][-1].endswith("frames 71 to 120 anew")
    assert len(result["after"]) == 1
    assert result["after"][0][3] not in {result["strips"][0][3], result["second"][0][3]}


def test_blender_is_never_frozen_and_shows_the_frame_it_showed(result):
    assert result["made"]["longest_computing_s"] < 0.5
    assert result["made"]["longest_step_s"] < 2.0, "a step waits for nothing"
    assert result["shown"] == 17
    assert "reading the armature" in result["made"]["stages"]
    assert result["stopped"]["error"] == "stopped"


def test_the_extension_leaves_nothing_behind(result):
    assert result["operators"] == [True, True, True]
    assert result["unregistered"]
