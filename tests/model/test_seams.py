"""Window joins are not detectable in five minutes of the bundled model's music.

A place's rank is the share of comparable places, away from all joins, that are quieter than it:
0.5 is usual, near 1 is a seam. Spectral flux is compared with the same place in other bars, the
step of the beat's phase with all places. What must be found stands beside it: windows that each
made their own music and are cut hard, and every other window a quarter of a beat late.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling.windows import plan_windows
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.tasks.requests.harmony import draw_harmony
from kinetune.tasks.requests.music_options import MusicOptions

RATE_HZ = timebase.mel_rate_hz()
BPM, DURATION_S = 122.0, 300.0
BEAT_FRAMES = timebase.beat_period_s(BPM) * RATE_HZ
# The step of the phase is taken from so many beats before a place to as many behind it.
SPAN_FRAMES = round(4 * BEAT_FRAMES)


@dataclass(frozen=True)
class Piece:
    """A spectrogram (M, L), the frames at which its windows meet, and its beats in seconds."""

    mel: np.ndarray
    joins: np.ndarray
    beats_s: np.ndarray


@pytest.fixture(scope="module")
def pieces():
    """The same dance made in windows that are joined, and in windows that know nothing."""
    pipeline = DanceToMusicPipeline.from_pretrained()
    dance = choreograph(1, DanceRequest(genre="HO", bpm=BPM, duration_s=DURATION_S, fps=30.0))
    grid = fixed_grid(BPM, float(dance.downbeats_s[0]), DURATION_S)
    harmony = draw_harmony(dance.clip, MusicOptions(), genre="HO", grid=grid)
    joined = pipeline.plan(DURATION_S)
    width, overlap = joined.width, joined.useful - (joined.starts[1] - joined.starts[0])
    apart = plan_windows(joined.total - overlap, width=width, useful=width, overlap=0)

    def made(plan, places):
        with torch.no_grad():
            conditions = pipeline.conditions.of_dance(
                dance.clip, grid, "HO", plan, guided=True, music=MusicConditions(harmony)
            )
            latents = pipeline.denoise(plan, conditions, pipeline.sampling_options(5, steps=4))
            mel = pipeline.decode(plan, latents, DURATION_S)[0].numpy()
        starts = np.add.outer(plan.starts[1:], places).ravel() * frames_per_column(pipeline.vae)
        return Piece(mel, starts[starts < mel.shape[1] - SPAN_FRAMES], grid.beats_s)

    # Where an overlap begins, its middle and its end; a hard cut has one place.
    return made(joined, [0, overlap // 2, overlap]), made(apart, [0])


def flux_ranks(piece):
    """How usual the change of the spectrum is within a frame of each join, 0 to 1."""
    flux = np.abs(np.diff(piece.mel, axis=1, prepend=piece.mel[:, :1])).mean(axis=0)
    peak = np.lib.stride_tricks.sliding_window_view(np.pad(flux, 1), 3).max(axis=1)
    usual = away_from(piece.joins, len(peak), 8)
    bars = 4 * BEAT_FRAMES * np.arange(-400, 401)
    ranks = []
    for join in piece.joins:
        places = np.round(join + bars).astype(int)
        places = places[(places >= 3) & (places < len(peak) - 3)]
        ranks.append(np.mean(peak[places[usual[places]]] < peak[join]))
    return np.array(ranks)


def phase_steps(piece):
    """How far the onsets' place within the beat moves at every frame, beats (0 to 0.5), (L,)."""
    onsets = np.diff(piece.mel, axis=1, prepend=piece.mel[:, :1]).clip(min=0.0).mean(axis=0)
    times_s = timebase.frame_times(len(onsets), RATE_HZ)
    beat = np.interp(times_s, piece.beats_s, np.arange(len(piece.beats_s)))
    turned = np.cumsum((onsets - onsets.mean()) * np.exp(2j * np.pi * beat))
    steps = np.full(len(onsets), np.nan)
    inside = np.arange(SPAN_FRAMES, len(onsets) - SPAN_FRAMES)
    before = turned[inside] - turned[inside - SPAN_FRAMES]
    after = turned[inside + SPAN_FRAMES] - turned[inside]
    steps[inside] = np.abs(np.angle(after * before.conj())) / (2 * np.pi)
    return steps


def phase_ranks(piece):
    """How usual the step of the beat's phase is at each join, 0 to 1."""
    steps = phase_steps(piece)
    usual = steps[away_from(piece.joins, len(steps), SPAN_FRAMES // 4) & np.isfinite(steps)]
    here = steps[piece.joins]
    return np.array([np.mean(usual < step) for step in here[np.isfinite(here)]])


def away_from(joins, count, frames):
    away = np.ones(count, dtype=bool)
    for join in joins:
        away[max(0, join - frames) : join + frames] = False
    return away


def every_other_window_late(piece, beats):
    """Artificial seams: spans between joins are alternately late by so many beats."""
    frames = round(beats * BEAT_FRAMES)
    mel = piece.mel.copy()
    edges = [*piece.joins, piece.mel.shape[1]]
    for start, end in zip(edges[::2], edges[1::2], strict=False):
        mel[:, start:end] = piece.mel[:, start - frames : end - frames]
    return Piece(mel, piece.joins, piece.beats_s)


def test_the_spectrum_changes_at_joins_as_it_does_elsewhere(pieces):
    joined, _ = pieces
    ranks = flux_ranks(joined)
    assert len(ranks) >= 60
    assert 0.35 < ranks.mean() < 0.65
    assert np.mean(ranks > 0.95) <= 0.15


def test_independent_windows_are_detected(pieces):
    _, cut = pieces
    ranks = flux_ranks(cut)
    assert ranks.mean() > 0.7
    assert np.mean(ranks > 0.95) > 0.3


def test_the_beat_phase_is_continuous_at_joins(pieces):
    joined, _ = pieces
    ranks = phase_ranks(joined)
    assert len(ranks) >= 60
    assert 0.35 < ranks.mean() < 0.65
    assert np.mean(ranks > 0.95) <= 0.15
    # And it is the dance's beat: few onsets would gather anywhere else.
    assert np.median(phase_steps(joined)[joined.joins]) < 0.05


def test_shifted_windows_are_detected(pieces):
    _, cut = pieces
    ranks = phase_ranks(every_other_window_late(cut, 0.25))
    assert ranks.mean() > 0.8
    assert np.mean(ranks > 0.95) > 0.5
