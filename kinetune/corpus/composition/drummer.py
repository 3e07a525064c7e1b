"""The drummer: grooves, fills, build-ups, and hits on what the dancer does suddenly."""

import numpy as np

from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import STEPS_A_BEAT, Bar, Page
from kinetune.corpus.composition.songs import PHRASE_BARS

# Energy below which a drum keeps silent.
_NEEDS = {"layer": 0.3, "hat": 0.14, "open": 0.28}
# A beat this much stronger than the one before is hit, with a crash every other bar at most.
_HIT_RISE = 0.25
_CRASH_BARS = 2
# Half-beats this sudden are hit, the strongest of a bar first.
_SUDDEN, _HITS_A_BAR = 0.8, 2
_MIDDLE = 60.0


def play_drums(page: Page, bar: Bar, resting: set[str]) -> None:
    """Write the groove of a bar, without the parts that rest, and how it ends."""
    song = page.song
    # One bar in five the kick turns to its other figure.
    turned = int(page.rng.random() < 0.2)
    busy = int(bar.mean > 0.5)
    grooves = {
        "kick": song.kick[bar.section ^ turned],
        "snare": song.snare,
        "layer": song.snare.replace(".", "-"),
        "hat": song.hat[busy],
        "open": song.opened,
    }
    for part, pattern in grooves.items():
        if part not in resting:
            _groove(page, bar, part, pattern)
    if bar.ending == "build":
        _build(page, bar)
    elif bar.ending:
        _fill(page, bar)


def _groove(page: Page, bar: Bar, part: str, pattern: str) -> None:
    if part not in page.song.parts or bar.mean <= _NEEDS.get(part, 0.0):
        return
    hits = page.kept(part, bar, grammar.read_pattern(pattern, page.rng))
    play_hits(page, bar, part, [hit for hit in hits if hit.step < bar.end], _MIDDLE)


def play_hits(page: Page, bar: Bar, part: str, hits: list[grammar.Hit], pitch: float) -> None:
    """Write the strokes of a drum."""
    for hit in hits:
        # A roll is three strokes in the room of one and a half.
        for stroke in range(3 if hit.symbol == "r" else 1):
            page.put(part, bar, hit.step + 0.5 * stroke, 1, pitch, hit.level * bar.force(hit.step))


def _fill(page: Page, bar: Bar) -> None:
    part = "tom" if page.rng.random() < 0.5 else "snare"
    steps = range(bar.end, grammar.STEPS_IN_BAR)
    for count, step in enumerate(steps):
        if step % STEPS_A_BEAT and page.rng.random() > 0.75:
            continue
        rise = 0.6 + 0.4 * (count + 1) / len(steps)
        pitch = 50.0 - 8.0 * count / len(steps)
        page.put(part, bar, step, 1, pitch, rise * bar.force(step))
        if step % STEPS_A_BEAT == 0:
            page.put("kick", bar, step, 1, _MIDDLE, 0.8 * bar.force(step))


def _build(page: Page, bar: Bar) -> None:
    """A roll that grows and quickens into the next bar."""
    length = grammar.STEPS_IN_BAR - bar.end
    for step in range(bar.end, grammar.STEPS_IN_BAR):
        done = (step - bar.end + 1) / length
        beat = step % STEPS_A_BEAT == 0
        if beat:
            page.put("kick", bar, step, 1, _MIDDLE, 0.9 * bar.force(step))
        if done > 0.4 or step % 2 == 0:
            page.put("snare", bar, step, 1, _MIDDLE, (0.35 + 0.5 * done + 0.15 * beat))
    if "riser" in page.song.parts:
        page.put("riser", bar, bar.end, length, _MIDDLE, 0.5 + 0.4 * bar.mean)


def play_hits_of_dance(page: Page, bar: Bar, before: float) -> None:
    """Write crashes where energy leaps or a strong phrase opens, and hits on sudden moves.

    Args:
        page: The page.
        bar: The bar.
        before: Energy of the beat before it.
    """
    leaps = np.diff(np.append(before, bar.energy))
    opens = bar.phrase % PHRASE_BARS == 0 and bar.energy[0] > 0.4 and page.rng.random() < 0.6
    strongest = int(np.argmax(leaps))
    if leaps[strongest] > _HIT_RISE:
        _crash(page, bar, strongest * STEPS_A_BEAT, crash=bar.index - page.crashed >= _CRASH_BARS)
    elif opens:
        _crash(page, bar, 0, crash=bar.index - page.crashed >= _CRASH_BARS)
    for half in np.argsort(-bar.sudden, kind="stable")[:_HITS_A_BAR]:
        step = int(half) * STEPS_A_BEAT // 2
        if bar.sudden[half] > _SUDDEN and step < bar.end and not bar.is_still(step):
            _hit(page, bar, step)


def _crash(page: Page, bar: Bar, step: int, *, crash: bool) -> None:
    """A crash, unless the last still rings; a kick, and the deep drop of styles that have one."""
    if crash:
        page.crashed = bar.index
        page.put("crash", bar, step, 4, _MIDDLE, 0.9 * bar.force(step))
    page.put("kick", bar, step, 1, _MIDDLE, bar.force(step))
    if "boom" in page.song.parts:
        page.put("boom", bar, step, 4, 36.0, bar.force(step))


def _hit(page: Page, bar: Bar, step: int) -> None:
    """A short chord and a drum on one moment of the dance."""
    force = 0.3 + 0.7 * bar.force(step)
    drum = "snare" if step % 8 == STEPS_A_BEAT else "kick"
    page.put(drum, bar, step, 1, _MIDDLE, force)
    if "accent" in page.song.parts:
        pitches = grammar.voicing(page.song.key, bar.chord_at(step), 64.0)
        for pitch in pitches:
            page.put("accent", bar, step, 1.5, pitch, force / np.sqrt(len(pitches)))
