"""When bodies rest, turn and land against the beat: labelled dances and choreographed ones.

    python benchmarks/event_lags.py [--dances 24] [--fit kinetune/corpus/choreography/timing.toml]

Prints two Markdown tables, by genre and kind of event (kinetune/motion/beats/event_lags.py): the
weighted median of the lag after the nearest beat and its quartiles in ms, and the share of events
within 70 ms of a beat with what chance would give. First the 119 labelled dances whose beats are
known, then choreographed ones of the same tempi; then how far the medians of the two are apart.

``--fit`` writes the choreographer's timing: each genre's lags of arms, feet and bounce are moved
until the medians meet, its looseness until as many rests of the arms are on the beat.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np

from kinetune import files, genres
from kinetune.corpus.choreography import choreographer
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.corpus.choreography.timing import Timing, timing_of
from kinetune.motion.beats.event_lags import EVENT_KINDS, EventLags, event_lags, pooled

FIRST_SEED = 8_100_000
FPS = 30.0
BEATS = 16
ROUNDS, STEP = 8, 0.6
# With so many labelled dances a genre counts as much as all genres together.
FEW_DANCES = 4
# Longest lag that the choreographer takes, seconds: limbs that are farther apart leave no beat.
MOST_S = 0.06
HEAD = """# How late a genre's dancers are after the beat, seconds (negative: early), and how much
# more of the body dances off the beat than usual. Written by:
# python benchmarks/event_lags.py --fit FILE
"""
Table = dict[str, EventLags]


def main() -> None:
    """Print the tables, and fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=24, help="choreographed dances of each genre")
    parser.add_argument("--fit", type=Path)
    options = parser.parse_args()
    real = of_labelled_dances()
    timing = {code: timing_of(code) for code in genres.CODES}
    if options.fit:
        counts = Counter(dance.genre for dance in labelled_dances() if dance.downbeat_s is not None)
        overall = joined(real.values())
        for code in genres.CODES:
            share = counts[code] / (counts[code] + FEW_DANCES)
            goal = {
                kind: share * real[code][kind].median_s + (1.0 - share) * overall[kind].median_s
                for kind in EVENT_KINDS
            }
            timing[code] = fitted(code, real[code], goal, options.dances)
        files.write_text(options.fit, HEAD + "".join(toml_of(*item) for item in timing.items()))
    made = {code: of_choreography(code, timing[code], options.dances) for code in genres.CODES}
    print_table("labelled dances", real)
    print_table("choreographed dances", made)
    print_difference(real, made)


def of_labelled_dances() -> dict[str, Table]:
    """Lags of the labelled dances by genre."""
    each = defaultdict(list)
    for dance in labelled_dances():
        if dance.downbeat_s is not None:
            each[dance.genre].append(event_lags(dance.clip, dance.beats_s))
    return {code: joined(each[code]) for code in genres.CODES}


def of_choreography(code: str, timing: Timing, dances: int) -> Table:
    """Lags of choreographed dances of a genre, its tempi in turn."""
    low, high = genres.TEMPO_RANGE_BPM[code]
    each = []
    with mock.patch.object(choreographer, "timing_of", return_value=timing):
        for number in range(dances):
            bpm = low + (high - low) * (number + 0.5) / dances
            request = DanceRequest(code, bpm, BEATS * 60.0 / bpm, first_beat_s=0.0, fps=FPS)
            dance = choreograph(FIRST_SEED + number, request)
            each.append(event_lags(dance.clip, dance.beats_s))
    return joined(each)


def joined(tables: Iterable[Table]) -> Table:
    """All events of several dances."""
    tables = list(tables)
    return {kind: pooled(table[kind] for table in tables) for kind in EVENT_KINDS}


def fitted(code: str, real: Table, goal: dict[str, float], dances: int) -> Timing:
    """The timing with which the medians of choreographed dances are nearest to the real ones.

    A genre with few labelled dances is taken to be partly like all of them.
    """
    timing = timing_of(code)
    tried = []
    for _ in range(ROUNDS):
        made = of_choreography(code, timing, dances)
        miss = {kind: goal[kind] - made[kind].median_s for kind in EVENT_KINDS}
        tried.append((sum(abs(miss[kind]) for kind in EVENT_KINDS), timing))
        surplus = [
            table["rests of arms"].on_beat - table["rests of arms"].on_beat_by_chance
            for table in (made, real)
        ]
        timing = replace(
            timing,
            arms_s=moved(timing.arms_s, miss["rests of arms"]),
            feet_s=moved(timing.feet_s, 0.5 * (miss["landings"] + miss["rests of legs"])),
            bounce_s=moved(timing.bounce_s, miss["sinks"]),
            looseness=float(np.clip(timing.looseness + surplus[0] - surplus[1], -0.4, 0.4)),
        )
    return min(tried, key=lambda pair: pair[0])[1]


def moved(lag_s: float, miss_s: float) -> float:
    """A lag, corrected by a part of what is missing."""
    return float(np.clip(lag_s + STEP * miss_s, -MOST_S, MOST_S))


def toml_of(code: str, timing: Timing) -> str:
    """A genre's table."""
    rows = "".join(f"{key} = {value:.3f}\n" for key, value in asdict(timing).items())
    return f"\n[{genres.genre_name(code)}]\n{rows}"


def print_table(title: str, tables: dict[str, Table]) -> None:
    """Print medians, quartiles and shares."""
    print(f"\n| {title} | " + " | ".join(EVENT_KINDS) + " |")
    print("|---" * (len(EVENT_KINDS) + 1) + "|")
    for code, table in {"all": joined(tables.values()), **tables}.items():
        name = code if code == "all" else genres.genre_name(code)
        print(f"| {name} | " + " | ".join(cell(table[kind]) for kind in EVENT_KINDS) + " |")


def cell(lags: EventLags) -> str:
    """Median, quartiles, share on the beat and by chance."""
    low, high = (1e3 * quartile for quartile in lags.quartiles_s)
    return (
        f"{1e3 * lags.median_s:+.0f} ({low:+.0f} to {high:+.0f}) ms, "
        f"{lags.on_beat:.0%} ({lags.on_beat_by_chance:.0%})"
    )


def print_difference(real: dict[str, Table], made: dict[str, Table]) -> None:
    """Print how far the medians are apart."""
    print("\n| choreographed minus labelled, median | " + " | ".join(EVENT_KINDS) + " |")
    print("|---" * (len(EVENT_KINDS) + 1) + "|")
    apart = []
    for code in genres.CODES:
        row = [1e3 * (made[code][k].median_s - real[code][k].median_s) for k in EVENT_KINDS]
        apart += row
        cells = " | ".join(f"{value:+.0f} ms" for value in row)
        print(f"| {genres.genre_name(code)} | {cells} |")
    near = np.mean(np.abs(apart) <= 20.0)
    print(f"\nwithin 20 ms: {near:.0%} of {len(apart)}; median {np.median(np.abs(apart)):.0f} ms")


if __name__ == "__main__":
    main()
