import numpy as np
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from kinetune.audio.loudness import integrated_lufs, normalise, true_peak_dbtp
from kinetune.audio.sound import Sound


def music(gain=0.1, duration_s=5.0, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * 22_050)) / 22_050
    wave = gain * (np.sin(2 * np.pi * 220 * times) + 0.3 * rng.normal(size=len(times)))
    wave = wave.astype(np.float32)
    return Sound(wave if channels == 1 else np.stack([wave, wave[::-1]], axis=1), 22_050)


@pytest.mark.parametrize("gain", [0.001, 0.1, 0.9])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_target_is_hit_and_the_ceiling_is_kept(gain, channels):
    done = normalise(music(gain, channels=channels), target_lufs=-14.0, ceiling_dbtp=-1.0)
    assert pyloudnorm.Meter(22_050).integrated_loudness(
        done.samples.astype(np.float64)
    ) == pytest.approx(-14.0, abs=0.2)
    assert true_peak_dbtp(done) <= -0.99


def test_peaks_that_stand_out_are_held_down():
    sound = music(0.05)
    samples = sound.samples.copy()
    samples[50_000:50_020] = 0.95
    done = normalise(Sound(samples, 22_050))
    fine = np.abs(resample_poly(done.samples.astype(np.float64), 4, 1)).max()
    assert 20 * np.log10(fine) <= -0.9
    assert integrated_lufs(done) == pytest.approx(-14.0, abs=0.3)


def test_a_target_too_loud_for_the_ceiling_keeps_the_ceiling():
    assert true_peak_dbtp(normalise(music(), target_lufs=0.0)) <= -0.99


def test_silence_and_snippets_pass():
    silence = Sound(np.zeros(22_050, dtype=np.float32), 22_050)
    np.testing.assert_array_equal(normalise(silence).samples, silence.samples)
    assert integrated_lufs(silence) == true_peak_dbtp(silence) == float("-inf")
    snippet = normalise(music(duration_s=0.1))
    assert np.isfinite(snippet.samples).all()
    assert true_peak_dbtp(snippet) <= -0.99


def test_true_peaks_lie_between_samples():
    times = np.arange(2000)
    sound = Sound(np.sin(np.pi / 2 * times + np.pi / 4).astype(np.float32), 22_050)
    assert true_peak_dbtp(sound) == pytest.approx(0.0, abs=0.3)  # The samples alone say -3 dB.
