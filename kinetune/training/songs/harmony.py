"""Key and chords of a recording, from its chroma, and which beats open a bar.

Key: the best correlation of the mean chroma with the profiles of Krumhansl and Kessler (1982).
Chords: major and minor triads, the best path of a hidden Markov model over stretches of a beat or
more whose emission is the chroma's agreement with each triad (Sheh and Ellis 2003). Pitch classes
count semitones over C. Axes: L frames, S stretches.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.beats import compile_librosa
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.corpus.folder import CorpusChord

Array = NDArray[np.float64]

_PITCH_CLASSES = 12
# Krumhansl and Kessler 1982: how well each pitch class fits a major and a minor key.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_TRIADS = ((0, 4, 7), (0, 3, 7))
# A window of 0.37 s tells semitones apart down to about 100 Hz.
_WINDOW, HOP_LENGTH = 8192, 2048
# The bass is looked for here, Hz.
_BASS_HZ = (35.0, 180.0)
# Probability that the chord stays from one stretch to the next, and how sharp an emission is.
_STAY, _SHARPNESS = 0.6, 12.0


def chroma(sound: Sound, *, low_hz: float = 60.0, high_hz: float = 2500.0) -> Array:
    """Return the magnitude of each pitch class over time, (12, L), 10.8 frames a second."""
    compile_librosa()
    import librosa

    mono = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ).samples
    mono = np.pad(mono, (0, max(0, _WINDOW - len(mono))))
    power = np.abs(librosa.stft(mono, n_fft=_WINDOW, hop_length=HOP_LENGTH)) ** 2
    hz = librosa.fft_frequencies(sr=timebase.SAMPLE_RATE_HZ, n_fft=_WINDOW)
    power[(hz < low_hz) | (hz > high_hz)] = 0.0
    values = librosa.feature.chroma_stft(
        S=power, sr=timebase.SAMPLE_RATE_HZ, n_fft=_WINDOW, hop_length=HOP_LENGTH, norm=None,
        tuning=0.0,
    )  # fmt: skip
    return np.asarray(np.sqrt(values), dtype=np.float64)


def bass_chroma(sound: Sound) -> Array:
    """Return the chroma of the bass alone, (12, L)."""
    return chroma(sound, low_hz=_BASS_HZ[0], high_hz=_BASS_HZ[1])


def key_of(values: Array) -> int:
    """Return the pitch class of the tonic of a chroma (12, L)."""
    mean = values.mean(axis=1)
    scores = [
        [np.corrcoef(np.roll(profile, tonic), mean)[0, 1] for profile in (_MAJOR, _MINOR)]
        for tonic in range(_PITCH_CLASSES)
    ]
    return int(np.nan_to_num(np.array(scores), nan=-1.0).max(axis=1).argmax())


def chords_of(values: Array, bass: Array, starts_s: Array) -> tuple[CorpusChord, ...]:
    """Return the chords of a chroma; equal neighbours are one chord.

    Args:
        values: Chroma (12, L).
        bass: Chroma of the bass (12, L).
        starts_s: Where stretches begin within which the chord stays, seconds, (S,).
    """
    if not len(starts_s):
        return ()
    columns, low = (over_stretches(each, starts_s) for each in (values, bass))
    states = _best_path(_SHARPNESS * (columns.T @ _templates().T))
    chords: list[CorpusChord] = []
    for start_s, state, notes in zip(starts_s, states, low.T, strict=True):
        tones = tuple(sorted(int(t) for t in np.flatnonzero(_templates()[state])))
        # The lowest note is a chord tone nearly always; percussion is not.
        chord = CorpusChord(round(float(start_s), 6), max(tones, key=lambda t: notes[t]), tones)
        if not chords or (chords[-1].bass, chords[-1].tones) != (chord.bass, chord.tones):
            chords.append(chord)
    return tuple(chords)


def over_stretches(values: Array, starts_s: Array) -> Array:
    """Return the mean of a chroma (12, L) over stretches, each column of length 1, (12, S)."""
    rate_hz = timebase.mel_rate_hz(timebase.SAMPLE_RATE_HZ, HOP_LENGTH)
    first = np.round(np.asarray(starts_s) * rate_hz).astype(int).clip(0, values.shape[1] - 1)
    last = np.maximum(np.append(first[1:], values.shape[1]), first + 1)
    mean = np.stack([values[:, a:b].mean(axis=1) for a, b in zip(first, last, strict=True)], axis=1)
    return np.asarray(mean / np.maximum(np.linalg.norm(mean, axis=0), 1e-9))


def first_downbeat(strengths: Array, changes: Array, metre: int) -> int:
    """Return which of the first beats opens a bar.

    Bars open where the harmony changes and the bass strikes: the beats ``k, k + metre ...`` with
    the largest mean of both, each in deviations from its mean.

    Args:
        strengths: Onset strength of the bass at each beat, (n,).
        changes: How much the harmony differs from the beat before, (n,).
        metre: Beats to the bar.
    """
    total = _deviations(strengths) + _deviations(changes)
    return int(np.argmax([np.mean(total[k::metre]) for k in range(min(metre, len(total)))]))


def _deviations(values: Array) -> Array:
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros(len(values)))


def _templates() -> Array:
    """Return the triads as chroma of length 1: twelve major, then twelve minor, (24, 12)."""
    rows = np.zeros((len(_TRIADS) * _PITCH_CLASSES, _PITCH_CLASSES))
    for index, triad in enumerate(_TRIADS):
        for root in range(_PITCH_CLASSES):
            rows[index * _PITCH_CLASSES + root, [(root + t) % _PITCH_CLASSES for t in triad]] = 1.0
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _best_path(emissions: Array) -> NDArray[np.int64]:
    """Return the most probable states of log emissions (S, K), by Viterbi's algorithm."""
    count, states = emissions.shape
    change = np.full((states, states), np.log((1.0 - _STAY) / (states - 1)))
    np.fill_diagonal(change, np.log(_STAY))
    score, back = emissions[0], np.zeros((count, states), dtype=np.int64)
    for step in range(1, count):
        ways = score[:, None] + change
        back[step] = ways.argmax(axis=0)
        score = ways.max(axis=0) + emissions[step]
    path = [int(score.argmax())]
    for step in range(count - 1, 0, -1):
        path.append(int(back[step, path[-1]]))
    return np.array(path[::-1])
