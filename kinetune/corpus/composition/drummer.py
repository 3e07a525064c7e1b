"""Drum parts: grooves, fills, build-ups, and accents on sudden moves."""

import numpy as np

from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import Bar, NoteWriter
from kinetune.corpus.composition.grammar import STEPS_A_BEAT
from kinetune.corpus.composition.songs import PHRASE_BARS

# A bar's mean energy up to which a drum is silent.
_MIN_ENERGY = {"layer": 0.3, "hat": 0.14, "open_hat": 0.28}
# A beat this much stronger than the one before gets a crash, every other bar at most.
_HIT_RISE = 0.25
_CRASH_BARS = 2
# Half-beats with a greater impact get an accent, the strongest of a bar first.
_MIN_IMPACT, _ACCENTS_A_BAR = 0.8, 2
# Pitch of drums without one, and of the deep drop.
_UNPITCHED, _DROP_PITCH = 60.0, 36.0
# How often the kick plays the other section's rhythm.
_SWAP_PROBABILITY = 0.2


def write_drums(writer: NoteWriter, bar: Bar, resting: frozenset[str]) -> None:
    """Write the groove of a bar, without the parts that rest, and how it ends."""
    song = writer.song
    swapped = int(writer.rng.random() < _SWAP_PROBABILITY)
    busy = int(bar.mean > 0.5)
    grooves = {
        "kick": song.kick[bar.section ^ swapped],
        "snare": song.snare,
        "layer": song.snare.replace(".", "-"),
        "hat": song.hat[busy],
        "open_hat": song.open_hat,
    }
    for part, rhythm in grooves.items():
        if part not in resting:
            _write_groove(writer, bar, part, rhythm)
    if bar.ending == "build":
        _write_build(writer, bar)
    elif bar.ending:
        _write_fill(writer, bar)


def _write_groove(writer: NoteWriter, bar: Bar, part: str, rhythm: str) -> None:
    if part not in writer.song.parts or bar.mean <= _MIN_ENERGY.get(part, 0.0):
        return
    hits = writer.filter_hits(part, bar, grammar.read_rhythm(rhythm, writer.rng))
    write_hits(writer, bar, part, [hit for hit in hits if hit.step < bar.end], _UNPITCHED)


def write_hits(
    writer: NoteWriter, bar: Bar, part: str, hits: list[grammar.Hit], pitch: float
) -> None:
    """Write the hits of a drum."""
    for hit in hits:
        # A roll is three hits, half a step apart.
        for stroke in range(3 if hit.symbol == "r" else 1):
            writer.write(
                part, bar, hit.step + 0.5 * stroke, 1, pitch, hit.level * bar.velocity(hit.step)
            )


def _write_fill(writer: NoteWriter, bar: Bar) -> None:
    part = "tom" if writer.rng.random() < 0.5 else "snare"
    steps = range(bar.end, bar.steps)
    for count, step in enumerate(steps):
        if step % STEPS_A_BEAT and writer.rng.random() > 0.75:
            continue
        rise = 0.6 + 0.4 * (count + 1) / len(steps)
        pitch = 50.0 - 8.0 * count / len(steps)
        writer.write(part, bar, step, 1, pitch, rise * bar.velocity(step))
        if step % STEPS_A_BEAT == 0:
            writer.write("kick", bar, step, 1, _UNPITCHED, 0.8 * bar.velocity(step))


def _write_build(writer: NoteWriter, bar: Bar) -> None:
    """A roll that grows louder and denser towards the next bar."""
    length = bar.steps - bar.end
    for step in range(bar.end, bar.steps):
        done = (step - bar.end + 1) / length
        beat = step % STEPS_A_BEAT == 0
        if beat:
            writer.write("kick", bar, step, 1, _UNPITCHED, 0.9 * bar.velocity(step))
        if done > 0.4 or step % 2 == 0:
            writer.write("snare", bar, step, 1, _UNPITCHED, (0.35 + 0.5 * done + 0.15 * beat))
    if "riser" in writer.song.parts:
        writer.write("riser", bar, bar.end, length, _UNPITCHED, 0.5 + 0.4 * bar.mean)


def write_accents(writer: NoteWriter, bar: Bar, previous_energy: float) -> None:
    """Write crashes where energy leaps or a strong phrase opens, and accents on sudden moves.

    Args:
        writer: Where the notes go.
        bar: The bar.
        previous_energy: Energy of the beat before it.
    """
    leaps = np.diff(np.append(previous_energy, bar.energy))
    opens = bar.phrase % PHRASE_BARS == 0 and bar.energy[0] > 0.4 and writer.rng.random() < 0.6
    strongest = int(np.argmax(leaps))
    if leaps[strongest] > _HIT_RISE:
        _write_crash(
            writer,
            bar,
            strongest * STEPS_A_BEAT,
            crash=bar.index - writer.last_crash_bar >= _CRASH_BARS,
        )
    elif opens:
        _write_crash(writer, bar, 0, crash=bar.index - writer.last_crash_bar >= _CRASH_BARS)
    for half in np.argsort(-bar.impacts, kind="stable")[:_ACCENTS_A_BAR]:
        step = int(half) * STEPS_A_BEAT // 2
        if bar.impacts[half] > _MIN_IMPACT and step < bar.end and not bar.is_still(step):
            _write_accent(writer, bar, step)


def _write_crash(writer: NoteWriter, bar: Bar, step: int, *, crash: bool) -> None:
    """A crash if requested, a kick, and the deep drop of styles that have one."""
    if crash:
        writer.last_crash_bar = bar.index
        writer.write("crash", bar, step, 4, _UNPITCHED, 0.9 * bar.velocity(step))
    writer.write("kick", bar, step, 1, _UNPITCHED, bar.velocity(step))
    if "drop" in writer.song.parts:
        writer.write("drop", bar, step, 4, _DROP_PITCH, bar.velocity(step))


def _write_accent(writer: NoteWriter, bar: Bar, step: int) -> None:
    """A short chord and a drum at one step."""
    velocity = 0.3 + 0.7 * bar.velocity(step)
    drum = "snare" if step % 8 == STEPS_A_BEAT else "kick"
    writer.write(drum, bar, step, 1, _UNPITCHED, velocity)
    if "accent" in writer.song.parts:
        pitches = grammar.voicing(writer.song.key, bar.chord_at(step), 64.0)
        for pitch in pitches:
            writer.write("accent", bar, step, 1.5, pitch, velocity / np.sqrt(len(pitches)))
