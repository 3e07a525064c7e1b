"""The composer under the same requests as the diffusion model."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError
from kinetune.model.results import DanceMusic, StageSeconds
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.recipe import versions
from kinetune.tasks.requests.music_options import MusicOptions

if TYPE_CHECKING:
    from kinetune.composer.output.mastering import Master
    from kinetune.composer.piece import Piece, PieceRequest, Voice
    from kinetune.composer.rendering import Block
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

DEFAULT_RATE_HZ, DEFAULT_CHANNELS = 44_100, 2
# What a loop longer or a dance shorter than this can't be composed to, as for the model.
_LEAST_S, _MOST_S = 0.5, 2 * 3600.0


class ComposerPipeline(LazyPipeline):
    """What stands in the place of a model: the composer has none, and nothing to load."""

    def __init__(self) -> None:
        super().__init__("composer", "cpu")
        self.sha256, self.reads_harmony, self.attribute_names = "", False, ()

    @property
    def versions(self) -> dict[str, str]:
        """What makes the music: packages by version."""
        return versions("cpu")

    @property
    def output_rate_hz(self) -> int:
        """Samples per second of the sound unless the request sets another rate."""
        return DEFAULT_RATE_HZ


def pipeline_for(options: MusicOptions, model: str, device: str) -> LazyPipeline:
    """Return what makes the music: a model, or the composer."""
    if options.engine == "composer":
        return ComposerPipeline()
    return LazyPipeline(model, device)


@dataclass(frozen=True, eq=False, kw_only=True)
class ComposedMusic(DanceMusic):
    """Music with its notes.

    Attributes:
        piece: The notes.
        master: The master of the mix.
        mix: The mix before mastering, (N, channels).
        stems: The stems before mastering; none if they weren't kept.
    """

    piece: "Piece"
    master: "Master"
    mix: "Block"
    stems: "dict[str, Block] | None" = None


def compose_music(
    clip: "Dancers",
    options: MusicOptions,
    *,
    genre: str,
    export: ExportFormat | None = None,
    grid: "BeatGrid | None" = None,
    keep_stems: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ComposedMusic:
    """Return the composer's music for a dance, as it is exported.

    Args:
        clip: The dance.
        options: What decides the music; its genre is not used.
        genre: Name or code.
        export: Rate, channels and loudness; 44.1 kHz stereo where it leaves them open.
        grid: The beats to make it to; None takes them from the options.
        keep_stems: Whether to keep the stems.
        progress: Called with samples done and in all.

    Raises:
        KinetuneError: The dance is too short or too long, or the options don't fit it.
    """
    from kinetune.composer.compose import compose_piece

    if not _LEAST_S <= clip.duration_s <= _MOST_S:
        raise ConfigError(
            f"{clip.name}: lasts {clip.duration_s:.2f} s; expected {_LEAST_S:g} s to "
            f"{_MOST_S / 3600:g} h"
        )
    began = time.perf_counter()
    piece = compose_piece(piece_request(clip, options, genre=genre, grid=grid))
    spent = StageSeconds(time.perf_counter() - began, 0.0, 0.0, 0.0)
    made = play(piece, export, keep_stems=keep_stems, progress=progress)
    return replace(made, seconds=replace(made.seconds, features=spent.features), seed=options.seed)


def piece_request(
    clip: "Dancers", options: MusicOptions, *, genre: str, grid: "BeatGrid | None" = None
) -> "PieceRequest":
    """Return what a piece is made from."""
    from kinetune.composer.piece import PieceRequest
    from kinetune.motion.group import first_bars

    grid = grid or options.beats.grid_for(clip)
    if options.loop_bars is not None:
        clip = first_bars(clip, options.loop_bars, grid)
    return PieceRequest(
        clip, grid, genre, options.seed, options.composer,
        options.score, options.loop, options.holds_tempo, prompt=options.prompt,
    )  # fmt: skip


def play(
    piece: "Piece",
    export: ExportFormat | None = None,
    *,
    groups: "Mapping[str, Sequence[Voice]] | None" = None,
    keep_stems: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ComposedMusic:
    """Return the music of a piece, mixed and mastered.

    Args:
        piece: The notes.
        export: Rate, channels and loudness.
        groups: Its voices by stem; those of composer/output/layers.py if None.
        keep_stems: Whether to keep the stems.
        progress: Called with samples done and in all.

    Raises:
        OutputError: The disk has no room for what is long.
    """
    from kinetune.composer.output.layers import stem_groups
    from kinetune.composer.output.mastering import master_mix
    from kinetune.composer.rendering import render_mix

    export = export or ExportFormat()
    rate_hz = export.rate_hz or DEFAULT_RATE_HZ
    began = time.perf_counter()
    mix, stems = render_mix(
        piece, groups or stem_groups(piece), rate_hz, export.channels or DEFAULT_CHANNELS,
        keep_stems=keep_stems, progress=progress,
    )  # fmt: skip
    rendered = time.perf_counter()
    master = master_mix(piece, mix, rate_hz, target_lufs=export.target_lufs)
    seconds = StageSeconds(0.0, 0.0, rendered - began, time.perf_counter() - rendered)
    return ComposedMusic(
        sound=Sound(master.sound.samples, rate_hz),
        mel=np.zeros((0, 0), np.float32),
        grid=piece.grid,
        genre=piece.genre,
        seconds=seconds,
        seed=piece.seed,
        piece=piece,
        master=master,
        mix=mix,
        stems=stems if keep_stems else None,
    )
