"""Control score: sections, accents and silences that a user sets, in a short TOML file.

```toml
[[sections]]          # genre and energy of a span; elsewhere the motion decides
start_s = 16.0
end_s = 32.0
genre = "house"
energy = 1.5          # 1 follows the motion

[[accents]]           # a prominent onset
at_s = 21.4
strength = 1.0

[[silences]]          # complete silence
start_s = 30.0
end_s = 31.0
```

Sections and silences of half a bar or more snap to the nearest bar lines; shorter ones and accents
keep their times. ``exact = true`` at the top turns snapping off. In a loop, times are relative to
its start, and its end cross-fades into its beginning. Seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.audio.sound import Sound
from kinetune.config import build, read_toml
from kinetune.errors import ConfigError
from kinetune.memmap import copy
from kinetune.model.conditioning.bars import nearest_bar
from kinetune.motion.beats.beat_grid import BeatGrid

Array = NDArray[np.float64]

_LEAST_ENERGY, _MOST_ENERGY = 0.1, 3.0
# A genre gives way to the next, and an energy to the next, over so long.
_GENRE_FADE_S = 0.25
# A silence begins with so short a fade before it and ends with one inside it.
_FADE_OUT_S, _FADE_IN_S = 0.02, 0.005


@dataclass(frozen=True)
class Section:
    """A time span with its own genre or energy.

    Attributes:
        start_s: Where it begins.
        end_s: Where it ends.
        genre: Name or code; empty leaves the piece's genre.
        energy: Factor on the motion energy that conditions the music, 0.1 to 3.
    """

    start_s: float
    end_s: float
    genre: str = ""
    energy: float = 1.0


@dataclass(frozen=True)
class Accent:
    """A hit.

    Attributes:
        at_s: When.
        strength: 0 is none, 1 stands out clearly, 2 is the most.
    """

    at_s: float
    strength: float = 1.0


@dataclass(frozen=True)
class Silence:
    """Silence from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class ControlScore:
    """Sections, accents and silences; see the module.

    Attributes:
        sections: In order of time; they don't overlap.
        accents: In order of time.
        silences: In order of time; they don't overlap.
        exact: Take times as they are, not moved to bar lines.
    """

    sections: tuple[Section, ...] = ()
    accents: tuple[Accent, ...] = ()
    silences: tuple[Silence, ...] = ()
    exact: bool = False


def read_control_score(path: Path) -> ControlScore:
    """Read a score from a TOML file.

    Raises:
        ConfigError: It can't be read, a key is unknown, or it contradicts itself.
    """
    score = build(ControlScore, read_toml(path), context=str(path))
    try:
        check_score(score)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return score


def check_score(
    score: ControlScore, duration_s: float | None = None, *, piece: str = "music"
) -> None:
    """See that a score makes sense, and fits a ``piece`` of ``duration_s`` if that is named.

    Raises:
        ConfigError: Times run backwards, overlap or lie outside the dance; an unknown genre; or
            an impossible number.
    """
    _check_stretches("section", score.sections)
    _check_stretches("silence", score.silences)
    for section in score.sections:
        _check_section(section)
    _check_accents(score.accents)
    if duration_s is not None:
        _check_within(score, duration_s, piece)


def _check_section(section: Section) -> None:
    if section.genre:
        genres.genre_code(section.genre)
    if not _LEAST_ENERGY <= section.energy <= _MOST_ENERGY:
        raise ConfigError(
            f"energy must be {_LEAST_ENERGY:g} to {_MOST_ENERGY:g}, found {section.energy:g}"
        )


def _check_accents(accents: Sequence[Accent]) -> None:
    for accent in accents:
        if not 0.0 <= accent.at_s < np.inf:
            raise ConfigError(f"an accent must be at 0 s or later, found {accent.at_s:g}")
        if not 0.0 <= accent.strength <= 2.0:
            raise ConfigError(f"an accent's strength must be 0 to 2, found {accent.strength:g}")
    for one, two in pairwise(accents):
        if two.at_s <= one.at_s:
            raise ConfigError(
                f"accents must be in order of time, found {two.at_s:g} s after {one.at_s:g} s"
            )


def _check_stretches(name: str, stretches: Sequence[Section | Silence]) -> None:
    for stretch in stretches:
        if not 0.0 <= stretch.start_s < stretch.end_s < np.inf:
            raise ConfigError(
                f"a {name} must begin at 0 s or later and before it ends, found "
                f"{stretch.start_s:g} to {stretch.end_s:g} s"
            )
    for one, two in pairwise(stretches):
        if two.start_s < one.end_s:
            raise ConfigError(
                f"{name}s must be in order and not overlap, found {two.start_s:g} to "
                f"{two.end_s:g} s after {one.start_s:g} to {one.end_s:g} s"
            )


def _check_within(score: ControlScore, duration_s: float, piece: str) -> None:
    ends = [("section", s.start_s) for s in score.sections]
    ends += [("accent", a.at_s) for a in score.accents]
    ends += [("silence", s.start_s) for s in score.silences]
    # A last section may well be written as ending a little, or far, beyond the last frame; one
    # that would begin there is a mistake.
    for name, time_s in ends:
        if time_s >= duration_s:
            raise ConfigError(
                f"the score has {'an' if name == 'accent' else 'a'} {name} at {time_s:g} s, but "
                f"the {piece} lasts {duration_s:.2f} s"
            )


