"""Rhythms, chords, voicings, bass notes and tunes by their notation."""

import numpy as np
import pytest

from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.grammar import Chord, Hit
from kinetune.errors import ConfigError

MINOR_SEVENTH = Chord(0, (0, 3, 7, 10))
C = 0


def test_a_rhythm_is_hits_with_levels_and_lengths():
    hits = grammar.read_rhythm("X==-x-o-r-------", np.random.default_rng(0))
    assert hits == [Hit(0, 1.0, 3, "X"), Hit(4, 0.8, 1, "x"), Hit(6, 0.55, 1, "o"),
                    Hit(8, 0.6, 1, "r")]  # fmt: skip


def test_ghost_notes_are_played_three_times_in_five():
    rng = np.random.default_rng(0)
    counts = [len(grammar.read_rhythm(".---------------", rng)) for _ in range(2000)]
    assert np.mean(counts) == pytest.approx(0.6, abs=0.04)


def test_a_bass_rhythm_is_degrees_louder_on_beats():
    assert grammar.read_bass("1==8a-----------") == [
        Hit(0, 1.0, 3, "1"), Hit(3, 0.85, 1, "8"), Hit(4, 1.0, 1, "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "pitch"), [("1", 36), ("3", 39), ("5", 43), ("7", 46), ("8", 48)]
)
def test_bass_degrees_are_chord_tones_over_the_root(symbol, pitch):
    assert grammar.bass_pitch(C, MINOR_SEVENTH, symbol, MINOR_SEVENTH, 36) == pitch


def test_an_approach_is_a_semitone_below_the_next_root():
    following = Chord(5, (0, 4, 7))
    assert grammar.bass_pitch(C, MINOR_SEVENTH, "a", following, 36) == 41 - 1


def test_the_bass_moves_with_key_and_root():
    assert grammar.bass_pitch(2, Chord(7, (0, 4, 7)), "1", MINOR_SEVENTH, 33) == 33


def test_a_rootless_voicing_leaves_the_root_of_four_part_chords_out():
    full = grammar.voicing(C, MINOR_SEVENTH, 60)
    rootless = grammar.voicing(C, MINOR_SEVENTH, 60, rootless=True)
    assert {p % 12 for p in full} == {0, 3, 7, 10}
    assert {p % 12 for p in rootless} == {3, 7, 10}
    triad = grammar.voicing(C, Chord(0, (0, 4, 7)), 60, rootless=True)
    assert {p % 12 for p in triad} == {0, 4, 7}
    assert abs(np.mean(full) - 60) <= 6


@pytest.mark.parametrize(("pitch", "settled"), [(60, 60), (61, 60), (62, 63), (66, 67), (69, 70)])
def test_a_tune_settles_on_the_nearest_chord_tone(pitch, settled):
    assert grammar.nearest_chord_tone(pitch, C, MINOR_SEVENTH) == settled


def test_a_tune_stays_in_its_scale_and_its_two_bars():
    for seed in range(20):
        tune = grammar.draw_hook(np.random.default_rng(seed), 2, "dorian", 72, density=0.5)
        assert {(pitch - 2) % 12 for _, _, pitch in tune} <= set(grammar.SCALES["dorian"])
        assert all(0 <= step < 32 and 1 <= steps <= 6 for step, steps, _ in tune)
        assert all(60 < pitch < 87 for _, _, pitch in tune)
        # The second bar has the rhythm of the first.
        assert [s for s, *_ in tune if s < 16] == [s - 16 for s, *_ in tune if s >= 16]


def test_a_dense_tune_has_more_notes():
    sparse, dense = (
        np.mean([len(grammar.draw_hook(np.random.default_rng(s), 0, "major", 72, density=d))
                 for s in range(60)])
        for d in (0.0, 1.0)
    )  # fmt: skip
    assert dense > 1.8 * sparse


@pytest.mark.parametrize("text", ["IX:m7", "I:maj", "I,H"])
def test_an_unknown_chord_is_named(text):
    with pytest.raises(ConfigError, match="unknown"):
        grammar.read_progression(text)
