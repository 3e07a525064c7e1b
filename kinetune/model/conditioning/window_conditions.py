"""Conditions of every window of a dance. Seconds; T motion frames at 30 fps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.model.condition import ConditionBatch, DanceCondition, DanceInput, PaperCondition
from kinetune.model.conditioning.attributes import MusicConditions
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.conditioning.control_score import ControlScore, energy_at, genre_weights
from kinetune.model.conditioning.dynamics import bar_dynamics, effort_contrast
from kinetune.model.conditioning.harmony import repeat_harmony, stretch_harmony
from kinetune.model.conditioning.similarity import MotionEmbedding
from kinetune.model.normaliser import FeatureNormaliser
from kinetune.model.sampling.genre_mixing import (
    BatchedConditioning,
    Conditioning,
    WeightedCondition,
    stack_conditioning,
)
from kinetune.model.sampling.loops import Loop, tile_features
from kinetune.model.sampling.window_layout import WindowLayout
from kinetune.model.sampling.windows import WindowPlan
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.features import mean_speed, scale_effort
from kinetune.motion.group import Dancers, dance_features

ConditionEncoder = DanceCondition | PaperCondition


@dataclass(frozen=True, eq=False)
class WindowConditions:
    """The conditions of all windows of a plan.

    Attributes:
        genres: One condition per genre, with the genre's weight in each column.
        uncond: The unconditional input for classifier-free guidance; None without guidance.
        bars_s: Bar lines, seconds from the first column, ascending; none in a loop.
        bar_level: Level of each bar, see :mod:`kinetune.model.conditioning.dynamics`, from the
            dance's first frame on, at 30 fps; empty in a loop.
    """

    genres: list[WeightedCondition]
    uncond: Conditioning | None
    bars_s: NDArray[np.float64]
    bar_level: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConditionMaker:
    """What makes the conditions of windows.

    Attributes:
        encoder: Of the pipeline.
        normaliser: Names the motion features and scales them.
        layout: The windows' shape.
        contrast: Exponent of :func:`~kinetune.model.conditioning.dynamics.effort_contrast`.
        similarity: Makes the motion vectors of the similarity network; None if they are no
            condition.
    """

    encoder: ConditionEncoder
    normaliser: FeatureNormaliser
    layout: WindowLayout
    contrast: float = 1.0
    similarity: MotionEmbedding | None = None

    def of_dance(
        self,
        clip: Dancers,
        grid: BeatGrid,
        genre: str,
        plan: WindowPlan,
        *,
        guided: bool,
        from_s: float = 0.0,
        score: ControlScore | None = None,
        music: MusicConditions | None = None,
    ) -> WindowConditions:
        """Return the conditions of every window of a plan.

        Args:
            clip: The dance.
            grid: Its beats.
            genre: Name or code.
            plan: The windows.
            guided: Whether to add the unconditional input.
            from_s: Time in the dance of the plan's first column.
            score: A fitted score.
            music: Key, chords and musical attributes; free if None.
        """
        score = score or ControlScore()
        dance = dance_input(
            self.normaliser, clip, grid, genre, score=score, music=music,
            contrast=self.contrast,
        )  # fmt: skip
        dance = self._with_similarity(dance, clip)
        times_s = from_s + self.layout.column_times_s(plan)
        conditions, uncond = genre_conditions(
            self.encoder,
            dance,
            genre_weights(score, dance.genre, times_s),
            self.layout.starts_s(plan, from_s),
            guided=guided,
        )
        bars_s = bar_lines(grid, from_s + self.layout.seconds_of(plan.total)) - from_s
        return WindowConditions(conditions, uncond, bars_s, dance.level)

    def of_loop(
        self,
        loop: Loop,
        genre: str,
        plan: WindowPlan,
        score: ControlScore,
        *,
        guided: bool,
        music: MusicConditions | None = None,
    ) -> WindowConditions:
        """Return the conditions of every window of a loop.

        Args:
            loop: The dance, stretched to whole columns.
            genre: Name or code.
            plan: The windows.
            score: A fitted score, stretched with the dance.
            guided: Whether to add the unconditional input.
            music: Key, chords and musical attributes, with times of the loop as it is played; free
                if None.
        """
        loop_s = self.layout.seconds_of(plan.total)
        window_s = self.layout.seconds_of(plan.width)
        if music is not None and music.harmony is not None:
            harmony = stretch_harmony(music.harmony, loop.stretch)
            harmony = repeat_harmony(harmony, period_s=loop_s, until_s=loop_s + window_s)
            music = replace(music, harmony=harmony)
        dance = dance_input(
            self.normaliser, loop.clip, loop.grid, genre, score=score, loop_s=loop_s,
            music=music, contrast=self.contrast,
        )  # fmt: skip
        dance = self._with_similarity(dance, loop.clip)
        dance = tile_features(dance, period_s=loop_s, window_s=window_s)
        times_s = self.layout.column_times_s(plan)
        conditions, uncond = genre_conditions(
            self.encoder,
            dance,
            genre_weights(score, dance.genre, times_s, loop_s=loop_s),
            self.layout.starts_s(plan),
            guided=guided,
        )
        return WindowConditions(conditions, uncond, np.empty(0), np.empty(0))

    def _with_similarity(self, dance: DanceInput, clip: Dancers) -> DanceInput:
        """Return the input with the motion vectors of the clip, if the model reads them.

        They come from the motion alone: neither contrast nor score changes them.
        """
        if self.similarity is None:
            return dance
        return replace(dance, similarity=self.similarity.of_dance(clip))


def dance_input(
    normaliser: FeatureNormaliser,
    clip: Dancers,
    grid: BeatGrid,
    genre: str,
    *,
    score: ControlScore | None = None,
    loop_s: float | None = None,
    music: MusicConditions | None = None,
    contrast: float = 1.0,
) -> DanceInput:
    """Return the encoder's input: features scaled by contrast, score and dynamics, and beats.

    Args:
        normaliser: Names the features and scales them.
        clip: The dance, or a group of dancers.
        grid: Its beats.
        genre: Name or code.
        score: A fitted score.
        loop_s: Length of the loop if the dance is one.
        music: Key, chords and musical attributes; free if None.
        contrast: Exponent of the effort's contrast; 1 changes nothing.
    """
    name = normaliser.config.features
    rows = dance_features(clip, name)
    factor = np.ones(len(rows))
    if contrast != 1.0:
        factor = effort_contrast(mean_speed(rows, name), contrast, is_loop=loop_s is not None)
    if score is not None and score.sections:
        times_s = timebase.frame_times(len(rows), timebase.MOTION_FPS)
        rows = scale_effort(rows, energy_at(score, times_s, loop_s=loop_s), name)
    level = np.empty(0)
    if loop_s is None:
        level = bar_dynamics(mean_speed(rows, name), bar_lines(grid, clip.duration_s))
        factor = factor * level
    rows = scale_effort(rows, factor, name) if (factor != 1.0).any() else rows
    features = normaliser(torch.from_numpy(rows).to(normaliser.device)).cpu()
    code = genres.genre_code(genre)
    return DanceInput(
        features,
        code,
        grid.beats_s,
        grid.bar_start_s,
        level,
        grid.metre,
        music or MusicConditions(),
    )


def encode_windows(
    encoder: ConditionEncoder, dance: DanceInput, starts_s: Sequence[float], *, guided: bool
) -> tuple[BatchedConditioning, Conditioning | None]:
    """Encode the condition of every window, and the unconditional input if guided.

    Args:
        encoder: Of the pipeline.
        dance: Its input.
        starts_s: Start of each window in the dance, seconds.
        guided: Whether to add the unconditional input.
    """

    def gathered(start_s: float) -> ConditionBatch:
        return encoder.gather(dance, start_s).to(encoder.device)

    windows = (encoder(gathered(start_s)) for start_s in starts_s)
    uncond = encoder(gathered(starts_s[0]).dropped()) if guided else None
    return stack_conditioning(windows, len(starts_s)), uncond


def genre_conditions(
    encoder: ConditionEncoder,
    dance: DanceInput,
    weights: Mapping[str, NDArray[np.float64]],
    starts_s: Sequence[float],
    *,
    guided: bool,
) -> tuple[list[WeightedCondition], Conditioning | None]:
    """Return a weighted condition for every genre in use, and the unconditional input.

    Args:
        encoder: Of the pipeline.
        dance: Its input.
        weights: Weight of each genre (by code) in each column, (total,).
        starts_s: Start of each window in the dance, seconds.
        guided: Whether to add the unconditional input.
    """
    conditions: list[WeightedCondition] = []
    uncond: Conditioning | None = None
    for code, weight in weights.items():
        if weight.any():
            encoded, uncond = encode_windows(
                encoder, replace(dance, genre=code), starts_s, guided=guided
            )
            conditions.append(WeightedCondition(encoded, torch.from_numpy(weight).float()))
    return conditions, uncond
