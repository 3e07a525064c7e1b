"""Attributes of pieces written by hand, whose attributes are known."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import DanceProfile, Mix, Note
from kinetune.corpus.prompts.attributes import (
    PlayedMusic,
    PlayedPart,
    attributes_of,
    instrument_share,
    is_minor,
    measure,
    played_score,
    treble_db,
)
from kinetune.corpus.prompts.vocabulary import attribute

MIX = Mix(0.0, 1.0, 0.2, 0.1, 0.1, 0.0, 0, tone_db=(0.0,) * 6)
PIANO = attribute("instrument:piano")


def notes(part, bars, pitch=60, a_bar=4):
    return tuple(
        Note(part, 2.0 * bar + 2.0 * k / a_bar, 0.3, pitch, 0.8, bar)
        for bar in bars for k in range(a_bar)
    )  # fmt: skip


def music(parts, **changes):
    plain = PlayedMusic("HO", 120.0, 20.0, 10, 9, ((9, (0, 4, 9)),), tuple(parts), MIX, 0.1, 0.5)
    return replace(plain, **changes)


def piano(bars):
    return PlayedPart("chord", "grand_piano", notes("line0", bars))


def test_an_instrument_plays_where_it_begins_a_note_in_enough_bars():
    assert instrument_share(music([piano([0, 1, 2])]), PIANO) == pytest.approx(0.3)
    assert "instrument:piano" in attributes_of(music([piano([0, 1])]))
    assert "instrument:piano" not in attributes_of(music([piano([0])]))


def test_accents_give_a_piece_no_instrument_but_are_counted_on_request():
    accents = music([PlayedPart("accent", "grand_piano", notes("accent", range(10)))])
    assert "instrument:piano" not in attributes_of(accents)
    assert instrument_share(accents, PIANO, effects=True) == 1.0


def test_a_part_may_be_an_instrument_whatever_plays_it():
    made = attributes_of(music([PlayedPart("kick", "real_kick", notes("kick", range(10)))]))
    assert {"instrument:drums", "instrument:kick", "kit:acoustic"} <= set(made)
    assert "kit:machine" in attributes_of(
        music([PlayedPart("kick", "kick_808", notes("kick", range(10)))])
    )


def test_the_kind_of_bass_is_that_of_its_instrument():
    made = attributes_of(music([PlayedPart("bass", "rubber_bass", notes("bass", range(10)))]))
    assert [name for name in made if name.startswith("bass")] == ["bass:rubber"]


def test_notes_of_a_chord_begin_together_and_the_hat_is_not_counted():
    chord = PlayedPart("chord", "grand_piano", notes("line0", range(10)) * 3)
    hat = PlayedPart("hat", "hat", notes("hat", range(10), a_bar=16))
    # Four onsets in two seconds.
    assert measure(music([chord, hat]), "density") == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bpm": 70.0}, "tempo:slow"),
        ({"bpm": 130.0}, "tempo:fast"),
        ({"energy": 0.2}, "energy:calm"),
        ({"energy": 0.9}, "energy:energetic"),
        ({"swing": 0.0}, "feel:straight"),
        ({"swing": 0.3}, "feel:swing"),
        ({"mix": replace(MIX, reverb=0.05)}, "space:dry"),
        ({"mix": replace(MIX, reverb=0.4)}, "space:wet"),
        ({"mix": replace(MIX, tone_db=(5.0, 5.0, 0.0, 0.0, -5.0, -5.0))}, "tone:dark"),
        ({"mix": replace(MIX, tilt_db=6.0)}, "tone:bright"),
        ({"chords": ((9, (1, 4, 9)),)}, "mode:major"),
    ],
)
def test_scalar_axes_have_a_value_at_either_end_only(changes, expected):
    axis = expected.split(":")[0]
    middle = [name for name in attributes_of(music([])) if name.startswith(f"{axis}:")]
    assert middle == (["mode:minor"] if axis == "mode" else [])
    assert expected in attributes_of(music([], **changes))


def test_treble_over_bass_counts_tilt_and_tone():
    mix = replace(MIX, tilt_db=1.0, tone_db=(2.0, 4.0, 9.0, 9.0, -1.0, -3.0))
    assert treble_db(mix) == pytest.approx(1.0 - 2.0 - 3.0)


@pytest.mark.parametrize(
    ("chords", "minor"),
    [
        # A minor, and A minor with one A major.
        ([(9, (0, 4, 9))], True),
        ([(9, (0, 4, 9)), (9, (0, 4, 9)), (9, (1, 4, 9))], True),
        ([(9, (1, 4, 9))], False),
        # No chord on the tonic: D minor and E minor over A, then D and E major.
        ([(2, (2, 5, 9)), (4, (4, 7, 11))], True),
        ([(2, (2, 6, 9)), (4, (4, 8, 11))], False),
    ],
)
def test_mode_follows_the_chords_on_the_tonic_else_the_scale(chords, minor):
    assert is_minor(9, chords) is minor


def test_attributes_of_a_composed_score():
    energy = np.full(40, 0.2)
    score = compose(DanceProfile("HO", 120.0, 20.0, 0.0, energy), 5)
    made = attributes_of(played_score(score))
    assert {"genre:house", "energy:calm", "instrument:bass"} <= set(made)
    bass = next(part.instrument for part in score.parts if part.name == "bass")
    assert [bass in attribute(name).instruments for name in made if name.startswith("bass:")] == [
        True
    ]
    assert 0.0 <= score.swing <= 0.25
