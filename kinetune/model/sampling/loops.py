"""Seamless loops of whole bars.

The latent of a loop is circular and has whole columns. So the dance is time-stretched slightly (by
less than half a column, 46 ms, in all), and the sound is resampled to the dance's length
afterwards. Seconds, Hz.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.model.condition import DanceInput
from kinetune.model.conditioning.control_score import ControlScore, fit_score
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip, cut
from kinetune.motion.group import DanceGroup, Dancers
from kinetune.tower import VECTORS_PER_S

# A tempo found in the dance may be changed so far, as a ratio, that whole bars fill the clip.
_MAX_TEMPO_CHANGE = 1.06
# The end of a loop fades into what stands before its beginning, over so long.
_CROSSFADE_S = 0.03


@dataclass(frozen=True, eq=False)
class Loop:
    """A dance stretched to loop.

    Attributes:
        clip: The dance, stretched to whole columns.
        grid: Its beats, evenly spaced, the first bar's included.
        columns: Latent columns of the loop.
        stretch: Length of the stretched dance over that of the loop.
        duration_s: Length of the loop as it is played.
    """

    clip: Dancers
    grid: BeatGrid
    columns: int
    stretch: float
    duration_s: float

    @property
    def output_grid(self) -> BeatGrid:
        """The beats of the loop as it is played."""
        beats = self.grid.beats_s / self.stretch
        return replace(
            self.grid,
            bpm=self.grid.bpm * self.stretch,
            first_beat_s=self.grid.first_beat_s / self.stretch,
            beats_s=beats[beats < self.duration_s - 1e-6],
            bar_start_s=self.grid.bar_start_s / self.stretch,
        )


def fit_loop(
    clip: Dancers, grid: BeatGrid, *, column_s: float, window_s: float, hold_tempo: bool
) -> Loop:
    """Fit whole bars to a dance, or a dance to whole bars.

    Args:
        clip: A dance whose end is meant to lead to its beginning.
        grid: Its beats; their mean tempo counts.
        column_s: Seconds of a latent column.
        window_s: Seconds of a window; the grid is carried on that far beyond the end.
        hold_tempo: Keep the tempo and cut the dance after its last whole bar; otherwise the
            tempo moves to the nearest with whole bars (or beats, in a short dance).

    Raises:
        MotionError: The dance is shorter than a bar of the tempo that is kept.
    """
    period_s = timebase.beat_period_s(grid.bpm)
    bar_s = grid.metre * period_s
    if hold_tempo:
        bars = int(clip.duration_s / bar_s + 1e-6)
        if bars == 0:
            raise MotionError(
                f"{clip.name}: lasts {clip.duration_s:.2f} s, less than a bar of {bar_s:.2f} s at "
                f"{grid.bpm:g} bpm; leave the tempo to the loop, or name a faster one"
            )
        beats, duration_s = bars * grid.metre, bars * bar_s
    else:
        duration_s = clip.duration_s
        beats = grid.metre * max(1, round(duration_s / bar_s))
        if not 1.0 / _MAX_TEMPO_CHANGE < duration_s / beats / period_s < _MAX_TEMPO_CHANGE:
            beats = max(1, round(duration_s / period_s))
    columns = max(1, round(duration_s / column_s))
    stretch = columns * column_s / duration_s
    stretched = _stretch(clip, duration_s, stretch)
    spacing_s = columns * column_s / beats
    first_s = (grid.bar_start_s * stretch) % (grid.metre * spacing_s)
    times = timebase.beat_times(
        timebase.bpm_of(spacing_s), first_s, columns * column_s + window_s + spacing_s
    )
    even = replace(
        grid, bpm=timebase.bpm_of(spacing_s), first_beat_s=first_s % spacing_s, beats_s=times,
        steady=True, bar_start_s=first_s,
    )  # fmt: skip
    return Loop(stretched, even, columns, stretch, duration_s)


def _stretch(dance: Dancers, duration_s: float, stretch: float) -> Dancers:
    """Cut a dance after ``duration_s`` and make it so many times as long."""
    if isinstance(dance, DanceGroup):
        clips = (
            _stretched(clip, min(duration_s, clip.duration_s), stretch) for clip in dance.clips
        )
        return DanceGroup(tuple(clips))
    return _stretched(dance, duration_s, stretch)


def _stretched(clip: MotionClip, duration_s: float, stretch: float) -> MotionClip:
    part = cut(clip, 0.0, duration_s)
    return replace(part, fps=part.frame_count / (duration_s * stretch))


def tile_features(dance: DanceInput, *, period_s: float, window_s: float) -> DanceInput:
    """Return a dance whose features, and motion vectors, repeat every ``period_s``.

    They reach a window beyond.
    """

    def tiled(rows: Tensor, rate_hz: float) -> Tensor:
        count = timebase.frames_in(period_s + window_s, rate_hz) + 2
        position = timebase.frame_times(count, rate_hz) % period_s / period_s * len(rows)
        low = torch.from_numpy(np.floor(position).astype(np.int64)) % len(rows)
        fraction = torch.from_numpy(position - np.floor(position)).to(rows.dtype)[:, None]
        return torch.lerp(rows[low], rows[(low + 1) % len(rows)], fraction)

    vectors = dance.similarity
    return replace(
        dance,
        features=tiled(dance.features, timebase.MOTION_FPS),
        similarity=None if vectors is None else tiled(vectors, VECTORS_PER_S),
    )


def pad_circular(mel: Tensor) -> tuple[Tensor, int]:
    """Return a loop's spectrogram (B, M, L) with as much before and behind, and how much that is.

    A second is enough for the phases to settle, or the whole loop where it is shorter.
    """
    length = mel.shape[-1]
    wide = min(length, round(timebase.mel_rate_hz()))
    return torch.cat([mel[..., -wide:], mel, mel[..., :wide]], dim=-1), wide


def crossfade_loop(
    samples: NDArray[np.float32], *, before: int, count: int, rate_hz: int, output: int
) -> NDArray[np.float32]:
    """Cut a loop out of sound that continues to both sides, and close it.

    Args:
        samples: (N,) or (N, channels), with ``before`` samples ahead of the loop.
        before: Samples before the loop, at least the overlap's.
        count: Samples of the loop.
        rate_hz: Samples per second.
        output: Samples of the loop after it is brought back to the dance's tempo.

    Returns:
        (output,) or (output, channels): its last sample leads to its first.
    """
    loop = samples[before : before + count].copy()
    overlap = min(timebase.samples_in(_CROSSFADE_S, rate_hz), before, count)
    if overlap:
        fade = np.linspace(0.0, 1.0, overlap, endpoint=False, dtype=np.float32)
        fade = fade.reshape(-1, *(1,) * (samples.ndim - 1))
        lead = samples[before - overlap : before]
        loop[-overlap:] = (1.0 - fade) * loop[-overlap:] + fade * lead
    # By way of its spectrum, which takes what it is given to be a loop.
    return np.asarray(signal.resample(loop, output), dtype=np.float32)


def score_for(
    score: ControlScore | None, grid: BeatGrid, duration_s: float, loop: Loop | None
) -> ControlScore:
    """Return the score moved to bar lines of the piece or the loop, or an empty one."""
    if score is None:
        return ControlScore()
    if loop is None:
        return fit_score(score, grid, duration_s)
    return fit_score(score, loop.output_grid, loop.duration_s, piece="loop")
