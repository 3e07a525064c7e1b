"""A piece for practice: the same notes played slower, after a count-in that leads to its first bar.

Seconds.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.loudness import limit_peaks
from kinetune.audio.sound import Sound
from kinetune.composer.harmony import TimedChord
from kinetune.composer.output.spoken_count import spoken_count
from kinetune.composer.piece import Piece
from kinetune.memmap import zeros_or_memmap
from kinetune.model.conditioning.control_score import Silence
from kinetune.motion.clip import MotionClip

# A bar of clicks, the first of them higher.
_CLICK_HZ, _FIRST_CLICK_HZ, _CLICK_S, _CLICK_LEVEL = 1000.0, 1500.0, 0.06, 0.4
_CEILING_DBTP = -1.0


def slowed(piece: Piece, percent: int) -> Piece:
    """Return the piece at so many percent of its tempo: every note at its place in the music."""
    factor = 100.0 / percent
    grid = replace(
        piece.grid, bpm=piece.grid.bpm / factor, first_beat_s=piece.grid.first_beat_s * factor,
        beats_s=piece.grid.beats_s * factor, bar_start_s=piece.grid.bar_start_s * factor,
    )  # fmt: skip
    voices = tuple(
        replace(
            voice,
            notes=tuple(
                replace(n, start_s=n.start_s * factor, duration_s=n.duration_s * factor)
                for n in voice.notes
            ),
        )
        for voice in piece.voices
    )
    return replace(
        piece,
        grid=grid,
        duration_s=piece.duration_s * factor,
        bars_s=piece.bars_s * factor,
        beats_s=piece.beats_s * factor,
        voices=voices,
        chords=tuple(TimedChord(c.start_s * factor, c.symbol) for c in piece.chords),
        silences=tuple(Silence(s.start_s * factor, s.end_s * factor) for s in piece.silences),
        mix=replace(piece.mix, echo_s=piece.mix.echo_s * factor),
    )


def count_in_s(piece: Piece) -> float:
    """Return how long before the piece its count-in begins, so that its clicks end in a bar."""
    return max(0.0, piece.grid.metre * _period_s(piece) - _first_bar_s(piece))


def count_times(piece: Piece) -> list[float]:
    """Return the times of the clicks from the beginning of the count-in."""
    beats = piece.grid.metre
    first_s = count_in_s(piece) + _first_bar_s(piece) - beats * _period_s(piece)
    return [first_s + beat * _period_s(piece) for beat in range(beats)]


def with_count_in(piece: Piece, sound: Sound) -> Sound:
    """Return the sound of a piece after its count-in, spoken if espeak-ng is installed.

    Args:
        piece: The piece, at the tempo it is played at.
        sound: Its sound.
    """
    rate_hz = sound.rate_hz
    before = timebase.samples_in(count_in_s(piece), rate_hz)
    samples = zeros_or_memmap((before + len(sound.samples), *sound.samples.shape[1:]))
    samples[before:] = sound.samples
    words = spoken_count(piece.grid.metre, _period_s(piece), rate_hz)
    for number, time_s in enumerate(count_times(piece)):
        if words is None:
            wave, early_s = _click(_CLICK_HZ if number else _FIRST_CLICK_HZ, rate_hz), 0.0
        else:
            wave, early_s = words[number]
        _add(samples, wave, timebase.samples_in(time_s - early_s, rate_hz))
    return limit_peaks(Sound(samples, rate_hz), ceiling_dbtp=_CEILING_DBTP)


def _add(samples: NDArray[np.float32], wave: NDArray[np.float32], start: int) -> None:
    """Add a wave to samples, in place; what would begin before them is cut off."""
    wave = wave[max(0, -start) :]
    there = samples[max(0, start) :][: len(wave)]
    there += wave[: len(there)] if there.ndim == 1 else wave[: len(there), None]


def slowed_clip(piece: Piece, clip: MotionClip, percent: int) -> MotionClip:
    """Return the dance at so many percent of its tempo, standing still while it is counted in."""
    slow = replace(clip, fps=clip.fps * percent / 100.0)
    lead_frames = timebase.frames_in(count_in_s(piece), slow.fps)
    return replace(
        slow,
        rotations=np.concatenate(
            [np.repeat(clip.rotations[:1], lead_frames, axis=0), clip.rotations]
        ),
        root_m=np.concatenate([np.repeat(clip.root_m[:1], lead_frames, axis=0), clip.root_m]),
    )


def _period_s(piece: Piece) -> float:
    return timebase.beat_period_s(piece.grid.bpm)


def _first_bar_s(piece: Piece) -> float:
    """The first bar line from 0 on."""
    return float(piece.bars_s[piece.bars_s >= -1e-6][0]) if (piece.bars_s >= -1e-6).any() else 0.0


def _click(hz: float, rate_hz: int) -> np.ndarray:
    times = timebase.frame_times(timebase.samples_in(_CLICK_S, rate_hz), rate_hz)
    wave = _CLICK_LEVEL * np.sin(2.0 * np.pi * hz * times) * np.exp(-times / (_CLICK_S / 5.0))
    return np.asarray(wave, dtype=np.float32)
