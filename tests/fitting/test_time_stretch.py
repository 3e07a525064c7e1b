import importlib.util

import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.fitting import time_stretch
from kinetune.fitting.time_map import TimeMap, steady_map
from kinetune.fitting.time_stretch import phase_vocoder, stretch_song, stretcher_name
from kinetune.metrics.evaluation.baselines import click_track

RATE_HZ = 22_050


@pytest.fixture(params=["signalsmith", "phase vocoder"])
def stretcher(request, monkeypatch):
    if request.param == "phase vocoder":
        monkeypatch.setattr(time_stretch.importlib.util, "find_spec", lambda name: None)
    elif importlib.util.find_spec("python_stretch") is None:
        pytest.skip("python-stretch isn't installed")
    return request.param


def sine(hz=440.0, duration_s=4.0):
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (0.4 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


@pytest.mark.parametrize("ratio", [0.92, 1.08])
def test_pitch_and_level_are_kept(stretcher, ratio):
    made = steady_map(0.0, ratio, 4.0)
    assert stretcher_name(made) == stretcher
    middle = stretch_song(Sound(sine(), RATE_HZ), made, 3.5).samples[RATE_HZ : 3 * RATE_HZ]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * RATE_HZ / len(middle) == pytest.approx(440.0, abs=0.5)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("ratio", [0.92, 1.0, 1.08])
def test_attacks_are_where_the_map_says(stretcher, ratio):
    clicks = np.arange(0.5, 4.0, 0.5)
    offset_s = -0.3
    made = stretch_song(click_track(clicks, 4.5), steady_map(offset_s, ratio, 4.5), 3.5).samples
    for click_s in offset_s + ratio * clicks[1:-1]:
        first = round((click_s - 0.1) * RATE_HZ)
        around = np.abs(made[first : first + round(0.2 * RATE_HZ)])
        attack_s = (first + np.argmax(around > 0.3 * around.max())) / RATE_HZ
        assert attack_s == pytest.approx(click_s, abs=0.004)


def test_a_ratio_of_one_gives_the_samples_back():
    song = Sound(np.stack([sine(), sine(330.0)], axis=1), RATE_HZ)
    made = stretch_song(song, steady_map(1.0, 1.0, 4.0), 6.0)
    assert made.samples.shape == (6 * RATE_HZ, 2)
    np.testing.assert_array_equal(made.samples[RATE_HZ : 5 * RATE_HZ], song.samples)
    assert not made.samples[:RATE_HZ].any()
    assert not made.samples[5 * RATE_HZ :].any()
    same = phase_vocoder(song.samples, RATE_HZ, steady_map(0.0, 1.0, 4.0), 0, len(song.samples))
    np.testing.assert_allclose(same, song.samples, atol=1e-6)


def test_a_cut_song_begins_and_ends_without_a_click():
    song = Sound(np.full(4 * RATE_HZ, 0.5, np.float32), RATE_HZ)
    made = stretch_song(song, steady_map(-1.0, 1.0, 4.0), 2.0).samples
    assert made[0] == 0.0
    assert made[-1] == 0.0
    assert made[RATE_HZ] == 0.5


def test_channels_keep_their_difference_of_phase():
    """A quarter turn between left and right stays one: the stereo image holds."""
    times = np.arange(4 * RATE_HZ) / RATE_HZ
    turn = 2 * np.pi * 440.0 * times
    both = 0.3 * np.stack([np.sin(turn), np.cos(turn)], axis=1).astype(np.float32)
    made = phase_vocoder(both, RATE_HZ, steady_map(0.0, 1.07, 4.0), 0, 4 * RATE_HZ)
    left, right = made[RATE_HZ : 3 * RATE_HZ].T.astype(np.float64)
    spectra = [np.fft.rfft(channel * np.hanning(len(channel))) for channel in (left, right)]
    peak = int(np.argmax(np.abs(spectra[0])))
    assert np.angle(spectra[1][peak] / spectra[0][peak]) == pytest.approx(np.pi / 2, abs=0.02)


def test_a_map_that_changes_goes_to_the_phase_vocoder_and_meets_each_beat():
    clicks, beats = np.arange(0.5, 4.0, 0.5), np.array([0.5, 1.02, 1.5, 2.04, 2.5, 3.02, 3.5])
    made = TimeMap(clicks, beats)
    assert stretcher_name(made) == "phase vocoder"
    samples = stretch_song(click_track(clicks, 4.5), made, 4.0).samples
    for beat_s in beats:
        first = round((beat_s - 0.1) * RATE_HZ)
        around = np.abs(samples[first : first + round(0.2 * RATE_HZ)])
        attack_s = (first + np.argmax(around > 0.3 * around.max())) / RATE_HZ
        assert attack_s == pytest.approx(beat_s, abs=0.005)
