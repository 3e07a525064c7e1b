"""What is measured of a song before it is fitted: beats, steady tempo, onsets and loudness.

Seconds from the start of the song; onset strength and power at the mel rate (L,). Beats are those
of :mod:`kinetune.audio.beats` (``beat_this`` where it is installed, else librosa), without the
tracker's latency.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.metrics.evaluation.audio_analysis import MIN_DURATION_S, analyse_audio
from kinetune.metrics.latency import (
    BEAT_LATENCY_S,
    ONSET_STRENGTH_LATENCY_S,
    without_latency,
)

Array = NDArray[np.float64]

# Fewer beats give no tempo.
_FEWEST_BEATS = 4
# Beats further from the line than this part of a beat are left out of it.
_OUTLIER_BEATS = 0.2
# A song keeps its tempo whose beats stay this near to the line, as part of a beat (root mean
# square); librosa's grid of 23 ms alone gives 0.01 at 90 bpm.
_STEADY_BEATS = 0.05
# How likely half and double the tracked tempo are against it, and how much stronger onsets count
# for the choice between even and odd beats.
_OTHER_LEVEL, _ONSET_POWER, _ONSET_RADIUS_S = 0.3, 4.0, 0.05


@dataclass(frozen=True, eq=False)
class Line:
    """A line through beats: beat k is at ``first_s + k * period_s``.

    Attributes:
        first_s: Time of the first beat, seconds.
        period_s: Seconds a beat.
        deviation_s: Root mean square distance of the beats from it.
    """

    first_s: float
    period_s: float
    deviation_s: float


@dataclass(frozen=True, eq=False)
class SongAnalysis:
    """Beats, onsets and loudness of a song.

    Attributes:
        name: What to call the song.
        duration_s: Its length.
        beats_s: Tracked beats, ascending, (K,).
        downbeats_s: Those that open a bar, (D,); empty where the tracker finds none.
        line: The steady tempo, or None for fewer than four beats.
        strength: Onset strength, (L,).
        power: Mean square, (L,).
        mel: Log mel spectrogram for the similarity to a dance, 30 frames per second, (T, M).
    """

    name: str
    duration_s: float
    beats_s: Array
    downbeats_s: Array
    line: Line | None
    strength: Array
    power: Array
    mel: NDArray[np.float32]

    @property
    def steady(self) -> bool:
        """Whether one tempo is held."""
        return self.line is not None and self.line.deviation_s < _STEADY_BEATS * self.line.period_s


def analyse_song(sound: Sound, name: str = "song") -> SongAnalysis:
    """Return the analysis of a song.

    Args:
        sound: The song, half a second or longer.
        name: What to call it.

    Raises:
        AudioError: It is shorter.
    """
    from kinetune.metrics.similarity import load_network, mel_rows

    if sound.duration_s < MIN_DURATION_S:
        raise AudioError(
            f"{name}: expected {MIN_DURATION_S:g} s of music or more, found {sound.duration_s:.2f}"
        )
    audio, beats = analyse_audio(sound), music_beats(sound)
    if len(beats.downbeats_s):
        beats_s, downbeats_s = beats.beats_s, beats.downbeats_s
    else:
        beats_s, downbeats_s = without_latency(beats.beats_s, BEAT_LATENCY_S), np.zeros(0)
    line = line_through(beats_s)
    return SongAnalysis(
        name, sound.duration_s, beats_s, downbeats_s, line, audio.strength, audio.power,
        mel_rows(sound, load_network().settings.mel).numpy(),
    )  # fmt: skip


def countings(song: SongAnalysis) -> list[tuple[SongAnalysis, float]]:
    """Return the ways to count a song, and how likely each is against the tracked beats.

    The tracked beats; twice as many; and every second of them, the even and the odd ones, of which
    those with the stronger onsets are likelier. One for a song without a steady tempo.

    Args:
        song: The song; it has a line.
    """
    assert song.line is not None
    beats_s, line = song.beats_s, song.line
    doubled_s = np.sort(np.concatenate([beats_s, 0.5 * (beats_s[1:] + beats_s[:-1])]))
    doubled = replace(song, beats_s=doubled_s, line=replace(line, period_s=0.5 * line.period_s))
    odd = np.round((beats_s - line.first_s) / line.period_s).astype(int) % 2 == 1
    onsets = np.array([_onset_at(song, beats_s[odd == parity]) for parity in (False, True)])
    shares = onsets**_ONSET_POWER / max(float((onsets**_ONSET_POWER).sum()), 1e-9)
    halves = [
        replace(
            song,
            beats_s=beats_s[odd == parity],
            line=Line(line.first_s + parity * line.period_s, 2.0 * line.period_s, line.deviation_s),
        )
        for parity in (False, True)
    ]
    weights = (1.0, _OTHER_LEVEL, *(_OTHER_LEVEL * shares))
    return [(one, float(w)) for one, w in zip((song, doubled, *halves), weights, strict=True)]


def _onset_at(song: SongAnalysis, times_s: Array) -> float:
    """Mean of the strongest onset within 50 ms of times (K,)."""
    if len(times_s) == 0:
        return 0.0
    rate_hz = timebase.mel_rate_hz()
    radius = timebase.frames_in(_ONSET_RADIUS_S, rate_hz)
    frames = np.round((times_s + ONSET_STRENGTH_LATENCY_S) * rate_hz).astype(int)
    near = frames[:, None] + np.arange(-radius, radius + 1)
    return float(song.strength[near.clip(0, len(song.strength) - 1)].max(axis=1).mean())


def line_through(beats_s: Array) -> Line | None:
    """Return the line through beats (K,), robust to missing, additional and misplaced ones.

    Each beat gets its number from the last one by the median interval; then least squares, once
    more without beats that are a fifth of a beat away.

    Returns:
        The line, or None for fewer than four beats.
    """
    if len(beats_s) < _FEWEST_BEATS:
        return None
    steps = np.diff(beats_s)
    numbers = np.concatenate([[0.0], np.cumsum(np.round(steps / np.median(steps)))])
    near = np.ones(len(beats_s), dtype=bool)
    for _ in range(3):
        if len(np.unique(numbers[near])) < 2:
            return None
        period_s, first_s = np.polyfit(numbers[near], beats_s[near], 1)
        away_s = beats_s - first_s - period_s * numbers
        near = np.abs(away_s) <= _OUTLIER_BEATS * period_s
    deviation_s = float(np.sqrt(np.mean(away_s**2)))
    return Line(float(first_s), float(period_s), deviation_s)
