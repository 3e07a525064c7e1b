import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from kinetune import config
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import ConfigError, ModelError
from kinetune.motion import rotations
from kinetune.motion.beats.beat_network import (
    BUNDLED,
    FEATURES,
    HARMONICS,
    OUTPUT_FPS,
    OUTPUTS,
    BeatNetwork,
    BeatNetworkConfig,
    beat_phasors,
    blend_specialist,
    body_features,
    joined_weights,
    load_beat_network,
)
from kinetune.motion.clip import MotionClip, resample

SMALL = BeatNetworkConfig(channels=4, dilations=(1, 2))


def random_weights(seed=0, settings=SMALL):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in settings.shapes.items()
    }


def written(folder, weights, settings=SMALL):
    (folder / "config.json").write_text(json.dumps(config.as_table(settings)))
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def dance():
    return choreograph(11, DanceRequest(genre="house", bpm=120.0, duration_s=6.0))


def test_features_are_invariant_to_position_and_heading(dance):
    clip = dance.clip
    turn = np.array([np.cos(0.4), 0.0, np.sin(0.4), 0.0])
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(turn, quat[:, 0])
    moved = MotionClip(quat, rotations.rotate(turn, clip.root_m) + [3.0, 0.5, -2.0], clip.fps)
    np.testing.assert_allclose(body_features(moved), body_features(clip), atol=1e-4)


def test_features_come_thirty_a_second_from_any_rate(dance):
    features = body_features(dance.clip)
    assert features.shape == (180, FEATURES)
    finer = body_features(resample(dance.clip, 120.0))
    np.testing.assert_allclose(finer, features, atol=0.3)


def test_a_body_at_rest_has_no_features():
    quat = np.tile([1.0, 0.0, 0.0, 0.0], (30, 24, 1))
    features = body_features(MotionClip(quat, np.zeros((30, 3)), 30.0))
    np.testing.assert_allclose(features, 0.0, atol=1e-6)


def test_members_are_averaged():
    two = BeatNetworkConfig(channels=4, dilations=(1, 2), members=2)
    weights = [{k.removeprefix("0."): v for k, v in random_weights(s).items()} for s in (0, 1)]
    features = np.random.default_rng(3).normal(size=(1, 40, FEATURES)).astype(np.float32)
    apart = [BeatNetwork(SMALL, joined_weights([each]))(features) for each in weights]
    together = BeatNetwork(two, joined_weights(weights))(features)
    np.testing.assert_allclose(together, np.mean(apart, axis=0), atol=1e-5)


def test_a_specialist_is_weighted_by_its_confidence():
    others = np.array([[0.2, -0.4, 0.6, 0.0]], np.float32)
    specialist = np.array([[0.0, 1.0, 0.3, 0.4]], np.float32)
    # Sure of the first harmonic, half sure of the second.
    np.testing.assert_allclose(
        blend_specialist(others, specialist), [[0.0, 1.0, 0.6, 0.4]], atol=1e-6
    )
    np.testing.assert_array_equal(blend_specialist(others, 0.0 * specialist), others)


def test_specialists_come_last_and_are_averaged_apart():
    settings = BeatNetworkConfig(channels=4, dilations=(1, 2), members=1, specialists=2)
    one = [{k.removeprefix("0."): v for k, v in random_weights(s).items()} for s in range(3)]
    features = np.random.default_rng(3).normal(size=(1, 40, FEATURES)).astype(np.float32)
    each = [BeatNetwork(SMALL, joined_weights([weights]))(features) for weights in one]
    expected = blend_specialist(each[0], 0.5 * (each[1] + each[2]))
    found = BeatNetwork(settings, joined_weights(one))(features)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_network_of_before_specialists_still_loads(tmp_path):
    weights = random_weights()
    written(tmp_path, weights)
    table = json.loads((tmp_path / "config.json").read_text())
    del table["specialists"]
    (tmp_path / "config.json").write_text(json.dumps(table))
    assert load_beat_network(tmp_path).settings == SMALL


def test_a_frame_reads_no_further_than_its_reach():
    network = BeatNetwork(SMALL, random_weights())
    features = np.random.default_rng(2).normal(size=(1, 80, FEATURES)).astype(np.float32)
    other = features.copy()
    other[0, 0] += 1.0
    apart = np.abs(network(other) - network(features))[0].max(axis=1)
    # The first output frame reads input frames 0 to 2; each block adds its dilation.
    assert apart[3] > 1e-7
    assert apart[4:].max() < 1e-6


def test_long_dances_are_read_in_windows_without_a_seam():
    dance = choreograph(3, DanceRequest(genre="locking", bpm=104.0, duration_s=40.0, fps=30.0))
    network = BeatNetwork(SMALL, random_weights())
    phasors = beat_phasors(dance.clip, network)
    assert phasors.shape == (40 * OUTPUT_FPS, OUTPUTS)
    # A window in the middle, away from its own ends, is the same as the whole, but for the mean.
    steps = np.abs(np.diff(phasors, axis=0)).max(axis=1)
    seams = np.arange(90, 580, 90) - 1
    assert steps[seams].max() <= np.percentile(steps, 99.5)


def test_a_network_round_trips_through_its_folder(tmp_path):
    weights = random_weights()
    features = np.random.default_rng(3).normal(size=(1, 20, FEATURES)).astype(np.float32)
    loaded = load_beat_network(written(tmp_path, weights))
    np.testing.assert_array_equal(loaded(features), BeatNetwork(SMALL, weights)(features))


@pytest.mark.parametrize(
    "fault", ["missing", "shape", "nan", "extra", "no config", "broken", "deep"]
)
def test_a_wrong_folder_is_one_clear_line(tmp_path, fault):
    weights = random_weights()
    if fault == "missing":
        del weights["0.inlet.bias"]
    elif fault == "shape":
        weights["0.inlet.bias"] = np.zeros(9, np.float32)
    elif fault == "nan":
        weights["0.inlet.bias"][0] = np.nan
    elif fault == "extra":
        weights["door"] = np.zeros(1, np.float32)
    written(tmp_path, weights)
    if fault == "no config":
        (tmp_path / "config.json").unlink()
    elif fault == "broken":
        (tmp_path / "model.safetensors").write_bytes(b"x" * 40)
    elif fault == "deep":
        (tmp_path / "config.json").write_text("[" * 5000)
    with pytest.raises(ModelError) as caught:
        load_beat_network(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="must be 1 to 1024, found 0"):
        BeatNetworkConfig(channels=0)
    with pytest.raises(ConfigError, match="must be 1 to 1024, found 1 and 2147483648"):
        BeatNetworkConfig(members=2**31)


def test_the_bundled_network_finds_the_phase_of_an_unseen_dance():
    errors = []
    for seed in range(6):
        dance = choreograph(600 + seed, DanceRequest(genre="house", bpm=120.0, duration_s=9.0))
        phasors = beat_phasors(dance.clip)
        times_s = (2 * np.arange(len(phasors)) + 0.5) / 30.0
        beat = HARMONICS.index(1.0)
        found = phasors[:, 2 * beat] + 1j * phasors[:, 2 * beat + 1]
        true = np.exp(2j * np.pi * (times_s - dance.beats_s[0]) * 2.0)
        errors.append(np.angle((found * true.conj()).sum()) / (2 * np.pi) * 0.5)
    assert np.median(np.abs(errors)) < 0.05
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 4e6
