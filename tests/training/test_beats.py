import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.motion.beats.beat_network import BeatNetworkConfig, load_beat_network
from kinetune.training.beat_module import BeatModule, save_beat_module
from kinetune.training.beats import (
    BeatAugmentation,
    BeatDances,
    BeatTraining,
    beat_loss,
    body_of,
    drawn,
    open_bodies,
    read_beat_config,
    suffered,
    train_beats,
)
from kinetune.training.config import LoopConfig
from tests.conftest import REPOSITORY

NOTHING = BeatAugmentation(
    mix=0.0, smooth=0.0, smooth_rows=0.0, body_gain=0.0, joint_gain=0.0, drop_joint=0.0, noise=0.0
)
DANCES = BeatDances(grids=8, seed=77, duration_s=6.0, window_s=4.0)
LOOP = LoopConfig(
    steps=4, batch_size=4, warmup_steps=1, learning_rate=1e-2, mixed_precision="no", ema_decay=0.9
)
SMALL = BeatNetworkConfig(joint_channels=4, channels=8, dilations=(1, 4))


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beats")
    open_bodies(DANCES, folder)
    return folder


@pytest.fixture
def training():
    return BeatTraining(network=SMALL, dances=DANCES, augment=NOTHING, loop=LOOP, dropout=0.0)


@pytest.fixture
def bodies(out):
    return open_bodies(DANCES, out)


