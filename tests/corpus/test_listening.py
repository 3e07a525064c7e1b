"""The corpus heard by outsiders: librosa's beat tracker, and the measures of mastered music."""

from itertools import pairwise

import librosa
import mir_eval
import numpy as np
import pytest
from scipy import signal

from kinetune import genres
from kinetune.corpus.pairs import make_pair

RATE_HZ = 22_050
BPM = 112.0


@pytest.fixture(scope="module")
def pairs():
    return [
        make_pair(seed, genre=code, bpm=BPM, duration_s=24.0)
        for seed, code in enumerate(genres.CODES, start=900)
    ]


def test_a_beat_tracker_finds_the_beats(pairs):
    scores, ratios = [], []
    for pair in pairs:
        tempo, beats = librosa.beat.beat_track(y=pair.sound.samples, sr=RATE_HZ, units="time")
        # A tracker needs a moment to settle; mir_eval's custom is to leave the start out.
        nearest_chord_tone = (
            mir_eval.beat.trim_beats(times, 2.0) for times in (pair.beats_s, beats)
        )
        scores.append(mir_eval.beat.f_measure(*nearest_chord_tone))
        ratios.append(float(np.atleast_1d(tempo)[0]) / BPM)
    off = np.min([np.abs(np.array(ratios) / k - 1.0) for k in (0.5, 1.0, 2.0)], axis=0)
    assert np.median(scores) > 0.93
    assert np.mean(off < 0.04) >= 0.9


def test_the_spectrum_falls_like_that_of_records(pairs):
    slopes = []
    for pair in pairs:
        hz, power = signal.welch(pair.sound.samples, RATE_HZ, nperseg=8192)
        centers = np.geomspace(100.0, 4000.0, 16)
        level = [10 * np.log10(power[(hz > c / 1.12) & (hz < c * 1.12)].mean()) for c in centers]
        slopes.append(np.polyfit(np.log2(centers), level, 1)[0])
    assert np.median(slopes) == pytest.approx(-5.0, abs=1.5)
    assert -9.0 < min(slopes) < max(slopes) < -2.5


def test_no_beat_is_silent(pairs):
    for pair in pairs:
        for start, end in pairwise((pair.beats_s * RATE_HZ).astype(int)):
            assert np.sqrt(np.mean(pair.sound.samples[start:end] ** 2)) > 1e-3


def test_two_seeds_of_a_genre_sound_more_apart_than_two_renders():
    def heard(seed):
        samples = make_pair(seed, genre="LO", bpm=BPM, duration_s=8.0).sound.samples
        return librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=20).mean(axis=1)

    assert np.array_equal(heard(1), heard(1))
    assert np.linalg.norm(heard(1) - heard(2)) > 5.0
