"""One song as training data: its beats, bars, key, chords, and the features of a body that fits.

Seconds; T motion frames.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.beats import MusicBeats, music_beats, onset_envelope
from kinetune.audio.loudness import integrated_lufs
from kinetune.audio.sound import Sound
from kinetune.corpus.folder import CorpusChord
from kinetune.errors import AudioError
from kinetune.metrics.beats import f_measure
from kinetune.training.songs import harmony

Times = NDArray[np.float64]

# A window of the default model is 11.9 s; a third of it is enough to tell a pulse.
SHORTEST_S = 6.0
# Autocorrelation of the onset strength at the beat's period; benchmarks/song_curves.py prints it.
LEAST_PULSE_CLARITY = 0.12
# Beats that a tracker places elsewhere when it hears less of the song are guessed: a model that
# learns from them learns to leave its beat grid.
LEAST_BEAT_AGREEMENT = 0.8
_STRETCH_S, _MOST_STRETCHES = 12.0, 16
_FEWEST_BEATS = 8
_SILENCE_LUFS = -60.0
# Stretches within which the chord stays.
_BEATS_A_CHORD = 2


class UnsuitableSongError(AudioError):
    """A song that was read but can't be trained on; reading it again tells nothing new."""


@dataclass(frozen=True, eq=False)
class SongAnalysis:
    """What is known of a song.

    Attributes:
        bpm: Median tempo, beats per minute.
        beats_s: Beat times: the song's tempo map, seconds, (n,).
        bar_start_s: Time of a beat that opens a bar.
        metre: Beats to the bar.
        tonic: Pitch class of the key.
        chords: In order.
        pulse_clarity: How periodic its onsets are, -1 to 1.
        beat_agreement: How alike its beats are when less of it is heard, 0 to 1.
    """

    bpm: float
    beats_s: Times
    bar_start_s: float
    metre: Literal[3, 4]
    tonic: int
    chords: tuple[CorpusChord, ...]
    pulse_clarity: float
    beat_agreement: float


def check_song(sound: Sound, name: str) -> None:
    """See that a song is long and loud enough.

    Raises:
        UnsuitableSongError: It isn't.
    """
    if sound.duration_s < SHORTEST_S:
        raise UnsuitableSongError(
            f"{name}: lasts {sound.duration_s:.1f} s, expected {SHORTEST_S:g} s or more"
        )
    if integrated_lufs(sound) < _SILENCE_LUFS:
        raise UnsuitableSongError(f"{name}: the sound is silent")


def analyse_song(sound: Sound, name: str) -> SongAnalysis:
    """Return beats, bars and harmony of a song.

    Args:
        sound: The song.
        name: What errors call it.

    Raises:
        UnsuitableSongError: It has no regular beat, or none that is certain.
    """
    beats = music_beats(sound)
    if len(beats.beats_s) < _FEWEST_BEATS:
        raise UnsuitableSongError(
            f"{name}: no regular beat, {len(beats.beats_s)} beats were detected"
        )
    clarity = pulse_clarity(onset_envelope(sound), beats.bpm)
    if clarity < LEAST_PULSE_CLARITY:
        raise UnsuitableSongError(
            f"{name}: no regular beat (pulse clarity {clarity:.2f}, expected "
            f"{LEAST_PULSE_CLARITY:g} or more)"
        )
    agreement = beat_agreement(sound, beats.beats_s)
    if agreement < LEAST_BEAT_AGREEMENT:
        raise UnsuitableSongError(
            f"{name}: its beats are uncertain (tracked in stretches of {_STRETCH_S:g} s they agree "
            f"with those of the whole by F {agreement:.3g}, expected {LEAST_BEAT_AGREEMENT:g} or "
            "more); take music with a clearer beat"
        )
    values, bass = harmony.chroma(sound), harmony.bass_chroma(sound)
    opens, metre = _bars(beats, values, bass)
    starts_s = beats.beats_s[opens % _BEATS_A_CHORD :: _BEATS_A_CHORD]
    return SongAnalysis(
        beats.bpm, beats.beats_s, float(beats.beats_s[opens]), metre, harmony.key_of(values),
        harmony.chords_of(values, bass, starts_s), clarity, agreement,
    )  # fmt: skip


def pulse_clarity(onsets: NDArray[np.float32], bpm: float) -> float:
    """Return how periodic onsets are: their autocorrelation at the beat's period, at most 1.

    The smaller of those at one beat and at two, each the largest within 4 %: noise that happens to
    repeat once does not repeat again (after Lartillot et al. 2008).

    Args:
        onsets: Onset strength, one value a mel frame at 22,050 Hz.
        bpm: Tempo, beats per minute, above 0.
    """
    centred = onsets.astype(np.float64) - onsets.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    lags = np.fft.irfft(spectrum, size)[: len(centred)]
    if lags[0] <= 0.0:
        return 0.0
    period = timebase.beat_period_s(bpm) * timebase.mel_rate_hz()
    values = []
    for count in (1, 2):
        low, high = (round(count * period * factor) for factor in (0.96, 1.04))
        near = lags[low : high + 1]
        values.append(float(near.max() / lags[0]) if len(near) else 0.0)
    return min(values)


def beat_agreement(sound: Sound, beats_s: Times) -> float:
    """Return how well the beats of a song agree with those tracked in stretches of it alone.

    The mean F-measure at 70 ms over up to 16 stretches of 12 s, spread evenly. Music shorter than
    two stretches is tracked as a whole again, which tells nothing: 1.

    Args:
        sound: The song.
        beats_s: Its beats, seconds, (n,).
    """
    count = min(int(sound.duration_s // _STRETCH_S), _MOST_STRETCHES)
    if count < 2:
        return 1.0
    starts_s = np.linspace(0.0, sound.duration_s - _STRETCH_S, count)
    return float(np.mean([_stretch_agreement(sound, beats_s, start_s) for start_s in starts_s]))


def _stretch_agreement(sound: Sound, beats_s: Times, start_s: float) -> float:
    first = timebase.samples_in(start_s, sound.rate_hz)
    last = first + timebase.samples_in(_STRETCH_S, sound.rate_hz)
    tracked_s = music_beats(Sound(sound.samples[first:last].copy(), sound.rate_hz)).beats_s
    own_s = beats_s[(beats_s >= start_s) & (beats_s < start_s + _STRETCH_S)] - start_s
    if len(own_s) == 0:
        # Silence that stays silent is no disagreement.
        return float(len(tracked_s) == 0)
    return f_measure(own_s, tracked_s)


def _bars(
    beats: MusicBeats, values: NDArray[np.float64], bass: NDArray[np.float64]
) -> tuple[int, Literal[3, 4]]:
    """Return which beat opens a bar, and the beats to a bar."""
    if len(beats.downbeats_s) >= 2:
        index = np.searchsorted(beats.beats_s, beats.downbeats_s - 0.05)
        lengths = np.diff(index)
        metre: Literal[3, 4] = 3 if np.median(lengths) == 3 else 4
        return int(index[0].clip(0, len(beats.beats_s) - 1)), metre
    columns = harmony.over_stretches(values, beats.beats_s)
    changes = np.append(0.0, 1.0 - (columns[:, 1:] * columns[:, :-1]).sum(axis=0))
    rate_hz = timebase.mel_rate_hz(timebase.SAMPLE_RATE_HZ, harmony.HOP_LENGTH)
    rises = np.diff(bass.sum(axis=0), prepend=0.0).clip(min=0.0)
    frames = np.round(beats.beats_s * rate_hz).astype(int).clip(0, len(rises) - 1)
    return harmony.first_downbeat(rises[frames], changes, 4), 4
