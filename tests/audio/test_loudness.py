import numpy as np
import pyloudnorm
import pytest
from scipy import signal

from kinetune.audio.loudness import integrated_lufs, normalise_loudness, true_peak_dbtp
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from tests.audio.conftest import chord_and_clicks


def test_loudness_is_pyloudnorms():
    samples = chord_and_clicks(3.0)
    expected = pyloudnorm.Meter(22_050).integrated_loudness(samples)
    assert integrated_lufs(Sound(samples, 22_050)) == pytest.approx(expected)


def test_the_standards_tone_has_the_standards_loudness():
    # EBU Tech 3341, case 1: a 1 kHz stereo sine at -23 dBFS reads -23 LUFS.
    time_s = np.arange(48_000 * 5) / 48_000
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * time_s)
    sound = Sound(np.stack([tone, tone], axis=1).astype(np.float32), 48_000)
    assert integrated_lufs(sound) == pytest.approx(-23.0, abs=0.1)


def test_the_true_peak_is_between_the_samples():
    # A sine at a quarter of the rate, sampled 45 degrees off its crests: 3 dB below them.
    samples = np.sin(np.pi / 2 * np.arange(4_000) + np.pi / 4) * np.hanning(4_000)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak_dbtp(Sound(samples.astype(np.float32), 44_100)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("kind", ["bass", "noise", "near_nyquist", "clipped", "clicks"])
def test_the_true_peak_is_that_of_the_whole_sound_oversampled(kind):
    """Whatever is not oversampled because it can't hold the peak."""
    rng, count = np.random.default_rng(0), 30_000
    waves = {
        "bass": np.cumsum(rng.normal(size=(2, count)), axis=1),
        "noise": rng.normal(size=(2, count)),
        "near_nyquist": np.sin(3.0 * np.arange(count) + np.array([[0.3], [1.0]])),
        "clipped": np.clip(3.0 * np.sin(0.21 * np.arange(2 * count)), -1.0, 1.0).reshape(2, -1),
        "clicks": rng.normal(size=(2, count)) * (rng.random((2, count)) > 0.999),
    }
    samples = (waves[kind] / np.abs(waves[kind]).max()).astype(np.float32).T
    wanted = np.abs(signal.resample_poly(samples, 4, 1, axis=0)).max()
    found = true_peak_dbtp(Sound(samples, 44_100))
    assert found == pytest.approx(20.0 * np.log10(wanted), abs=1e-4)


def test_a_long_sounds_true_peak_is_found_across_blocks():
    samples = np.zeros(600_000, np.float32)
    samples[(1 << 18) - 1 : (1 << 18) + 1] = 0.5
    short = samples[(1 << 18) - 500 : (1 << 18) + 500]
    assert true_peak_dbtp(Sound(samples, 44_100)) == pytest.approx(
        true_peak_dbtp(Sound(short, 44_100)), abs=1e-4
    )


@pytest.mark.parametrize("target", [-23.0, -14.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_target_is_met_under_the_ceiling(target, channels):
    mono = chord_and_clicks(4.0) * np.float32(0.05)
    samples = mono if channels == 1 else np.stack([mono, 0.5 * mono], axis=1)
    found = normalise_loudness(Sound(samples, 22_050), target_lufs=target)
    assert found.samples.dtype == np.float32
    assert found.samples.shape == samples.shape
    assert integrated_lufs(found) == pytest.approx(target, abs=0.2)
    assert true_peak_dbtp(found) <= -1.0


def test_a_lower_ceiling_is_kept_and_only_the_peaks_are_touched():
    sound = Sound(chord_and_clicks(4.0), 22_050)
    free = normalise_loudness(sound, target_lufs=-20.0, ceiling_dbtp=6.0)
    held = normalise_loudness(sound, target_lufs=-20.0, ceiling_dbtp=-6.0)
    assert true_peak_dbtp(free) > -6.0 >= true_peak_dbtp(held)
    assert integrated_lufs(held) == pytest.approx(-20.0, abs=0.2)
    # Between two clicks both differ by a steady gain.
    between = slice(22_050 // 4, 22_050 // 4 + 2_000)
    ratio = held.samples[between] / free.samples[between]
    assert np.ptp(ratio[np.abs(free.samples[between]) > 0.01]) < 1e-3


def test_clicks_that_can_not_be_that_loud_stay_under_the_ceiling():
    samples = np.zeros(44_100, np.float32)
    samples[::11_025] = 0.9
    assert true_peak_dbtp(normalise_loudness(Sound(samples, 22_050))) <= -1.0


@pytest.mark.parametrize("length", [0, 10, 44_100])
def test_silence_is_unchanged(length):
    silence = Sound(np.zeros(length, np.float32), 44_100)
    assert normalise_loudness(silence) is silence
    assert integrated_lufs(silence) == true_peak_dbtp(silence) == float("-inf")


def test_a_sound_shorter_than_a_block_is_scaled_to_level():
    short = Sound(0.01 * chord_and_clicks(0.1), 22_050)
    assert integrated_lufs(normalise_loudness(short)) == pytest.approx(-14.0, abs=0.2)


def test_more_channels_than_the_standard_knows_are_refused():
    with pytest.raises(AudioError, match="found 6; mix them down"):
        integrated_lufs(Sound(np.ones((44_100, 6), np.float32), 44_100))


def test_a_long_sound_is_measured_in_spans_as_in_one_piece():
    rng = np.random.default_rng(0)
    level = np.repeat([0.02, 0.3, 0.001, 0.2, 0.1], 35 * 8000)
    samples = (level * rng.normal(size=len(level))).clip(-1, 1).astype(np.float32)
    whole = pyloudnorm.Meter(8000).integrated_loudness(samples.astype(np.float64))
    assert integrated_lufs(Sound(samples, 8000)) == pytest.approx(whole, abs=1e-4)