def fit_score(
    score: ControlScore, grid: BeatGrid, duration_s: float, *, piece: str = "music"
) -> ControlScore:
    """Return the score as it will be played: checked, moved to bar lines unless it is exact.

    A span shorter than half a bar is left as it is, lest it vanish.

    Args:
        score: As it was written.
        grid: Beats of the piece.
        duration_s: Its length.
        piece: What an error calls it.

    Raises:
        ConfigError: See :func:`check_score`.
    """
    check_score(score, duration_s, piece=piece)
    if score.exact:
        return score

    half_bar_s = 0.5 * grid.metre * timebase.beat_period_s(grid.bpm)

    def moved(stretch: Section | Silence) -> Section | Silence:
        if stretch.end_s - stretch.start_s < half_bar_s:
            return stretch
        start, end = (nearest_bar(grid, t, duration_s) for t in (stretch.start_s, stretch.end_s))
        return replace(stretch, start_s=start, end_s=end) if end > start else stretch

    return replace(
        score,
        sections=tuple(moved(section) for section in score.sections),  # type: ignore[misc]
        silences=tuple(moved(silence) for silence in score.silences),  # type: ignore[misc]
    )


def scale_times(score: ControlScore, factor: float) -> ControlScore:
    """Return the score with all its times so many times as late."""

    def moved(part: Section | Silence) -> Section | Silence:
        return replace(part, start_s=part.start_s * factor, end_s=part.end_s * factor)

    return replace(
        score,
        sections=tuple(moved(section) for section in score.sections),  # type: ignore[misc]
        accents=tuple(replace(one, at_s=one.at_s * factor) for one in score.accents),
        silences=tuple(moved(silence) for silence in score.silences),  # type: ignore[misc]
    )


def genre_weights(
    score: ControlScore, genre: str, times_s: Array, *, loop_s: float | None = None
) -> dict[str, Array]:
    """Return each genre's weight at each time, 0 to 1; they sum to 1.

    Args:
        score: A fitted score.
        genre: Code of the piece's genre, which holds where no section says otherwise.
        times_s: Where to look, (n,).
        loop_s: Length of a loop, whose end cross-fades to its beginning; None for other music.
    """
    shares: dict[str, Array] = {}
    rest = np.ones(len(times_s))
    for section in score.sections:
        code = genres.genre_code(section.genre) if section.genre else genre
        if code != genre:
            inside = _inside(section, times_s, loop_s)
            share = np.minimum(inside, rest)
            shares[code] = shares.get(code, np.zeros(len(times_s))) + share
            rest -= share
    return {genre: rest, **shares}


def energy_at(score: ControlScore, times_s: Array, *, loop_s: float | None = None) -> Array:
    """Return the factor on the body's effort at each time, (n,); see :func:`genre_weights`."""
    factor = np.zeros(len(times_s))
    for section in score.sections:
        inside = _inside(section, times_s, loop_s)
        factor += inside * np.log(section.energy)
    return np.exp(factor)


def _inside(section: Section, times_s: Array, loop_s: float | None) -> Array:
    """How much each time lies within a section, 0 to 1, with short straight ramps at its ends.

    A section that begins with the music, at 0, has no ramp there; in a loop it has, and one that
    would end beyond the loop ends with it.
    """
    start_s, end_s = section.start_s, section.end_s
    if loop_s is None:
        return _ramped(start_s if start_s > 0.0 else -np.inf, end_s, times_s)
    end_s = min(end_s, loop_s)
    rounds = [_ramped(start_s + k * loop_s, end_s + k * loop_s, times_s) for k in (-1, 0, 1)]
    return np.asarray(np.minimum(np.sum(rounds, axis=0), 1.0))


def _ramped(start_s: float, end_s: float, times_s: Array) -> Array:
    begun, ended = (times_s - start_s) / _GENRE_FADE_S, (end_s - times_s) / _GENRE_FADE_S
    return np.clip(np.minimum(begun, ended) + 0.5, 0.0, 1.0)


def apply_silences(sound: Sound, silences: Sequence[Silence], *, loop: bool = False) -> Sound:
    """Return the sound with its silences: exact zeros but for the fade that ends each.

    Args:
        sound: Any sound.
        silences: Of a fitted score.
        loop: The sound is a loop: a silence at its beginning fades in from its end.
    """
    if not silences:
        return sound
    samples = copy(sound.samples)
    rows = samples[:, None] if samples.ndim == 1 else samples
    out, back = (timebase.samples_in(t, sound.rate_hz) for t in (_FADE_OUT_S, _FADE_IN_S))
    for silence in silences:
        first, last = (
            min(timebase.samples_in(t, sound.rate_hz), len(rows))
            for t in (silence.start_s, silence.end_s)
        )
        fall = np.linspace(1.0, 0.0, out, dtype=np.float32)
        before = np.arange(0 if loop else max(0, out - first), out)
        rows[(first - out + before) % len(rows)] *= fall[before, None]
        back = min(back, last - first)
        rise = np.linspace(0.0, 1.0, back, endpoint=False, dtype=np.float32)[:, None]
        ends_here = loop or last < len(rows)
        rows[first : last - back if ends_here else last] = 0.0
        if ends_here:
            rows[last - back : last] *= rise
    return Sound(samples, sound.rate_hz)