def losses(folder):
    lines = (folder / "beats/log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def linked(out, folder):
    """A fresh run's folder that has the dances of ``out``."""
    for kept in out.glob("bodies-*"):
        (folder / kept.name).symlink_to(kept)
    return folder


def test_both_bodies_of_a_grid_share_its_beats():
    for number in (0, 1, 2, 7):
        one, two = (body_of(DANCES, number, body) for body in range(2))
        assert one.bpm == two.bpm
        np.testing.assert_allclose(one.beats_s, two.beats_s)
        assert not np.allclose(one.clip.rotations, two.clip.rotations)


def test_bells_stand_on_the_beats(bodies):
    dance = body_of(DANCES, 0, 0)
    rows_s = timebase.frame_times(bodies.beats.shape[1], timebase.MOTION_FPS)
    away = np.abs(rows_s[:, None] - dance.beats_s).min(axis=1)
    np.testing.assert_array_equal(bodies.beats[0] > 0.5, away < 0.03 * np.sqrt(2 * np.log(2.0)))
    on_bars = bodies.downbeats[0] > 0.5
    assert 0 < on_bars.sum() < (bodies.beats[0] > 0.5).sum()


def test_only_made_up_dances_have_bars(bodies):
    np.testing.assert_array_equal(bodies.has_bars, [True, False, False, False] * 2)
    assert body_of(DANCES, 7, 0).clip.source == "keyed"


def test_dances_are_made_once(out, bodies):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    assert open_bodies(DANCES, out).rows.shape == bodies.rows.shape == (8, 2, 180, 24, 5)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")} == before


def test_a_clip_held_out_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no clip 'salsa' to hold out"):
        open_bodies(replace(DANCES, held_out=("salsa",)), tmp_path)


def test_held_out_clips_change_what_is_danced():
    held = tuple(clip for clip in ("85_03", "85_12", "05_12", "05_18"))
    whole, without = body_of(DANCES, 1, 0), body_of(replace(DANCES, held_out=held), 1, 0)
    assert not np.allclose(whole.clip.root_m, without.clip.root_m)


def test_the_same_number_draws_the_same_batch(bodies, training):
    for one, two in zip(drawn(bodies, training, 5), drawn(bodies, training, 5), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(drawn(bodies, training, 5)[0], drawn(bodies, training, 6)[0])


def test_windows_and_targets_move_together(bodies, training):
    rows, beats, _, _ = drawn(bodies, training, 0)
    whole = torch.from_numpy(np.array(bodies.rows)).float()
    found = 0
    for window, bells in zip(rows, beats, strict=True):
        for dance in range(len(whole)):
            for start in range(whole.shape[2] - len(window) + 1):
                part = whole[dance, :, start : start + len(window)]
                if any(torch.allclose(window, body, atol=1e-5) for body in part):
                    told = torch.from_numpy(np.array(bodies.beats[dance])).float()
                    found += bool(torch.equal(told[start : start + len(window)], bells))
    assert found >= len(rows)


@pytest.mark.parametrize(
    "change",
    [
        {"mix": 1.0},
        {"smooth": 1.0, "smooth_rows": 2.0},
        {"body_gain": 0.5},
        {"joint_gain": 0.5},
        {"drop_joint": 1.0},
        {"noise": 0.5},
    ],
)
def test_every_way_to_suffer_is_felt(change):
    rows = torch.randn(6, 2, 40, 24, 5)
    plain = suffered(rows, NOTHING, torch.Generator().manual_seed(1))
    spoilt = suffered(rows, replace(NOTHING, **change), torch.Generator().manual_seed(1))
    assert plain.shape == spoilt.shape == (6, 40, 24, 5)
    assert not torch.allclose(plain, spoilt)


def test_smoothing_keeps_what_stands_still():
    rows = torch.ones(3, 2, 40, 24, 5)
    told = replace(NOTHING, smooth=1.0, smooth_rows=3.0)
    spoilt = suffered(rows, told, torch.Generator().manual_seed(1))
    torch.testing.assert_close(spoilt, torch.ones(3, 40, 24, 5))


def test_downbeats_of_dances_without_bars_cost_nothing():
    logits, bells = torch.zeros(2, 10, 2), torch.zeros(2, 10)
    told = {"downbeat_weight": 1.0}
    none = beat_loss(logits, bells, torch.ones(2, 10), torch.zeros(2), **told)
    assert float(none["downbeat"]) == 0.0
    some = beat_loss(logits, bells, torch.ones(2, 10), torch.tensor([1.0, 0.0]), **told)
    assert float(some["downbeat"]) == pytest.approx(np.log(2.0))


def test_it_learns_and_leaves_a_network(training, out, tmp_path):
    loop = replace(LOOP, steps=60)
    folder = linked(out, tmp_path)
    assert train_beats(replace(training, loop=loop), folder).finished
    found = losses(folder)
    assert np.mean(found[-5:]) < 0.75 * np.mean(found[:3])
    assert load_beat_network(folder / "beats" / "model").settings == SMALL


def test_going_on_is_bit_for_bit_the_unbroken_run(training, out, tmp_path):
    training = replace(training, dropout=0.2)
    whole, broken = (linked(out, tmp_path / name) for name in map(_made(tmp_path), "ab"))
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


def _made(parent):
    def make(name):
        (parent / name).mkdir()
        return name

    return make


def test_module_and_network_agree(tmp_path):
    torch.manual_seed(0)
    module = BeatModule(SMALL).eval()
    rows = torch.randn(2, 50, 24, 5)
    save_beat_module(module, tmp_path)
    module.load_state_dict(
        {n: v.float() for n, v in load_file(tmp_path / "model.safetensors").items()}
    )
    network = load_beat_network(tmp_path)
    with torch.no_grad():
        logits = module(rows).numpy()
    for window, expected in zip(rows, logits, strict=True):
        np.testing.assert_allclose(network(window.numpy()), expected, atol=1e-4)


def test_the_shipped_config_reads():
    training = read_beat_config(REPOSITORY / "configs" / "beats.toml")
    assert training.dances.held_out
    assert training.network == BeatNetworkConfig()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"grids": 0}, "one grid or more"),
        ({"window_s": 20.0}, "windows no longer than the dances"),
        ({"slowest_bpm": 150.0, "fastest_bpm": 100.0}, "the slowest first"),
    ],
)
def test_impossible_figures_are_refused(told, message):
    with pytest.raises(ConfigError, match=message):
        BeatDances(**told)
