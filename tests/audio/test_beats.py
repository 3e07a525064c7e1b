import numpy as np
import pytest

from kinetune.audio.beats import music_beats, onset_envelope, onset_times
from kinetune.audio.sound import Sound


@pytest.fixture(scope="module")
def clicks():
    """Eight seconds of bursts every half second, 120 beats a minute, stereo at 44.1 kHz."""
    time_s = np.arange(8 * 44_100) / 44_100
    noise = np.random.default_rng(0).standard_normal((len(time_s), 2))
    return Sound((0.3 * noise * np.exp(-(time_s % 0.5) / 0.02)[:, None]).astype(np.float32), 44_100)


def test_beats_are_where_the_clicks_are(clicks):
    tempo, beats_s = music_beats(clicks)
    assert tempo == pytest.approx(120, rel=0.04)
    assert len(beats_s) >= 12
    assert np.abs(beats_s - np.round(beats_s * 2) / 2).max() < 0.05


def test_onsets_are_where_the_clicks_are(clicks):
    found_s = onset_times(clicks)
    assert len(found_s) == pytest.approx(15, abs=1)
    assert np.abs(found_s - np.round(found_s * 2) / 2).max() < 0.05


def test_the_envelope_peaks_at_the_clicks(clicks):
    envelope = onset_envelope(clicks)
    assert envelope.shape == (8 * 22_050 // 512 + 1,)
    assert envelope.max() > 5 * np.median(envelope)


@pytest.mark.parametrize("length", [0, 100, 22_050])
def test_silence_has_neither(length):
    silence = Sound(np.zeros(length, np.float32), 22_050)
    tempo, beats_s = music_beats(silence)
    assert tempo == 0
    assert len(beats_s) == len(onset_times(silence)) == 0


def test_a_sound_shorter_than_a_window_does_no_harm():
    short = Sound(np.ones(100, np.float32), 22_050)
    assert len(onset_envelope(short)) >= 1
    assert len(music_beats(short)[1]) <= 1
