import av
import numpy as np
import pytest

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


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    told = []
    mux.write_film(path, scene(), tone(), progress=lambda done, total: told.append((done, total)))
    return path, told


def packets(path, kind):
    with av.open(str(path)) as file:
        stream = next(s for s in file.streams if s.type == kind)
        return [bytes(p) for p in file.demux(stream) if p.dts is not None]


def test_the_dancer_is_in_the_picture_head_up():
    picture = next(skeleton_video.pictures(scene()))
    assert picture.shape == (skeleton_video.HEIGHT, skeleton_video.WIDTH, 3)
    left = np.argwhere((picture == skeleton_video._LEFT).all(axis=-1))
    trunk = np.argwhere((picture == skeleton_video._TRUNK).all(axis=-1))
    assert len(left) > 500
    assert trunk[:, 0].min() < left[:, 0].max()
    assert 300 < trunk[:, 1].mean() < skeleton_video.WIDTH - 300


def test_the_dancers_left_is_on_the_viewers_right():
    picture = next(skeleton_video.pictures(scene()))
    left, right = (np.argwhere((picture == c).all(axis=-1))[:, 1].mean()
                   for c in (skeleton_video._LEFT, skeleton_video._RIGHT))  # fmt: skip
    assert left > right


def test_a_beat_flashes_and_fades():
    made = scene()
    glows = [skeleton_video._glow(made, 0.25 + after)[0] for after in (0.0, 0.1, 0.4)]
    assert glows[0] == pytest.approx(1.0)
    assert glows[0] > glows[1] > glows[2]
    assert skeleton_video._glow(made, 0.1) == (0.0, False)
    assert skeleton_video._glow(made, 0.3)[1]
    assert not skeleton_video._glow(made, 0.8)[1]


def test_the_camera_follows():
    clip = swaying_clip(duration_s=4.0)
    away = clip.root_m + np.linspace(0.0, 6.0, len(clip.root_m))[:, None] * [1.0, 0.0, 0.0]
    from dataclasses import replace

    walking = skeleton_video.Scene(replace(clip, root_m=away), np.zeros(0), np.zeros(0), "")
    *_, last = skeleton_video.pictures(walking)
    seen = np.argwhere((last == skeleton_video._TRUNK).all(axis=-1))[:, 1]
    assert 200 < seen.mean() < skeleton_video.WIDTH - 200


def test_film_and_music_are_as_long_as_the_dance(filmed):
    path, told = filmed
    with av.open(str(path)) as file:
        shown, sound = file.streams.video[0], file.streams.audio[0]
        assert (shown.width, shown.height, shown.frames) == (1280, 720, 60)
        assert float(shown.duration * shown.time_base) == pytest.approx(2.0, abs=0.04)
        assert float(sound.duration * sound.time_base) == pytest.approx(2.0, abs=0.06)
    assert told[-1] == (60, 60)
    assert heard(path).std() == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_a_film_is_made_by_one_command(tmp_path, tiny_model):
    write_bvh(tmp_path / "a.bvh", swaying_clip(duration_s=1.0))
    done = kinetune(
        "generate", tmp_path / "a.bvh", "-o", tmp_path / "a.wav", "--model", tiny_model,
        "--video", tmp_path / "a.mp4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(packets(tmp_path / "a.mp4", "video")) == 30
    assert str(tmp_path / "a.mp4") in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--video", "a.avi"], "written as .mp4"),
        (["--onto", "b.mp4"], "needs --video"),
        (["--onto", "b.mp4", "--video", "a.mp4"], "no such film"),
        (["--video", "a.mp4", "--offset", "-1"], "0 or later"),
    ],
)
def test_an_impossible_film_is_one_clear_line(tmp_path, tiny_model, options, said):
    write_bvh(tmp_path / "a.bvh", swaying_clip(duration_s=1.0))
    done = kinetune("generate", "a.bvh", "--model", tiny_model, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.bvh"]
