import numpy as np
import torch

from kinetune.audio.inpaint import inpaint_gap
from kinetune.audio.mel import MelConfig, log_mel

CONFIG = MelConfig(n_mels=128, reference="fixed")


def chord():
    time_s = np.arange(44_100) / 22_050
    parts = [np.sin(2 * np.pi * hz * time_s + hz) for hz in (220.0, 331.0, 550.7)]
    return torch.from_numpy((0.15 * sum(parts)).astype(np.float32))


def test_the_samples_outside_the_gap_are_the_very_same():
    known, gap = chord(), slice(15_000, 30_000)
    out = inpaint_gap(known, gap, log_mel(known[None], CONFIG)[0], CONFIG)
    torch.testing.assert_close(out[: gap.start], known[: gap.start], rtol=0, atol=0)
    torch.testing.assert_close(out[gap.stop :], known[gap.stop :], rtol=0, atol=0)
    assert not torch.allclose(out[gap], known[gap], atol=1e-3)


def test_samples_in_the_gap_are_ignored():
    known, gap = chord(), slice(15_000, 30_000)
    mel = log_mel(known[None], CONFIG)[0]
    noisy = known.clone()
    noisy[gap] = torch.randn(gap.stop - gap.start)
    torch.testing.assert_close(
        inpaint_gap(noisy, gap, mel, CONFIG), inpaint_gap(known, gap, mel, CONFIG)
    )


def test_a_held_chord_continues_through_the_gap_without_a_click():
    known, gap = chord(), slice(15_000, 30_000)
    mel = log_mel(known[None], CONFIG)[0]
    out = inpaint_gap(known, gap, mel, CONFIG)
    steps = out.diff().abs()
    for join in (gap.start, gap.stop):
        assert steps[join - 2 : join + 1].max() < 1.5 * known.diff().abs().max()
    found = log_mel(out[None], CONFIG)[0]
    # Where it was loud it is as loud: two decibels of eighty.
    loud = mel > 0.3
    assert (found - mel)[loud].abs().mean() * 40 < 2.0


def test_another_seed_is_another_filling():
    known, gap = chord(), slice(15_000, 30_000)
    mel = log_mel(known[None], CONFIG)[0]
    one, two = (inpaint_gap(known, gap, mel, CONFIG, seed=seed) for seed in (0, 1))
    assert not torch.allclose(one, two, atol=1e-4)
