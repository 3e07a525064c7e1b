"""Multiresolution spectrograms: levels, positions in time and frequency, invalid input."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.audio.multiresolution import (
    MelLayer,
    MultiresolutionConfig,
    log_multiresolution,
)
from kinetune.errors import AudioError, ConfigError

RATE_HZ, HOP = 44_100, 1024
LOW = MelLayer("mid", 4096, 1024, 64, 0.0, 2_400.0, -9.0)
HIGH = MelLayer("mid", 512, 256, 16, 2_400.0, 22_050.0, -22.0)
SIDE = MelLayer("side", 2048, 1024, 32, 0.0, 22_050.0, -24.0)
CONFIG = MultiresolutionConfig(RATE_HZ, HOP, (LOW, HIGH, SIDE))


def decibels(mel, layer_number, config=CONFIG):
    """Levels of a layer's rows of a spectrogram (M, L)."""
    reference = config.layers[layer_number].reference_db
    return reference + (mel[config.rows[layer_number]] - 1.0) * config.top_db / 2.0


def test_rows_are_bands_times_frames_within_a_frame():
    assert CONFIG.n_mels == 64 + 4 * 16 + 32
    assert CONFIG.rows == (slice(0, 64), slice(64, 128), slice(128, 160))
    assert CONFIG.n_fft == 4096
    assert CONFIG.frame_rate_hz == pytest.approx(43.066, abs=1e-3)
    made = log_multiresolution(torch.zeros(2, 2, 10 * HOP), CONFIG)
    assert made.shape == (2, 160, 11)
    assert made.eq(-1.0).all()


def test_a_tone_has_its_level_in_the_band_it_is_in():
    """A sine of -20 dB under the peak of a Hann window; a band's mean lies below its peak."""
    time_s = torch.arange(20 * HOP) / RATE_HZ
    # Bin 50 of 4096 exactly.
    tone = 0.1 * torch.sin(2 * np.pi * (50 * RATE_HZ / 4096) * time_s)
    level = decibels(log_multiresolution(tone[None], CONFIG)[0], 0)[:, 10]
    edges = LOW.mel(RATE_HZ)
    assert level.max() == pytest.approx(-20.0 - 10 * np.log10(edges.n_mels / 40), abs=3.0)
    # 538 Hz of 0 to 2,400 Hz: 8.1 mels of 27.7, in 64 bands.
    assert int(level.argmax()) == round(8.07 / 27.73 * 65) - 1


def test_a_click_is_in_the_short_windows_at_its_own_step():
    click = torch.zeros(1, 20 * HOP)
    click[0, 10 * HOP + 2 * 256] = 0.5
    steps = decibels(log_multiresolution(click, CONFIG)[0], 1)
    # (4 * 16, L) -> level of each step of each frame
    level = steps.unflatten(0, (4, 16)).mean(dim=1).T.flatten()
    assert int(level.argmax()) == 4 * 10 + 2
    assert level[4 * 10 + 2] - level[4 * 10 + 4] > 20.0


def test_what_is_the_same_on_both_sides_leaves_the_side_empty():
    noise = torch.randn(1, 20 * HOP, generator=torch.Generator().manual_seed(0))
    both = log_multiresolution(torch.stack([noise, noise], dim=1), CONFIG)
    apart = log_multiresolution(torch.stack([noise, -noise], dim=1), CONFIG)
    assert both[:, CONFIG.rows[2]].eq(-1.0).all()
    assert apart[:, CONFIG.rows[0]].eq(-1.0).all()
    torch.testing.assert_close(both, log_multiresolution(noise, CONFIG))
    # One layer of the side is that of the middle when left and right are turned against each other.
    mid = replace(CONFIG, layers=(replace(SIDE, channel="mid"),))
    torch.testing.assert_close(apart[:, CONFIG.rows[2]], log_multiresolution(noise, mid))


def test_ten_decibels_are_a_seventh_of_a_unit_more():
    noise = 0.01 * torch.randn(1, 20 * HOP, generator=torch.Generator().manual_seed(0))
    soft, loud = (log_multiresolution(noise * gain, CONFIG) for gain in (1.0, 10.0**0.5))
    inside = (soft > -0.9) & (loud < 0.99)
    assert inside.float().mean() > 0.3
    change = (loud - soft)[inside]
    torch.testing.assert_close(change, torch.full_like(change, 10.0 / 36.0), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ()}, "needs one layer or more"),
        ({"layers": (replace(LOW, channel="left"),)}, "mid and side, found 'left'"),
        ({"layers": (replace(LOW, hop_length=300, n_fft=4200),)}, "must divide 1024, found 300"),
        ({"layers": (replace(LOW, n_mels=0),)}, "must be positive"),
        ({"top_db": 0.0}, "top_db must be positive"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)


@pytest.mark.parametrize("shape", [(2, 3, 100), (1, 2, 0), (100,)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(AudioError, match="expected samples"):
        log_multiresolution(torch.zeros(shape), CONFIG)
