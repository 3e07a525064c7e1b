"""Songs whose beats, bars, key and chords are known."""

import numpy as np
import pytest
import soundfile

RATE_HZ = 22_050
# C, F, G, C: root and whether it is minor.
CHORDS = ((0, (0, 4, 7)), (5, (5, 9, 0)), (7, (7, 11, 2)), (0, (0, 4, 7)))


def song_samples(*, bpm=120.0, bars=8, first_s=0.25, seed=0, loud=lambda bar: 1.0):
    """Kick and bass on the first beat of each bar, kicks on the others, a chord a bar."""
    beat_s = 60.0 / bpm
    length = round((first_s + 4 * bars * beat_s) * RATE_HZ)
    out = np.zeros(length)
    rng = np.random.default_rng(seed)
    for beat in range(4 * bars):
        bar = beat // 4
        root, tones = CHORDS[bar % len(CHORDS)]
        start = round((first_s + beat * beat_s) * RATE_HZ)
        time_s = np.arange(min(length - start, round(beat_s * RATE_HZ))) / RATE_HZ
        part = 0.5 * np.sin(2 * np.pi * 150.0 * time_s) * np.exp(-60.0 * time_s)
        part += 0.1 * rng.normal(size=len(time_s)) * np.exp(-80.0 * time_s)
        for tone in tones:
            for octave in (4, 5):
                hz = 440.0 * 2.0 ** ((tone - 9) / 12 + octave - 4)
                part += 0.05 * np.sin(2 * np.pi * hz * time_s)
        if beat % 4 == 0:
            hz = 440.0 * 2.0 ** ((root - 9) / 12 - 2)
            part += 0.3 * np.sin(2 * np.pi * hz * time_s) * np.exp(-2.0 * time_s)
        out[start : start + len(time_s)] += loud(bar) * part
    return (0.5 * out).astype(np.float32)


@pytest.fixture(scope="session")
def songs(tmp_path_factory):
    """A folder of two genres: a new one with three songs and house with one."""
    folder = tmp_path_factory.mktemp("songs")
    for genre, names in {"salsa": ("a", "b", "c"), "House": ("a",)}.items():
        (folder / genre).mkdir()
        for number, name in enumerate(names):
            samples = song_samples(seed=number, bpm=112.0 + 8.0 * number)
            soundfile.write(folder / genre / f"{name}.flac", samples, RATE_HZ)
    return folder
