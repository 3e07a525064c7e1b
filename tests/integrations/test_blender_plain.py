"""What the Blender extension does without Blender: BVH, frames, and the server."""

import subprocess
import sys
import threading
import tomllib
import zipfile

import numpy as np
import pytest

import kinetune
from kinetune import genres
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.io.bvh import parse_bvh
from kinetune.motion.io.formats import read_motion
from tests.conftest import swaying_clip
from tests.integrations.conftest import FOLDER, load

bvh, timing, client = (load(f"blender/{name}.py") for name in ("bvh", "timing", "client"))

needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")


def z_up(vectors):
    """A world with y up as Blender has it."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)


def z_up_turns(matrices):
    change = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return change @ matrices @ change.T


def blender_motion(clip):
    """Joints and poses as the extension reads them off an armature."""
    rest = np.zeros((skeleton.JOINT_COUNT, 3))
    for joint, parent in enumerate(skeleton.PARENTS):
        rest[joint] = skeleton.OFFSETS_M[joint] + (rest[parent] if parent >= 0 else 0.0)
    joints = [
        bvh.Joint(name, parent, tuple(z_up(rest)[index]))
        for index, (name, parent) in enumerate(
            zip(skeleton.JOINT_NAMES, skeleton.PARENTS, strict=True)
        )
    ]
    local = rotations.matrix_from_quat(clip.rotations)
    world = local.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            world[:, joint] = world[:, parent] @ local[:, joint]
    heads, turns = z_up(kinematics.joint_positions(clip)), z_up_turns(world)
    poses = [
        bvh.Pose(tuple(map(tuple, frame)), tuple(tuple(map(tuple, turn)) for turn in frame_turns))
        for frame, frame_turns in zip(heads, turns, strict=True)
    ]
    return joints, poses


def test_a_motion_written_as_bvh_is_read_as_it_was(tmp_path):
    clip = swaying_clip(fps=30.0, duration_s=1.0)
    (tmp_path / "a.bvh").write_text(bvh.bvh_text(*blender_motion(clip), 30.0))
    read = read_motion(tmp_path / "a.bvh")
    assert (read.fps, read.frame_count) == (30.0, 30)
    np.testing.assert_allclose(
        kinematics.joint_positions(read), kinematics.joint_positions(clip), atol=1e-4
    )


def test_a_joint_that_slides_gets_position_channels():
    """A root on the floor and a pelvis that walks away from it, as in many control rigs."""
    joints = [bvh.Joint("root", -1, (0.0, 0.0, 0.0)), bvh.Joint("pelvis", 0, (0.0, 0.0, 1.0))]
    still = (bvh.IDENTITY, bvh.IDENTITY)
    poses = [bvh.Pose(((0.0, 0.0, 0.0), (0.1 * k, 0.0, 1.0)), still) for k in range(3)]
    read = parse_bvh(bvh.bvh_text(joints, poses, 24.0))
    np.testing.assert_allclose(
        read.local_translations(1), [[0.0, 100.0, 0.0], [10.0, 100.0, 0.0], [20.0, 100.0, 0.0]]
    )
    assert read.fps == pytest.approx(24.0)


def test_a_quarter_turn_about_blenders_z_is_one_about_y():
    turn = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert bvh.zxy_degrees(bvh.turn_y_up(turn)) == pytest.approx((0.0, 0.0, 90.0))
    assert bvh.y_up((1.0, 2.0, 3.0)) == (1.0, 3.0, -2.0)


@pytest.mark.parametrize("parents", [[-1, -1], [0, -1]])
def test_a_skeleton_needs_one_root_before_all_others(parents):
    joints = [bvh.Joint(str(k), parent, (0.0, 0.0, 0.0)) for k, parent in enumerate(parents)]
    pose = bvh.Pose(((0.0, 0.0, 0.0),) * 2, (bvh.IDENTITY,) * 2)
    with pytest.raises(ValueError, match="one root"):
        bvh.bvh_text(joints, [pose], 24.0)


def test_markers_count_bars_from_the_first_downbeat():
    """120 bpm at 24 frames a second: a beat every 12 frames; a pick-up beat belongs to no bar."""
    beats_s = [0.5 * k for k in range(6)]
    marks = timing.beat_markers(beats_s, [0.5, 2.5], first=101, fps=24.0, bars=False)
    assert [mark.frame for mark in marks] == [101, 113, 125, 137, 149, 161]
    assert [mark.name for mark in marks] == ["♪", "♪1", "♪", "♪", "♪", "♪2"]
    marks = timing.beat_markers(beats_s, [0.5, 2.5], first=1, fps=24.0, bars=True)
    assert [(mark.frame, mark.name) for mark in marks] == [(13, "♪1"), (61, "♪2")]


def test_a_range_of_frames_holds_its_last_frame():
    assert timing.span_s(25, 48, first=1, fps=24.0) == (1.0, 2.0)
    assert timing.span_s(-5, 24, first=1, fps=24.0) == (0.0, 1.0)
    for start, end in ((10, 9), (-9, 0)):
        with pytest.raises(ValueError, match="outside"):
            timing.span_s(start, end, first=1, fps=24.0)


def test_a_strip_goes_where_nothing_overlaps_it():
    taken = [(1, 0, 50), (1, 120, 200), (2, 90, 100)]
    assert timing.free_channel(taken, 50, 90) == 1
    assert timing.free_channel(taken, 40, 60) == 2
    assert timing.free_channel(taken, 0, 200) == 3


@pytest.mark.slow
def test_the_client_makes_music_reports_and_stops(server, dance):
    api = client.Client(server.url)
    assert api.is_up()
    motion = api.upload("my dance.bvh", dance.read_bytes())
    assert motion["inspection"]["duration_s"] == pytest.approx(6.0, abs=0.05)
    body = {"task": "generate", "motion": motion["id"], "options": {"engine": "composer"}}
    seen = []
    job = api.run(body, lambda stage, share: seen.append(share), threading.Event())
    (piece,) = job["result"]["pieces"]
    assert api.fetch(job["id"], piece["output"])[:4] == b"RIFF"
    assert all(0.0 <= share <= 1.0 for share in seen)
    stop = threading.Event()
    stop.set()
    with pytest.raises(client.StoppedError):
        api.run(body, lambda *_: None, stop)
    with pytest.raises(client.ServerError, match=r"bad\.bvh"):
        api.upload("bad.bvh", b"nothing")
    with pytest.raises(client.ServerError, match="no such id"):
        api.ask("GET", f"/v1/jobs/{'0' * 32}")


@needs_sh
@pytest.mark.slow
def test_a_server_is_started_where_none_runs_and_ends_with_its_owner(tmp_path):
    program = tmp_path / "kinetune"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kinetune "$@"\n')
    program.chmod(0o755)
    local = client.LocalServer()
    nobody = client.Client("http://127.0.0.1:9")
    found = local.find(nobody, str(program), tmp_path / "data")
    try:
        assert found.is_up()
        assert local.find(nobody, str(program), tmp_path / "data") == found
    finally:
        local.stop()
    assert not found.is_up()


def test_a_program_that_can_not_be_started_is_named(tmp_path, monkeypatch):
    local = client.LocalServer()
    nobody = client.Client("http://127.0.0.1:9")
    with pytest.raises(client.ServerError, match="no-such-program: can't be started"):
        local.find(nobody, "no-such-program", tmp_path / "data")
    # No name is looked up in a test.
    monkeypatch.setattr(client.Client, "is_up", lambda self: False)
    with pytest.raises(client.ServerError, match=r"example\.org"):
        local.find(client.Client("http://example.org:9"), "kinetune", tmp_path)


@needs_sh
def test_what_a_server_says_that_does_not_start_is_shown(tmp_path):
    local = client.LocalServer()
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'kinetune: another server uses this folder' >&2\nexit 2\n")
    broken.chmod(0o755)
    with pytest.raises(client.ServerError, match="another server uses this folder"):
        local.find(client.Client("http://127.0.0.1:9"), str(broken), tmp_path / "data")


def test_a_background_task_keeps_its_error_in_one_line():
    def fails(report, stop):
        report("half", 0.5)
        raise client.ServerError("the queue is full")

    task = client.Background(fails)
    task.start()
    task.join()
    assert (task.stage, task.share, task.error) == ("half", 0.5, "the queue is full")


def test_the_plain_modules_need_no_blender_and_no_other_package():
    for path in (FOLDER / "blender").glob("*.py"):
        if path.stem in ("bvh", "timing", "client"):
            code = f"import runpy; runpy.run_path({str(path)!r}, run_name='plain')"
            subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_the_archive_is_an_extension_of_this_version(tmp_path):
    target = tmp_path / "kinetune.zip"
    command = [sys.executable, "tools/build_blender_extension.py", str(target)]
    subprocess.run(command, check=True, cwd=FOLDER.parent, capture_output=True)
    with zipfile.ZipFile(target) as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
        assert {"__init__.py", "panel.py", "client.py", "LICENSE"} <= set(archive.namelist())
    assert (manifest["id"], manifest["version"]) == ("kinetune", kinetune.__version__)
    assert manifest["blender_version_min"] == "4.2.0"


def test_the_genres_and_joints_of_the_panel_are_those_of_kinetune():
    text = (FOLDER / "blender" / "properties.py").read_text()
    names = text[text.index("GENRES = (") :].split(")", 1)[0]
    assert {genres.genre_name(code) for code in genres.CODES} == {
        part.strip().strip('"') for part in names.removeprefix("GENRES = (").split(",")
    } - {""}
