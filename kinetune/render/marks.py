"""A control score's sections, accents and silences as marks on a time axis. Seconds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinetune import genres

if TYPE_CHECKING:
    from kinetune.model.conditioning.control_score import ControlScore
    from kinetune.motion.beats.beat_grid import BeatGrid


@dataclass(frozen=True)
class Span:
    """A time span with a label."""

    start_s: float
    end_s: float
    label: str = ""


@dataclass(frozen=True)
class Marks:
    """Marks on the time axis of a piece.

    Attributes:
        sections: Sections, labelled with genre and energy.
        silences: Silences.
        accents_s: Times of the accents.
        loop_s: Length of the loop, where the music wraps to its beginning; 0 if it doesn't loop.
    """

    sections: tuple[Span, ...] = ()
    silences: tuple[Span, ...] = ()
    accents_s: tuple[float, ...] = ()
    loop_s: float = 0.0


def marks_of(
    score: "ControlScore | None", grid: "BeatGrid", duration_s: float, *, loop: bool = False
) -> Marks:
    """Return the marks of a piece.

    Args:
        score: Its control score, as written; sections and silences are moved to bar lines.
        grid: Its beats.
        duration_s: Its length.
        loop: Whether it loops.
    """
    from kinetune.model.conditioning.control_score import fit_score

    loop_s = duration_s if loop else 0.0
    if score is None:
        return Marks(loop_s=loop_s)
    played = fit_score(score, grid, duration_s)
    return Marks(
        tuple(Span(s.start_s, s.end_s, _label(s.genre, s.energy)) for s in played.sections),
        tuple(Span(s.start_s, s.end_s) for s in played.silences),
        tuple(accent.at_s for accent in played.accents),
        loop_s,
    )


def _label(genre: str, energy: float) -> str:
    name = genres.genre_name(genres.genre_code(genre)) if genre else ""
    strength = f"energy {energy:g}" if energy != 1.0 else ""
    return ", ".join(part for part in (name, strength) if part)
