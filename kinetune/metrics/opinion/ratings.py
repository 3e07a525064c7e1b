"""Ratings of listeners, and which listeners count.

Conventions: ratings are whole numbers from 1 (bad) to 5 (excellent), as in ITU-T P.808. A listener
is screened out by rule, never by opinion: headphones (five of six antiphase trials, Woods et al.
2017), the attention check, the gold clip, clips that were not listened to, and one answer to
everything. Reasons are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kinetune.errors import MetricError

SCALE = (1, 2, 3, 4, 5)
HEADPHONE_TRIALS, HEADPHONES_RIGHT = 6, 5
# The rating that the attention check asks for, and the highest that the gold clip may get.
ATTENTION_RATING, GOLD_MOST = 2, 2
# A clip is listened to that played for this part of its length; a session, of whose clips this part
# were.
_PLAYED, _PLAYED_CLIPS = 0.5, 0.9
_FEWEST_FOR_VARIETY = 6


@dataclass(frozen=True)
class Rating:
    """One rating.

    Attributes:
        listener: Who.
        section: ``quality`` or ``correspondence``.
        condition: What was heard: a system, ``reference``, an anchor, ``attention`` or ``gold``.
        item: Of which dance.
        score: 1 to 5.
        played_s: How long it played, seconds.
        duration_s: How long it is.

    Raises:
        MetricError: The score isn't on the scale.
    """

    listener: str
    section: str
    condition: str
    item: str
    score: int
    played_s: float
    duration_s: float

    def __post_init__(self) -> None:
        if self.score not in SCALE:
            raise MetricError(
                f"{self.listener}: expected a rating from 1 to 5, found {self.score!r}"
            )


@dataclass(frozen=True)
class Preference:
    """One paired choice: ``winner`` was preferred to ``loser`` for a dance."""

    listener: str
    item: str
    winner: str
    loser: str


@dataclass(frozen=True)
class Session:
    """All that one listener did.

    Attributes:
        listener: Who.
        headphones_right: Right answers among the six headphone trials.
        ratings: Ratings, checks among them.
        preferences: Paired choices.
        complete: Whether the session was finished.
    """

    listener: str
    headphones_right: int
    ratings: tuple[Rating, ...]
    preferences: tuple[Preference, ...] = ()
    complete: bool = True


def screening_reasons(session: Session) -> tuple[str, ...]:
    """Return why a session does not count; nothing where it does."""
    checks: Mapping[str, Sequence[Rating]] = {
        name: [each for each in session.ratings if each.condition == name]
        for name in ("attention", "gold")
    }
    rest = [each for each in session.ratings if each.condition not in checks]
    reasons = []
    if not session.complete:
        reasons.append("not finished")
    if session.headphones_right < HEADPHONES_RIGHT:
        reasons.append(f"headphone check {session.headphones_right} of {HEADPHONE_TRIALS} right")
    if any(each.score != ATTENTION_RATING for each in checks["attention"]):
        reasons.append("attention check failed")
    if any(each.score > GOLD_MOST for each in checks["gold"]):
        reasons.append("gold clip rated high")
    played = [each.played_s >= _PLAYED * each.duration_s for each in rest]
    if rest and sum(played) < _PLAYED_CLIPS * len(rest):
        reasons.append(f"only {sum(played)} of {len(rest)} clips listened to")
    if len(rest) >= _FEWEST_FOR_VARIETY and len({each.score for each in rest}) == 1:
        reasons.append("the same rating for everything")
    return tuple(reasons)
