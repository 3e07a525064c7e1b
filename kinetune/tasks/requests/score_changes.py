"""Additions to the control score that a piece has: accents, silences, and the energy of a span."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Section,
    Silence,
    check_score,
    fit_score,
)
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.tasks.requests.score_options import END_S

# Two accents nearer than this are the same hit: the grace of a typed time.
_SAME_HIT_S = 0.05


@dataclass(frozen=True)
class ScoreChanges:
    """What is added to the control score of a piece; the rest of the score stays.

    Attributes:
        accents: In order of time; one within 50 ms of another replaces it, strength 0 removes it.
        silences: In order of time; one replaces those that it overlaps.
        energy: Factor on the motion energy within the new part; None leaves it.

    Raises:
        ConfigError: Silences overlap each other, or a number is out of range.
    """

    accents: tuple[Accent, ...] = ()
    silences: tuple[Silence, ...] = ()
    energy: float | None = None

    def __post_init__(self) -> None:
        energy = 1.0 if self.energy is None else self.energy
        sections = (Section(0.0, END_S, energy=energy),)
        check_score(ControlScore(sections, self.accents, self.silences))

    @property
    def extent_s(self) -> tuple[float, float] | None:
        """Start of the first accent or silence and end of the last; None without any."""
        times = [(accent.at_s, accent.at_s + _SAME_HIT_S) for accent in self.accents]
        times += [(silence.start_s, silence.end_s) for silence in self.silences]
        return (min(t for t, _ in times), max(t for _, t in times)) if times else None


def score_changes(
    accents: Sequence[Accent] = (),
    silences: Sequence[Silence] = (),
    energy: float | None = None,
) -> ScoreChanges:
    """Return changes of accents and silences in any order; see :class:`ScoreChanges`.

    Raises:
        ConfigError: Silences overlap each other, or a number is out of range.
    """
    return ScoreChanges(
        tuple(sorted(accents, key=lambda accent: accent.at_s)),
        tuple(sorted(silences, key=lambda silence: silence.start_s)),
        energy,
    )


def apply_changes(
    score: ControlScore | None,
    changes: ScoreChanges,
    *,
    span_s: tuple[float, float],
    grid: BeatGrid,
    duration_s: float,
    exact: bool = False,
) -> ControlScore:
    """Return the control score of a piece with changes in it.

    Args:
        score: The piece's own; None is an empty one.
        changes: What is added.
        span_s: Start and end of the new part, seconds: where the energy is changed.
        grid: Beats of the piece.
        duration_s: Length of the piece.
        exact: The changes' times are not moved to bar lines.

    Raises:
        ConfigError: The changes don't fit the piece.
    """
    base = score or ControlScore()
    added = ControlScore(accents=changes.accents, silences=changes.silences, exact=exact)
    if base.exact != exact:
        # One flag holds for a whole score: what is to be moved to bar lines is moved now.
        base = replace(fit_score(base, grid, duration_s), exact=True)
        added = replace(fit_score(added, grid, duration_s), exact=True)
    merged = ControlScore(
        tuple(_with_energy(base.sections, changes.energy, span_s, duration_s)),
        _with_accents(base.accents, added.accents),
        _with_silences(base.silences, added.silences),
        base.exact,
    )
    check_score(merged)
    return merged


def check_within(changes: ScoreChanges, span_s: tuple[float, float]) -> None:
    """Raise a ``ConfigError`` if an accent or a silence lies outside the new part."""
    start_s, end_s = span_s
    for name, first_s, last_s in [
        *(("accent", accent.at_s, accent.at_s) for accent in changes.accents),
        *(("silence", silence.start_s, silence.end_s) for silence in changes.silences),
    ]:
        if first_s < start_s or last_s > end_s:
            raise ConfigError(
                f"the {name} at {first_s:g} s lies outside what is new, {start_s:.2f} to "
                f"{end_s:.2f} s; redo a longer stretch, or leave the stretch out"
            )


def _with_accents(kept: tuple[Accent, ...], added: tuple[Accent, ...]) -> tuple[Accent, ...]:
    others = (
        accent
        for accent in kept
        if all(abs(accent.at_s - new.at_s) >= _SAME_HIT_S for new in added)
    )
    together = sorted((*others, *added), key=lambda accent: accent.at_s)
    return tuple(accent for accent in together if accent.strength > 0.0)


def _with_silences(kept: tuple[Silence, ...], added: tuple[Silence, ...]) -> tuple[Silence, ...]:
    others = (
        silence
        for silence in kept
        if all(silence.end_s <= new.start_s or silence.start_s >= new.end_s for new in added)
    )
    return tuple(sorted((*others, *added), key=lambda silence: silence.start_s))


def _with_energy(
    sections: tuple[Section, ...],
    energy: float | None,
    span_s: tuple[float, float],
    duration_s: float,
) -> Iterator[Section]:
    """Yield sections whose energy within the span is the given one; their genres stay."""
    if energy is None:
        yield from sections
        return
    start_s, end_s = span_s[0], END_S if span_s[1] >= duration_s else span_s[1]
    time_s = 0.0
    for section in (*sections, Section(END_S, 2.0 * END_S)):
        gap = Section(max(time_s, start_s), min(section.start_s, end_s), energy=energy)
        if gap.end_s > gap.start_s:
            yield gap
        time_s = section.end_s
        for part in (
            replace(section, end_s=min(section.end_s, start_s)),
            replace(
                section,
                start_s=max(section.start_s, start_s),
                end_s=min(section.end_s, end_s),
                energy=energy,
            ),
            replace(section, start_s=max(section.start_s, end_s)),
        ):
            if part.end_s > part.start_s and part.start_s < END_S:
                yield part
