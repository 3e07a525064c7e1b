"""Bars of three in every genre: grid, patterns, chords, form, layers, count-in and MIDI."""

from dataclasses import replace

import mido
import numpy as np
import pytest

from kinetune import genres
from kinetune.composer.compose import compose_piece
from kinetune.composer.options import ComposerOptions
from kinetune.composer.output.layers import automation, layer_groups, layered_piece
from kinetune.composer.output.midi import write_midi
from kinetune.composer.output.practice import count_times
from kinetune.composer.piece import PieceRequest
from kinetune.corpus.styles.style import style_of
from tests.composer.conftest import BPM, FIRST_S, SECONDS, dance, notes_of, piece, steady_grid

BEAT_S, BAR_S = 60.0 / BPM, 180.0 / BPM


def waltz_grid(seconds=SECONDS):
    return replace(steady_grid(seconds), metre=3)


def waltz(genre="house", **how):
    return piece(genre, grid=waltz_grid(), **how)


def on_beat(notes):
    """Number in the bar of each note that is near a beat."""
    beats = (np.array([note.start_s for note in notes]) - FIRST_S) / BEAT_S
    near = np.abs(beats - np.round(beats)) < 0.12
    return np.round(beats[near]).astype(int) % 3


@pytest.mark.parametrize("genre", genres.NAMES)
def test_bars_of_three_begin_with_the_kick_and_the_bass(genre):
    kicks, basses, snares = np.zeros(3), np.zeros(3), np.zeros(3)
    for seed in range(4):
        made = waltz(genre, seed=seed)
        np.testing.assert_allclose(np.diff(made.bars_s), BAR_S)
        for counts, role in ((kicks, "kick"), (basses, "bass"), (snares, "snare")):
            counts += np.bincount(on_beat(notes_of(made, role)), minlength=3)
    off_beat = genre in ("house",)
    assert kicks[0] >= kicks[1:].max()
    assert off_beat or basses[0] > basses[1:].max()
    # The backbeat is on the second or third beat.
    assert snares[1:].max() > snares[0]


def test_a_chord_a_bar_and_two_chords_as_two_beats_and_one():
    made = waltz(composer={"chords": "Am F,C"})
    times = [(round((c.start_s - FIRST_S) / BEAT_S, 3), c.symbol.name) for c in made.chords]
    # The first bar's chord sounds from the beginning on.
    assert times[0][1] == "Am"
    assert times[1:6] == [(3.0, "F"), (5.0, "C"), (6.0, "Am"), (9.0, "F"), (11.0, "C")]


def test_the_form_has_phrases_of_four_bars_of_three():
    seconds = 24 * BAR_S + FIRST_S
    made = piece(seconds=seconds, grid=waltz_grid(seconds))
    assert len(made.sections) > 1
    starts = [section.first_bar for section in made.sections]
    assert all((start - 1) % 4 == 0 for start in starts[1:])


def test_a_loop_is_whole_bars_of_three():
    made = waltz(loop=True)
    bars = made.duration_s * made.grid.bpm / 180.0
    assert bars == pytest.approx(round(bars))


def test_layers_are_called_bar_by_bar():
    options = ComposerOptions()
    full = layered_piece(PieceRequest(dance(), waltz_grid(), "house", 1, options))
    assert len(layer_groups(full, 4)) == 4
    made = waltz()
    for state in automation(made, 4):
        assert state.start_s == pytest.approx(max(0.0, made.bars_s[state.bar]), abs=1e-6)


def test_the_count_in_is_a_bar_of_three():
    made = waltz()
    assert len(count_times(made)) == 3
    assert np.diff(count_times(made)) == pytest.approx([BEAT_S, BEAT_S])


def test_midi_has_bars_of_three(tmp_path):
    path = tmp_path / "waltz.mid"
    write_midi(path, waltz())
    metres = [m for m in mido.MidiFile(path).tracks[0] if m.type == "time_signature"]
    assert (metres[-1].numerator, metres[-1].denominator) == (3, 4)


def test_a_dance_in_four_is_played_as_before():
    request = PieceRequest(dance(), steady_grid(), "krump", 5, ComposerOptions())
    assert compose_piece(request).grid.metre == 4
    assert style_of("KR").in_metre(4) is style_of("KR")
