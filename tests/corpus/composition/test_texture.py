"""Beds under bars without harmony, and soft hats between those that are struck."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune import genres
from kinetune.corpus.composition.songs import draw_song
from kinetune.corpus.composition.texture import BED, bed, bed_part, needs_bed, soft_hats
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.synthesis import NoteSpec
from kinetune.corpus.styles.style import style_of
from tests.corpus.composition.test_arranger import STEP_S, bar

START_S = 2.0


def song(**changes):
    made = draw_song(np.random.default_rng(2), style_of("HO"), 120.0)
    return replace(made, **({"swing": 0.0} | changes))


def test_a_bed_holds_the_chords_of_its_bar_for_their_length():
    made = song()
    notes = bed(made, bar(1), START_S, STEP_S)
    starts = sorted({note.start_s for note in notes})
    assert starts == pytest.approx([2.0, 3.0])
    assert {note.part for note in notes} == {BED}
    for start_s, chord in zip(starts, bar(1).chords, strict=True):
        pitches = [note.pitch for note in notes if note.start_s == start_s]
        assert {int(pitch - made.key - chord.root) % 12 for pitch in pitches} == {0, 4, 7}
    assert all(note.duration_s == pytest.approx(0.98) for note in notes)
    assert all(note.bar == 1 for note in notes)


@pytest.mark.parametrize(
    ("spans", "needed"),
    [
        ([], True),
        ([(2.0, 2.9), (2.1, 2.8), (3.0, 3.5)], True),
        ([(1.0, 2.9), (2.5, 3.5), (3.4, 9.0)], False),
        ([(2.0, 3.5)], False),
    ],
)
def test_bars_whose_harmony_covers_less_than_three_quarters_need_a_bed(spans, needed):
    assert needs_bed(spans, 2.0, 2.0) is needed


def test_a_bed_is_played_by_an_instrument_that_sustains():
    for code in genres.CODES:
        part = bed_part(code, 3)
        wave = INSTRUMENTS[part.instrument](NoteSpec(220.0, 2.0, 0.6, 22_050, part.timbre))
        early, late = (np.square(wave[round(t * 22_050) :][:4410]).mean() for t in (0.5, 1.6))
        assert late > 0.25 * early


@pytest.mark.parametrize(("energy", "steps"), [(0.3, 2), (0.8, 1)])
def test_soft_hats_are_eighths_in_calm_bars_and_sixteenths_in_strong_ones(energy, steps):
    calm = bar(energy=(energy,) * 4)
    notes = soft_hats(song(), calm, START_S, STEP_S, [START_S + 4 * STEP_S])
    wanted = [START_S + STEP_S * step for step in range(0, 16, steps) if step != 4]
    assert [note.start_s for note in notes] == pytest.approx(wanted)
    assert max(note.velocity for note in notes) == pytest.approx(0.5 * calm.velocity(0))


def test_soft_hats_swing_rest_with_the_body_and_before_a_stop():
    still = bar(energy=(0.9, 0.9, 0.1, 0.9), ending="stop", end=12)
    notes = soft_hats(song(swing=0.3), still, 0.0, 1.0, [100.0])
    assert [note.start_s for note in notes] == pytest.approx(
        [0.0, 1.3, 2.0, 3.3, 4.0, 5.3, 6.0, 7.3]
    )


def test_hats_that_rest_stay_silent():
    assert soft_hats(song(), bar(), START_S, STEP_S, []) == []
