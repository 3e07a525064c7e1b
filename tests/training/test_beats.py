import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinetune import timebase
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.errors import ConfigError
from kinetune.motion.beats.beat_network import (
    FEATURES,
    HARMONICS,
    JOINTS,
    BeatNetworkConfig,
    load_beat_network,
)
from kinetune.training.beat_module import BeatModule, save_beat_modules
from kinetune.training.beats import (
    BeatAugmentation,
    BeatDances,
    BeatTraining,
    SpecialistTraining,
    TimedMotion,
    TrainingDances,
    augment_values,
    open_dances,
    phasor_loss,
    phasors_of,
    read_beat_config,
    sample_batch,
    synthetic_dance,
    train_beats,
)
from kinetune.training.config import LoopConfig
from tests.conftest import REPOSITORY

NOTHING = BeatAugmentation(
    mix=0.0, pace=0.0, size=0.0, gain=0.0, drop_joint=0.0, offset=0.0, noise=0.0
)
DANCES = BeatDances(synthetic=6, seed=77, duration_s=6.0, shortest_s=2.0, longest_s=3.0)
LOOP = LoopConfig(
    steps=4, batch_size=4, warmup_steps=1, learning_rate=1e-2, mixed_precision="no", ema_decay=0.9
)
SMALL = BeatNetworkConfig(channels=8, dilations=(1, 4), members=2)


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beats")
    open_dances(DANCES, folder)
    return folder


@pytest.fixture
def training():
    return BeatTraining(network=SMALL, dances=DANCES, augment=NOTHING, loop=LOOP, dropout=0.0)


def linked(out, folder):
    """A fresh run's folder that has the dances of ``out``."""
    folder.mkdir(exist_ok=True)
    for kept in out.glob("dances-*"):
        (folder / kept.name).symlink_to(kept)
    return folder


def test_target_phasors_are_zero_angle_on_downbeats():
    phasors = phasors_of(np.array([0.0, 0.5, 1.0, 4.0]))
    np.testing.assert_allclose(phasors[0], [1, 0] * len(HARMONICS), atol=1e-6)
    np.testing.assert_allclose(phasors[3], phasors[0], atol=1e-5)
    np.testing.assert_allclose(phasors[1, :4], [-1, 0, 1, 0], atol=1e-6)
    # One beat on, the bar of four has turned by a quarter.
    np.testing.assert_allclose(phasors[2, 6:8], [0, 1], atol=1e-6)


def test_a_specialist_for_synthetic_dances_is_silent_on_real_ones(out, training):
    dances = open_dances(DANCES, out)
    real_only = replace(training, dances=replace(DANCES, synthetic_share=0.0))
    assert float(sample_batch(dances, real_only, 0).phasors.abs().max()) > 0.9
    assert float(sample_batch(dances.silent(), real_only, 0).phasors.abs().max()) == 0.0
    synthetic_only = replace(training, dances=replace(DANCES, synthetic_share=0.99))
    spoken = sample_batch(dances, synthetic_only, 0).phasors
    torch.testing.assert_close(sample_batch(dances.silent(), synthetic_only, 0).phasors, spoken)


def test_specialists_are_trained_by_their_own_figures(out, training, tmp_path):
    special = SpecialistTraining(steps=2, synthetic_share=0.75, augment=NOTHING)
    network = replace(SMALL, members=1, specialists=1)
    training = replace(training, network=network, specialist=special)
    folder = linked(out, tmp_path / "run")
    train_beats(training, folder)
    steps = [
        json.loads((folder / "beats" / f"member-{k}" / "state" / "state.json").read_text())
        for k in (0, 1)
    ]
    assert [each["step"] for each in steps] == [LOOP.steps, 2]
    loaded = load_beat_network(folder / "beats" / "model").settings
    assert (loaded.members, loaded.specialists) == (1, 1)


def test_phasor_loss_is_one_if_uncertain_and_zero_if_right():
    target = torch.from_numpy(phasors_of(np.random.default_rng(0).uniform(0, 4, (2, 30))))
    assert float(phasor_loss(torch.zeros_like(target), target)) == pytest.approx(1.0)
    assert float(phasor_loss(target, target)) == 0.0


def test_targets_of_a_window_are_its_own_beats(training):
    """The head's speed grows evenly, so it tells the time at which a window was cut."""
    times_s = np.arange(200) / 30.0
    positions = np.random.default_rng(0).normal(size=(1, 24, 3)).repeat(200, axis=0)
    positions[:, 15, 1] = 1.0 + 0.25 * times_s**2
    dance = TimedMotion(positions.astype(np.float32), 0.6, 0.2)
    batch = sample_batch(TrainingDances((dance,), (dance,), np.ones(1)), training, 3)
    count = batch.phasors.shape[1]
    for values, phasors in zip(batch.values.numpy(), batch.phasors.numpy(), strict=True):
        head = np.expm1(values[10, JOINTS.index(15), 6]) / 2.0
        start_s = head / 0.5 - 10 / 30.0
        beats = (start_s + (2 * np.arange(count) + 0.5) / 30.0 - 0.2) / 0.6
        np.testing.assert_allclose(phasors[:, :2], phasors_of(beats)[:, :2], atol=0.05)


