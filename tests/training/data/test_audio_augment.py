from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from kinetune.audio.mel import MelConfig, log_mel
from kinetune.errors import ConfigError
from kinetune.training.data import audio_augment
from kinetune.training.data.audio_augment import (
    AudioAugmentation,
    add_noise,
    augment_audio,
    change_speed,
    filter_spectrum,
    non_music,
    simulate_codec,
)

RATE_HZ, LENGTH = 22_050, 22_050
UNTOUCHED = AudioAugmentation(
    speed=0.0, tilt_db=0.0, lowpass_share=0.0, noise_share=0.0, codec_share=0.0, non_music_share=0.0
)


def rng(seed=0):
    return np.random.default_rng(seed)


def music(batch=4, length=25_000):
    t = torch.arange(length) / RATE_HZ
    chord = sum(torch.sin(2 * np.pi * hz * t) for hz in (110.0, 440.0, 3520.0))
    beat = (t * 4 % 1.0 < 0.5).float()
    return (0.1 * chord * beat).repeat(batch, 1)


def test_nothing_requested_changes_nothing():
    out = augment_audio(music(), LENGTH, RATE_HZ, UNTOUCHED, rng())
    torch.testing.assert_close(out, music()[:, :LENGTH], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"speed": 0.1}, {"tilt_db": 3.0}, {"lowpass_share": 1.0}, {"noise_share": 1.0},
     {"codec_share": 1.0}],
)  # fmt: skip
def test_each_figure_changes_the_music(change):
    out = augment_audio(music(), LENGTH, RATE_HZ, replace(UNTOUCHED, **change), rng())
    assert out.shape == (4, LENGTH)
    assert out.isfinite().all()
    assert (out - music()[:, :LENGTH]).abs().max() > 0.01


def test_the_same_draws_give_the_same_windows():
    one, two = (
        augment_audio(music(), LENGTH, RATE_HZ, AudioAugmentation(), rng(3)) for _ in range(2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(
        one, augment_audio(music(), LENGTH, RATE_HZ, AudioAugmentation(), rng(4))
    )


def test_speed_moves_pitch():
    t = torch.arange(25_000) / RATE_HZ
    faster = change_speed(torch.sin(2 * np.pi * 1000.0 * t), 1.1, LENGTH)
    peak = torch.fft.rfft(faster).abs().argmax() * RATE_HZ / LENGTH
    assert peak.item() == pytest.approx(1100.0, abs=2.0)


def test_a_tilt_is_as_steep_as_drawn():
    """A chord of octaves: level against octave is a line through the pivot."""
    settings = replace(UNTOUCHED, tilt_db=6.0)
    t = torch.arange(LENGTH) / RATE_HZ
    octaves = np.array([-2.0, 0.0, 2.0])
    tones = sum(torch.sin(2 * np.pi * 1000.0 * 2.0**k * t) for k in octaves)
    spectrum = torch.fft.rfft(filter_spectrum(tones[None], RATE_HZ, settings, rng()))[0].abs()
    levels = 20 * np.log10([spectrum[round(1000 * 2.0**k)].item() / (LENGTH / 2) for k in octaves])
    assert levels[1] == pytest.approx(0.0, abs=0.01)
    assert levels[2] == pytest.approx(-levels[0], abs=0.01)
    assert 0.1 < abs(levels[2]) <= 12.0


def test_noise_has_the_requested_signal_to_noise_ratio():
    clean = music(1)[0]
    added = add_noise(clean, 20.0, rng()) - clean
    ratio = clean.square().mean() / added.square().mean()
    assert 10 * np.log10(ratio.item()) == pytest.approx(20.0, abs=0.2)


def test_the_codec_leaves_the_picture_and_not_the_samples():
    config = MelConfig(n_mels=64, reference="fixed")
    clean = music(1)
    coded = simulate_codec(clean, RATE_HZ, rng())
    apart = (log_mel(coded, config) - log_mel(clean, config)).abs().mean() * config.top_db / 2
    assert 0.3 < apart < 6.0
    assert (coded - clean).square().mean() > 0.1 * clean.square().mean()


def test_codec_augmentation_blurs_and_adds_noise(monkeypatch):
    given = {}

    def record(mel, config, **options):
        given["mel"] = mel
        return torch.zeros(len(mel), options["length"])

    monkeypatch.setattr(audio_augment, "mel_to_samples", record)
    config = MelConfig(rate_hz=RATE_HZ, n_mels=128, reference="fixed")
    clean = music(1)
    simulate_codec(clean, RATE_HZ, rng(5))
    mel, draws = log_mel(clean, config), rng(5)
    weight, noise_db = draws.uniform(0.0, 1.0), draws.uniform(0.0, audio_augment._CODEC_NOISE_DB)
    noise = torch.from_numpy(draws.standard_normal(tuple(mel.shape), dtype=np.float32))
    size = {"size": 3, "mode": "nearest"}
    blurred = torch.from_numpy(uniform_filter(mel[0].numpy(), **size))[None]
    expected = (1.0 - weight) * mel + weight * blurred + noise_db * 2.0 / config.top_db * noise
    expected = torch.where(mel <= -1.0, mel, expected).clamp(-1.0, 1.0)
    torch.testing.assert_close(given["mel"], expected, atol=1e-5, rtol=1e-5)


def test_no_music_is_of_several_kinds():
    windows = [non_music(LENGTH, RATE_HZ, rng(seed)) for seed in range(20)]
    assert all(w.shape == (LENGTH,) and w.isfinite().all() for w in windows)
    assert any(w.abs().max() == 0.0 for w in windows)
    crests = [(w.abs().max() / w.square().mean().sqrt()).item() for w in windows if w.any()]
    assert min(crests) < 1.5  # a hum
    assert max(crests) > 6.0  # clicks


@pytest.mark.parametrize("change", [{"codec_share": 1.5}, {"speed": 0.5}, {"tilt_db": -1.0}])
def test_impossible_values_are_reported(change):
    with pytest.raises(ConfigError):
        AudioAugmentation(**change)
