from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.model.conditioning.dynamics import (
    MIN_BARS,
    MIN_LEVEL,
    apply_dynamics,
    bar_dynamics,
    effort_contrast,
)
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.motion.clip import MotionClip
from tests.conftest import swaying_clip

BAR_FRAMES = 60
CONFIG = MelConfig(n_mels=32, reference="fixed")


def lines(bars):
    return np.arange(bars) * BAR_FRAMES / timebase.MOTION_FPS


def per_bar(values):
    return np.repeat(np.asarray(values, dtype=float), BAR_FRAMES)


def test_a_break_is_quiet_from_its_bar_line_to_its_last_bars_end():
    level = bar_dynamics(per_bar([1.0] * 12 + [0.3] * 4 + [1.0] * 12), lines(28))
    inside = np.arange(12 * BAR_FRAMES, 16 * BAR_FRAMES - 4)
    np.testing.assert_allclose(level[inside], 0.3)
    np.testing.assert_allclose(level[: 12 * BAR_FRAMES - 4], 1.0)
    np.testing.assert_allclose(level[16 * BAR_FRAMES :], 1.0)


def test_a_build_rises_and_the_body_s_size_does_not_matter():
    effort = per_bar(np.linspace(0.2, 1.0, 32))
    level = bar_dynamics(effort, lines(32))
    assert (np.diff(level) >= -1e-12).all()
    assert level[0] < 0.35
    assert level[-1] == 1.0
    np.testing.assert_allclose(bar_dynamics(7.0 * effort, lines(32)), level)


def test_a_single_loud_bar_does_not_change_the_level():
    effort = [1.0] * 24
    effort[10] = 0.1
    np.testing.assert_allclose(bar_dynamics(per_bar(effort), lines(24)), 1.0)


@pytest.mark.parametrize("effort", [per_bar([1.0, 0.1] * 7), np.zeros(1800)])
def test_a_short_piece_and_a_still_body_have_no_arc(effort):
    bars = len(effort) // BAR_FRAMES
    assert bars < MIN_BARS or effort.max() == 0.0
    np.testing.assert_array_equal(bar_dynamics(effort, lines(bars)), 1.0)


def test_a_body_that_stops_is_never_below_the_least_level():
    level = bar_dynamics(per_bar([1.0] * 16 + [0.0] * 8), lines(24))
    assert level.min() == MIN_LEVEL


def test_a_level_is_a_ratio_of_power():
    mel = torch.rand(1, 32, 430) * 1.2 - 0.6
    level = np.full(300, 0.25)
    softer_db = float(
        ((apply_dynamics(mel.clone(), level, CONFIG) - mel) * CONFIG.top_db / 2).mean()
    )
    assert softer_db == pytest.approx(10 * np.log10(0.25), abs=1e-3)
    assert apply_dynamics(torch.full((1, 32, 10), -1.0), level, CONFIG).min() == -1.0
    torch.testing.assert_close(apply_dynamics(mel, np.ones(300), CONFIG), mel)
    torch.testing.assert_close(apply_dynamics(mel, np.empty(0), CONFIG), mel)


def slowing(clip: MotionClip, share: float) -> MotionClip:
    """The clip with its second half dancing in small: nearer to its mean pose."""
    size = np.where(np.arange(clip.frame_count) < clip.frame_count // 2, 1.0, share)
    mean = clip.rotations.mean(axis=0)
    quat = mean + size[:, None, None] * (clip.rotations - mean)
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    root = clip.root_m.mean(axis=0) + size[:, None] * (clip.root_m - clip.root_m.mean(axis=0))
    return replace(clip, rotations=quat, root_m=root)


@pytest.mark.slow
def test_a_long_dance_that_gets_quiet_gets_quiet_music(mono_pipeline):
    duration_s = 20.0
    grid = fixed_grid(240.0, 0.0, duration_s)
    clip = slowing(swaying_clip(duration_s=duration_s, fps=30.0), 0.25)
    ways = {"genre": "HO", "grid": grid, "num_inference_steps": 1}
    music = mono_pipeline(clip, **ways)
    conditions = mono_pipeline.conditions.of_dance(
        clip, grid, "HO", mono_pipeline.plan(duration_s), guided=False
    )
    assert conditions.bar_level[100] > 0.95
    assert conditions.bar_level[500] == pytest.approx(0.25, abs=0.08)
    power = music.sound.samples.astype(np.float64) ** 2
    assert power[: len(power) // 2].mean() > 2.0 * power[len(power) // 2 :].mean()
    # A loop, whose end flows into its beginning, is left as it is.
    loop = mono_pipeline(clip, **ways, loop=True).sound.samples.astype(np.float64) ** 2
    assert loop[: len(loop) // 2].mean() < 2.0 * loop[len(loop) // 2 :].mean()


def test_contrast_raises_the_ratio_of_efforts_to_a_power():
    """Three seconds at 1 m/s, three at 2 m/s, again and again: the ratio 2 becomes 2 ** 1.6."""
    effort = np.tile(np.repeat([1.0, 2.0], 90), 12)
    changed = effort * effort_contrast(effort, 1.6)
    quiet, loud = (changed[middle::180][4:8] for middle in (45, 135))
    np.testing.assert_allclose(loud / quiet, 2.0**1.6, rtol=0.03)
    # Nothing gets louder or quieter on the whole.
    assert np.exp(np.log(changed / effort).mean()) == pytest.approx(1.0, abs=0.05)


def test_contrast_changes_nothing_by_one_nor_a_steady_or_still_body():
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(effort_contrast(rng.uniform(0.1, 2.0, 400), 1.0), 1.0)
    for effort in (np.full(400, 0.7), np.zeros(400)):
        np.testing.assert_allclose(effort_contrast(effort, 1.6), 1.0)


def test_a_loops_contrast_has_no_seam():
    phase = np.linspace(0.0, 2.0 * np.pi, 300, endpoint=False)
    effort = 1.0 + 0.5 * np.sin(phase)
    factor = effort_contrast(effort, 1.6, is_loop=True)
    turned = effort_contrast(np.roll(effort, 77), 1.6, is_loop=True)
    np.testing.assert_allclose(turned, np.roll(factor, 77), rtol=1e-9)
