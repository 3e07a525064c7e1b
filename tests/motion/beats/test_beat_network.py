import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from kinetune import config
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import ConfigError, ModelError
from kinetune.motion import rotations, skeleton
from kinetune.motion.beats.beat_network import (
    BUNDLED,
    BeatNetwork,
    BeatNetworkConfig,
    body_rows,
    bundled_network,
    load_beat_network,
)
from kinetune.motion.clip import MotionClip, resample

SMALL = BeatNetworkConfig(joint_channels=3, channels=4, dilations=(1, 2))


def random_weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in SMALL.shapes.items()
    }


def written(folder, weights, settings=SMALL):
    (folder / "config.json").write_text(json.dumps(config.as_table(settings)))
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def dance():
    return choreograph(11, DanceRequest(genre="house", bpm=120.0, duration_s=6.0))


def test_rows_do_not_tell_where_a_body_stands_or_faces(dance):
    clip = dance.clip
    turn = np.array([np.cos(0.4), 0.0, np.sin(0.4), 0.0])
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(turn, quat[:, 0])
    moved = MotionClip(quat, rotations.rotate(turn, clip.root_m) + [3.0, 0.5, -2.0], clip.fps)
    np.testing.assert_allclose(body_rows(moved), body_rows(clip), atol=1e-5)


def test_rows_come_thirty_a_second_from_any_rate(dance):
    rows = body_rows(dance.clip)
    assert rows.shape == (180, skeleton.JOINT_COUNT, 5)
    finer = body_rows(resample(dance.clip, 120.0))
    np.testing.assert_allclose(finer, rows, atol=0.2)


def test_a_body_at_rest_has_no_speed():
    quat = np.tile([1.0, 0.0, 0.0, 0.0], (30, 24, 1))
    rows = body_rows(MotionClip(quat, np.zeros((30, 3)), 30.0))
    assert np.abs(rows[..., :4]).max() == 0.0
    # The lowest joint is the floor, and what is higher than 0.4 m counts as 0.4 m.
    assert rows[..., 4].min() == 0.0
    assert rows[..., 4].max() == pytest.approx(0.8)


def test_a_later_dance_is_told_the_same_later():
    network = BeatNetwork(SMALL, random_weights())
    rows = np.random.default_rng(1).normal(size=(60, 24, 5)).astype(np.float32)
    rows[:20] = rows[40:] = 0.0
    later = np.roll(rows, 7, axis=0)
    inside = slice(SMALL.reach_frames, -SMALL.reach_frames - 7)
    np.testing.assert_allclose(network(later)[7:][inside], network(rows)[:-7][inside], atol=1e-5)


def test_a_row_is_told_by_no_others_than_its_reach():
    network = BeatNetwork(SMALL, random_weights())
    rows = np.random.default_rng(2).normal(size=(60, 24, 5)).astype(np.float32)
    other = rows.copy()
    other[0] += 1.0
    apart = np.abs(network(other) - network(rows)).max(axis=1)
    assert apart[SMALL.reach_frames] > 1e-6
    assert apart[SMALL.reach_frames + 1 :].max() < 1e-6


def test_a_network_comes_back_from_its_folder(tmp_path):
    weights = random_weights()
    rows = np.random.default_rng(3).normal(size=(20, 24, 5)).astype(np.float32)
    found = load_beat_network(written(tmp_path, weights))
    np.testing.assert_array_equal(found(rows), BeatNetwork(SMALL, weights)(rows))


@pytest.mark.parametrize("fault", ["missing", "shape", "nan", "extra", "no config", "broken"])
def test_a_wrong_folder_is_one_clear_line(tmp_path, fault):
    weights = random_weights()
    if fault == "missing":
        del weights["inlet.bias"]
    elif fault == "shape":
        weights["inlet.bias"] = np.zeros(9, np.float32)
    elif fault == "nan":
        weights["inlet.bias"][0] = np.nan
    elif fault == "extra":
        weights["door"] = np.zeros(1, np.float32)
    written(tmp_path, weights)
    if fault == "no config":
        (tmp_path / "config.json").unlink()
    elif fault == "broken":
        (tmp_path / "model.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(ModelError) as caught:
        load_beat_network(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_impossible_figures_are_refused():
    with pytest.raises(ConfigError, match="must be odd"):
        BeatNetworkConfig(kernel=4)
    with pytest.raises(ConfigError, match="must be positive"):
        BeatNetworkConfig(channels=0)


def test_the_bundled_network_hears_the_beats_of_an_unseen_dance(dance):
    logits = bundled_network()(body_rows(dance.clip))[:, 0]
    on_beat = (dance.beats_s * 30.0).round().astype(int)
    on_beat = on_beat[on_beat < len(logits)]
    assert logits[on_beat].mean() > logits.mean() + 2.0
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 1e6