def test_the_same_number_draws_the_same_batch(out, training):
    dances = open_dances(DANCES, out)
    one, two, other = (sample_batch(dances, training, k) for k in (5, 5, 6))
    assert torch.equal(one.values, two.values)
    assert torch.equal(one.phasors, two.phasors)
    assert one.values.shape != other.values.shape or not torch.equal(one.values, other.values)
    assert one.values.shape[2] * one.values.shape[3] == FEATURES
    assert one.phasors.shape[1] == one.values.shape[1] // 2


def test_no_augmentation_leaves_the_values():
    values, partner = torch.randn(3, 10, len(JOINTS), 7), torch.randn(3, 10, len(JOINTS), 7)
    settings = replace(NOTHING)
    out = augment_values(values, values, settings, torch.Generator().manual_seed(0))
    torch.testing.assert_close(out, values)
    mixed = augment_values(values, partner, settings, torch.Generator().manual_seed(0))
    from_one = (mixed - values).abs().amax(dim=(1, 3)) < 1e-6
    from_other = (mixed - partner).abs().amax(dim=(1, 3)) < 1e-6
    assert bool((from_one | from_other).all())
    assert bool(from_one.any())
    assert bool(from_other.any())


@pytest.mark.parametrize(
    ("change", "spread"), [({"offset": 0.5}, 0.5), ({"gain": 0.3}, 0.42), ({"noise": 0.9}, 0.52)]
)
def test_each_augmentation_has_its_deviation(change, spread):
    values = torch.ones(400, 4, len(JOINTS), 7)
    generator = torch.Generator().manual_seed(1)
    out = augment_values(values, values, replace(NOTHING, **change), generator)
    changed = torch.log(out) if "gain" in change else out - values
    assert float(changed.std()) == pytest.approx(spread, rel=0.15)


def test_lost_joints_are_silent():
    values = torch.ones(300, 4, len(JOINTS), 7)
    settings = replace(NOTHING, drop_joint=1.0)
    out = augment_values(values, values, settings, torch.Generator().manual_seed(1))
    lost = (out.abs().amax(dim=(1, 3)) == 0).float()
    # Up to all joints, evenly: a half on average.
    assert float(lost.mean()) == pytest.approx(0.5, abs=0.05)


def test_dances_are_made_once_and_dancers_left_out(out):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    whole = open_dances(DANCES, out)
    fewer = open_dances(replace(DANCES, left_out=("d10", "d11")), out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")} == before
    gone = [d for d in labelled_dances() if d.dancer in ("d10", "d11") and d.downbeat_s is not None]
    assert len(whole.real) - len(fewer.real) == len(gone)
    assert whole.shares.sum() == pytest.approx(1.0)


def test_synthetic_dances_keep_their_beats(out):
    dances = open_dances(DANCES, out)
    for number, timed in enumerate(dances.synthetic):
        dance = synthetic_dance(DANCES, number)
        assert timed.period_s == pytest.approx(timebase.beat_period_s(dance.bpm))
        assert timed.downbeat_s == pytest.approx(dance.downbeats_s[0])
    assert synthetic_dance(DANCES, 5).clip.source == "keyed"


@pytest.mark.slow
def test_it_learns_and_leaves_a_network(training, out, tmp_path):
    folder = linked(out, tmp_path)
    training = replace(training, loop=replace(LOOP, steps=40))
    assert train_beats(training, folder).finished
    lines = (folder / "beats/member-1/log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-5:]) < np.mean(losses[:3])
    assert load_beat_network(folder / "beats" / "model").settings == SMALL


@pytest.mark.slow
def test_continuing_is_bit_for_bit_the_unbroken_run(training, out, tmp_path):
    training = replace(training, dropout=0.2)
    whole, broken = linked(out, tmp_path / "a"), linked(out, tmp_path / "b")
    train_beats(training, whole)

    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 2:
            raise Stop

    halved = replace(training, loop=replace(LOOP, save_every_minutes=0.0))
    with pytest.raises(Stop):
        train_beats(halved, broken, on_step=stop)
    train_beats(halved, broken, resume=True)
    one, two = (load_file(f / "beats/model/model.safetensors") for f in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_modules_and_network_agree(tmp_path):
    torch.manual_seed(0)
    modules = [BeatModule(replace(SMALL, members=1)).eval() for _ in range(2)]
    features = torch.randn(2, 51, FEATURES)
    save_beat_modules(modules, tmp_path)
    network = load_beat_network(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    expected = []
    for k, module in enumerate(modules):
        own = {n: stored[f"{k}.{n}"].float() for n in module.state_dict()}
        module.load_state_dict(own)
        with torch.no_grad():
            expected.append(module(features).numpy())
    np.testing.assert_allclose(network(features.numpy()), np.mean(expected, axis=0), atol=1e-4)


def test_the_shipped_config_reads():
    training = read_beat_config(REPOSITORY / "configs" / "beats.toml")
    assert training.network.members > 1
    assert training.dances.left_out == ()


def test_one_synthetic_dance_is_enough():
    assert BeatDances(synthetic=1).synthetic == 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"synthetic": 0}, "one synthetic dance or more"),
        ({"longest_s": 20.0}, "windows shorter than the dances"),
        ({"synthetic_share": 1.0}, "synthetic_share"),
        ({"left_out": ("d99",)}, "no dancer 'd99' to leave out; there are d01"),
    ],
)
def test_impossible_values_are_refused(told, message):
    with pytest.raises(ConfigError, match=message):
        BeatDances(**told)
