from dataclasses import replace

import av
import numpy as np
import pytest

from kinetune.motion.group import DanceGroup
from kinetune.motion.io.bvh import write_bvh
from kinetune.render import mux, skeleton_video
from tests.cli.conftest import kinetune
from tests.conftest import swaying_clip
from tests.render.conftest import heard, tone


def scene(duration_s=2.0, **how):
    beats = np.arange(0.25, duration_s, 0.5)
    return skeleton_video.Scene(
        swaying_clip(duration_s=duration_s, **how), beats, beats[::4], "a dance"
    )


def where(picture, colour):
    """Pixels (n, 2) as row and column of the left (blue), the right (orange) or the trunk."""
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    masks = {
        "left": (blue > red + 60) & (blue > 120),
        "right": (red > blue + 60) & (red > 120),
        "trunk": (red > 165) & (abs(red - blue) < 30),
    }
    mask = masks[colour]
    # The counter above and the waveform below are no dancer.
    mask[:90], mask[skeleton_video.HEIGHT - 90 :] = False, False
    return np.argwhere(mask)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    done = []
    mux.write_film(path, scene(), tone(), progress=lambda *counts: done.append(counts))
    return path, done


@pytest.fixture(scope="module")
def first():
    return next(skeleton_video.pictures(scene())).copy()


def test_the_dancer_is_in_the_middle_head_up(first):
    assert first.shape == (skeleton_video.HEIGHT, skeleton_video.WIDTH, 3)
    legs, trunk = where(first, "left"), where(first, "trunk")
    assert len(legs) > 2000
    assert trunk[:, 0].mean() < legs[:, 0].mean()
    assert trunk[:, 1].mean() == pytest.approx(skeleton_video.WIDTH / 2, abs=60)


def test_the_dancers_left_is_blue_and_on_the_viewers_right(first):
    left, right = (where(first, side)[:, 1].mean() for side in ("left", "right"))
    assert left > right + 20


def test_the_dancer_fills_the_frame_and_stays_in_it():
    made = scene(4.0)
    flat = []
    for pose, aim, side in zip(made.poses[:, 0], made.aims, made.sides, strict=True):
        flat.append(made.camera.project(made.camera.view(pose, aim, side))[0])
    flat = np.array(flat)
    assert flat[..., 0].min() > 40
    assert flat[..., 0].max() < skeleton_video.WIDTH - 40
    # Between the title and the waveform, and most of what is between them.
    assert 46 < flat[..., 1].min() < 160
    assert 540 < flat[..., 1].max() < skeleton_video.HEIGHT - 86


def test_a_beat_glows_and_fades_by_its_time_constant():
    made = scene()
    glows = [skeleton_video.beat_glow(made, 0.25 + after)[0] for after in (0.0, 0.16, 0.32)]
    np.testing.assert_allclose(glows, np.exp([0.0, -1.0, -2.0]))
    assert skeleton_video.beat_glow(made, 0.1) == (0.0, False)
    assert skeleton_video.beat_glow(made, 0.3)[1]
    assert not skeleton_video.beat_glow(made, 0.8)[1]


@pytest.mark.parametrize("direction", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
def test_the_camera_follows(direction):
    clip = swaying_clip(duration_s=4.0)
    away = clip.root_m + np.linspace(0.0, 6.0, len(clip.root_m))[:, None] * direction
    walking = skeleton_video.Scene(replace(clip, root_m=away), np.zeros(0), np.zeros(0), "")
    for number, picture in enumerate(skeleton_video.pictures(walking)):
        if number == len(walking.poses) - 1:
            assert 200 < where(picture, "trunk")[:, 1].mean() < skeleton_video.WIDTH - 200


def test_film_and_music_are_as_long_as_the_dance(filmed):
    path, done = filmed
    with av.open(str(path)) as file:
        shown, sound = file.streams.video[0], file.streams.audio[0]
        assert (shown.width, shown.height, shown.frames) == (1280, 720, 60)
        assert float(shown.duration * shown.time_base) == pytest.approx(2.0, abs=0.04)
        assert float(sound.duration * sound.time_base) == pytest.approx(2.0, abs=0.06)
    assert done == [(number, 60) for number in range(1, 61)]
    assert heard(path).std() == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_a_film_is_made_by_one_command(tmp_path, tiny_model):
    write_bvh(tmp_path / "a.bvh", swaying_clip(duration_s=1.0))
    done = kinetune(
        "generate", tmp_path / "a.bvh", "-o", tmp_path / "a.wav", "--model", tiny_model,
        "--video", tmp_path / "a.mp4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert film.streams.video[0].frames == 30
    assert str(tmp_path / "a.mp4") in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--video", "a.avi"], "written as .mp4"),
        (["--onto", "b.mp4"], "needs --video"),
        (["--onto", "b.mp4", "--video", "a.mp4"], "no such film"),
        (["--onto", "a.bvh", "--video", "a.mp4"], "not a film that can be read"),
        (["--video", "a.mp4", "--offset", "-1"], "0 or later"),
    ],
)
def test_an_impossible_film_is_one_clear_line(tmp_path, tiny_model, options, message):
    write_bvh(tmp_path / "a.bvh", swaying_clip(duration_s=1.0))
    done = kinetune("generate", "a.bvh", "--model", tiny_model, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.bvh"]


def test_dancers_at_one_spot_are_put_side_by_side_in_their_order():
    one, two = swaying_clip(duration_s=1.0), swaying_clip(duration_s=0.5, seed=3)
    group = skeleton_video.Scene(DanceGroup((one, two)), np.array([0.5]), np.array([0.5]), "two")
    assert group.poses.shape == (30, 2, 24, 3)
    side = group.sides[0]
    across = group.poses[:, :, 0][..., [0, 2]] @ side
    # The first dancer is on the viewer's left; they are more than a metre apart.
    assert (across[:, 1] - across[:, 0]).mean() > 1.0
    # A clip that is over keeps its last pose.
    np.testing.assert_array_equal(group.poses[15, 1], group.poses[29, 1])
    alone = skeleton_video.Scene(one, np.array([0.5]), np.array([0.5]), "one")
    moved = group.poses[:, 0] - alone.poses[:, 0]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0, 0], moved.shape), atol=1e-9)
    picture = next(skeleton_video.pictures(group))
    columns = where(picture, "trunk")[:, 1]
    assert np.percentile(columns, 2) < skeleton_video.WIDTH / 2 - 60
    assert np.percentile(columns, 98) > skeleton_video.WIDTH / 2 + 60


def test_dancers_who_stand_apart_stay_where_they_are():
    one = swaying_clip(duration_s=1.0)
    two = replace(one, root_m=one.root_m + [1.5, 0.0, 0.4])
    group = skeleton_video.Scene(DanceGroup((one, two)), np.array([0.5]), np.array([0.5]), "two")
    apart = group.poses[:, 1] - group.poses[:, 0]
    np.testing.assert_allclose(apart[..., 0], 1.5)
    np.testing.assert_allclose(apart[..., 2], 0.4)
