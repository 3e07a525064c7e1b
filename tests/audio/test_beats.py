import numpy as np
import pytest

from kinetune.audio.beats import music_beats, onset_envelope, onset_times
from kinetune.audio.sound import Sound


def clicks(bpm, duration_s=10.0, rate_hz=22_050):
    samples = np.zeros(round(duration_s * rate_hz), dtype=np.float32)
    ring = np.exp(-np.arange(2000) / 200) * np.sin(0.3 * np.arange(2000))
    for beat in np.arange(0.5, duration_s - 0.2, 60 / bpm):
        start = round(beat * rate_hz)
        samples[start : start + 2000] += ring.astype(np.float32)
    return Sound(samples, rate_hz)


def test_the_beats_of_a_click_track_are_its_clicks():
    tempo, beats = music_beats(clicks(120.0))
    assert tempo == pytest.approx(120.0, rel=0.03)
    expected = np.arange(0.5, 9.8, 0.5)
    assert np.abs(beats[:, None] - expected).min(axis=1).max() < 0.07


def test_onsets_are_the_clicks_at_another_rate_too():
    times = onset_times(clicks(120.0, rate_hz=44_100))
    assert np.abs(np.arange(0.5, 9.8, 0.5)[:, None] - times).min(axis=1).max() < 0.05
    assert len(onset_envelope(clicks(120.0))) == 10 * 22_050 // 512 + 1


def test_silence_has_no_beats():
    tempo, beats = music_beats(Sound(np.zeros(22_050, dtype=np.float32), 22_050))
    assert tempo == 0.0
    assert len(beats) == 0
