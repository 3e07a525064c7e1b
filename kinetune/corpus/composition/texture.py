"""What keeps a bar from falling silent: a bed where there is no harmony, and soft hats.

Records have neither holes nor bars of kick and snare alone; the corpus' arrangements, thinned out
by the dancer's energy, have both. Everything follows from the song and the bar, so a bar that is
regenerated does not change its neighbours. Seconds, steps of a quarter of a beat.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import Bar
from kinetune.corpus.composition.music_score import Note, Part
from kinetune.corpus.composition.songs import Song
from kinetune.corpus.rendering.synthesis import Timbre

#: Name of the part that plays beds.
BED = "bed"
# What plays them, by genre; elsewhere a synthesiser's pad.
_BED_INSTRUMENTS = {
    "BR": "drawbar_organ", "LO": "drawbar_organ", "WA": "string_section",
    "JB": "string_section", "JS": "string_section",
}  # fmt: skip
_BED_TIMBRE = Timbre(bright=0.45, decay=0.2, color=0.3, drive=0.1, tune=0.8)
_BED_GAIN, _BED_REVERB_SEND = 0.4, 0.35
_BED_PITCH, _BED_LEVEL = 58, 0.75
# Share of a chord's length that it is held; bars whose harmony sounds for less than a share of
# their length get a bed.
_BED_LENGTH, _BED_BELOW = 0.98, 0.75
# Levels of soft hats on even and odd steps; odd ones are played from this energy of a bar on.
_EIGHTH_LEVEL, _SIXTEENTH_LEVEL, _SIXTEENTHS_FROM = 0.5, 0.35, 0.5


def bed_part(genre: str, seed: int) -> Part:
    """Return the part that plays beds.

    Args:
        genre: Two-letter code.
        seed: Of its timbre.
    """
    instrument = _BED_INSTRUMENTS.get(genre, "pad")
    timbre = replace(_BED_TIMBRE, seed=seed % 97)
    return Part(BED, instrument, timbre, _BED_GAIN, 0.0, _BED_REVERB_SEND, ducked=True)


def needs_bed(spans_s: Iterable[tuple[float, float]], start_s: float, length_s: float) -> bool:
    """Return whether notes leave a bar empty for long.

    Args:
        spans_s: Starts and ends of the notes that carry its harmony.
        start_s: Where it begins.
        length_s: Its length.
    """
    covered, reached = 0.0, start_s
    for begin, end in sorted(spans_s):
        end = min(end, start_s + length_s)
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered < _BED_BELOW * length_s


def bed(song: Song, bar: Bar, start_s: float, step_s: float) -> list[Note]:
    """Return held chords for a bar.

    Args:
        song: The song.
        bar: The bar.
        start_s: Where it begins.
        step_s: Length of a step.
    """
    steps = bar.steps / len(bar.chords)
    notes = []
    for index, chord in enumerate(bar.chords):
        step = index * steps
        pitches = grammar.voicing(song.key, chord, _BED_PITCH)
        velocity = float(_BED_LEVEL * bar.velocity(step) / np.sqrt(len(pitches)))
        begin_s, length_s = start_s + step * step_s, _BED_LENGTH * steps * step_s
        notes += [Note(BED, begin_s, length_s, p, velocity, bar.index) for p in pitches]
    return notes


def soft_hats(
    song: Song, bar: Bar, start_s: float, step_s: float, played_s: Collection[float]
) -> list[Note]:
    """Return soft strokes on the steps of a bar where no hat is struck; none where the body rests.

    Args:
        song: The song; its hat plays.
        bar: The bar.
        start_s: Where it begins.
        step_s: Length of a step.
        played_s: When its hats are struck; none means that they rest.
    """
    if not played_s:
        return []
    played = np.array(list(played_s))
    end = bar.end if bar.ending == "stop" else bar.steps
    notes = []
    for step in range(0, end, 1 if bar.mean >= _SIXTEENTHS_FROM else 2):
        at_s = start_s + step_s * (step + song.swing * (step % 2))
        if bar.is_still(step) or np.abs(played - at_s).min() < 0.6 * step_s:
            continue
        level = _SIXTEENTH_LEVEL if step % 2 else _EIGHTH_LEVEL
        velocity = level * bar.velocity(step)
        notes.append(Note("hat", at_s, step_s, 60.0, velocity, bar.index))
    return notes
