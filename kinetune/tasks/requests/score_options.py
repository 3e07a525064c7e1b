"""Control scores from single options: accents, silences, and overall energy."""

from collections.abc import Sequence
from dataclasses import replace

from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Section,
    Silence,
    check_score,
)

# Beyond the end of any dance; sections end with the music.
END_S = 2 * 3600.0


def combine_score(
    score: ControlScore | None = None,
    *,
    accents: Sequence[Accent] = (),
    silences: Sequence[Silence] = (),
    energy: float = 1.0,
    exact: bool = False,
) -> ControlScore | None:
    """Return a control score with additions; None if it is empty.

    Args:
        score: What to add to; None is an empty one.
        accents: Hits to add; one at the time of another replaces it.
        silences: Silences to add.
        energy: Factor on the energy of all of the piece, its sections included.
        exact: Take times as they are, not moved to bar lines.

    Raises:
        ConfigError: Silences overlap, or a number is out of range.
    """
    base = score or ControlScore()
    by_time = {accent.at_s: accent for accent in (*base.accents, *accents)}
    combined = replace(
        base,
        sections=base.sections if energy == 1.0 else _scaled(base.sections, energy),
        accents=tuple(by_time[at_s] for at_s in sorted(by_time)),
        silences=tuple(sorted((*base.silences, *silences), key=lambda part: part.start_s)),
        exact=base.exact or exact,
    )
    check_score(combined)
    return None if replace(combined, exact=False) == ControlScore() else combined


def _scaled(sections: Sequence[Section], energy: float) -> tuple[Section, ...]:
    """Sections with so many times their energy, and more of them where there were none."""
    scaled: list[Section] = []
    time_s = 0.0
    for section in sections:
        if section.start_s > time_s:
            scaled.append(Section(time_s, section.start_s, energy=energy))
        scaled.append(replace(section, energy=section.energy * energy))
        time_s = section.end_s
    if time_s < END_S:
        scaled.append(Section(time_s, END_S, energy=energy))
    return tuple(scaled)
