"""Specification of an edit: spans in seconds, snapped to bar lines of the dance."""

from dataclasses import dataclass

import numpy as np

from kinetune.errors import ConfigError
from kinetune.model.conditioning.bars import bar_lines, enclosing_bars
from kinetune.model.sampling.inpainting import check_strength
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.group import Dancers

# The shortest stretch, and how far music may reach beyond the dance.
_MIN_S, _MAX_BEYOND_S = 0.2, 0.5


@dataclass(frozen=True)
class EditSpec:
    """What is to be changed.

    Attributes:
        redo: Start and end of a span to regenerate; an end of infinity is the music's end.
        continue_s: Seconds to generate after the end.
        strength: Share of new material, 0 to 1; None is 1 for a stretch and where the rhythm is
            kept, 0.3 for a whole piece.
        keep_rhythm: Keep the loudness envelope.
        exact: Take times as they are, not moved to bar lines.

    Raises:
        ConfigError: A number is impossible, or both ``redo`` and ``continue_s`` are named.
    """

    redo: tuple[float, float] | None = None
    continue_s: float | None = None
    strength: float | None = None
    keep_rhythm: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if self.redo is not None and self.continue_s is not None:
            raise ConfigError("redo a stretch or continue the music, not both at once")
        if self.redo is not None and not 0.0 <= self.redo[0] < self.redo[1]:
            raise ConfigError(
                f"a stretch must begin at 0 s or later and before it ends, found "
                f"{self.redo[0]:g} to {self.redo[1]:g} s"
            )
        if self.continue_s is not None and not _MIN_S <= self.continue_s < np.inf:
            raise ConfigError(f"continue for {_MIN_S:g} s or more, found {self.continue_s:g} s")
        if self.continue_s is not None and (self.keep_rhythm or self.strength not in (None, 1.0)):
            raise ConfigError("a continuation is all new: it has no strength and no rhythm to keep")
        check_strength(self.amount)

    @property
    def is_whole(self) -> bool:
        """Whether the whole piece is varied."""
        return self.redo is None and self.continue_s is None

    @property
    def amount(self) -> float:
        """The strength, or its default."""
        if self.strength is not None:
            return self.strength
        return 0.3 if self.is_whole and not self.keep_rhythm else 1.0


def edit_span(spec: EditSpec, music_s: float, clip: Dancers, grid: BeatGrid) -> tuple[float, float]:
    """Return start and end of the new part; a span grows to the bar lines around it.

    Args:
        spec: What to change.
        music_s: Length of the music, seconds.
        clip: The dance.
        grid: Its beats.

    Raises:
        ConfigError: It would lie outside the music or the dance.
    """
    dance_s = clip.duration_s
    if spec.continue_s is not None:
        return _continuation_span(spec.continue_s, music_s, clip, grid, exact=spec.exact)
    if spec.redo is None:
        if music_s > dance_s + _MAX_BEYOND_S:
            raise ConfigError(
                f"{clip.name}: the dance lasts {dance_s:.2f} s, the music {music_s:.2f} s; "
                f"redo a stretch inside the dance instead, such as 0:{dance_s:.1f}"
            )
        return 0.0, music_s
    reach_s = min(music_s, dance_s + _MAX_BEYOND_S)
    start_s, end_s = spec.redo
    end_s = reach_s if np.isinf(end_s) else end_s
    if start_s >= reach_s and end_s <= reach_s:
        raise ConfigError(f"the stretch begins at {start_s:g} s, after the end at {reach_s:.2f} s")
    # A tenth of a second is forgiven to who types a length that was printed rounded.
    if end_s > reach_s + 0.1:
        what, length_s = ("music", music_s) if music_s <= dance_s else ("dance", dance_s)
        raise ConfigError(f"the stretch ends at {end_s:g} s, but the {what} lasts {length_s:.2f} s")
    if not spec.exact:
        return enclosing_bars(grid, start_s, min(end_s, reach_s), reach_s)
    return start_s, min(end_s, reach_s)


def _continuation_span(
    continue_s: float, music_s: float, clip: Dancers, grid: BeatGrid, *, exact: bool
) -> tuple[float, float]:
    dance_s = clip.duration_s
    if music_s + continue_s > dance_s + _MAX_BEYOND_S:
        raise ConfigError(
            f"{clip.name}: the dance lasts {dance_s:.2f} s; music of {music_s:.2f} s with "
            f"{continue_s:g} s more needs {music_s + continue_s:.2f} s of it"
        )
    if exact:
        return music_s, music_s + continue_s
    # The last bar line of the music, unless that would throw a whole bar away.
    lines = bar_lines(grid, music_s)
    start_s = float(lines[-1]) if len(lines) and lines[-1] > 0.0 else music_s
    wanted_s = music_s + continue_s
    _, end_s = enclosing_bars(grid, music_s, wanted_s, max(dance_s, wanted_s))
    return start_s, max(end_s, start_s + _MIN_S)
