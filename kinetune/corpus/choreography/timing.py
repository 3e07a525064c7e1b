"""When a genre's dancers are on the beat, and how late: as measured on labelled real dances.

``timing.toml`` holds a table a genre, fitted by ``benchmarks/event_lags.py --fit``, so that rests,
landings and lowest points of choreographed dances lie where those of the labelled dances do
(docs/event-lags.md has both tables). Seconds after the beat; negative is early.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kinetune import config, genres

TIMING = Path(__file__).parent / "timing.toml"


@dataclass(frozen=True)
class Timing:
    """How a genre's dancers keep time.

    Attributes:
        arms_s: How late arms, trunk and head arrive.
        feet_s: How late feet arrive.
        bounce_s: How late hips and knees bend.
        looseness: How much more of the body dances off the beat than usual, -1 to 1.
    """

    arms_s: float = 0.0
    feet_s: float = 0.0
    bounce_s: float = 0.0
    looseness: float = 0.0


@cache
def read_timing(path: Path = TIMING) -> dict[str, Timing]:
    """Return the timing of every genre by code.

    Raises:
        ConfigError: The file can't be read, a genre is unknown, or an entry is malformed.
    """
    return {
        genres.genre_code(name): config.build(Timing, table, context=f"{path.name} {name}")
        for name, table in config.read_toml(path).items()
    }


def timing_of(code: str) -> Timing:
    """Return the timing of a genre; one that isn't in the table dances on the beat."""
    return read_timing().get(code, Timing())
