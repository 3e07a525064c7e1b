"""Pieces: on the dance's own beats, in the user's harmony, changed only where asked, well ended."""

import numpy as np
import pytest

from kinetune.composer.form import Section, plan_form
from kinetune.composer.options import Take, parse_take
from kinetune.corpus.composition import grammar
from kinetune.errors import ConfigError, MotionError
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.conditioning.control_score import Accent, ControlScore, Silence
from kinetune.model.conditioning.control_score import Section as Stretch
from kinetune.motion.beats.beat_grid import fixed_grid, grid_of_beats
from tests.composer.conftest import FIRST_S, SECONDS, notes_of, piece, steady_grid


def drifting_grid():
    """From 108 to 132 bpm over the dance."""
    periods = np.linspace(60 / 108, 60 / 132, 80)
    beats = 0.4 + np.concatenate([[0.0], np.cumsum(periods)])
    return grid_of_beats(beats[beats < SECONDS], SECONDS)


def test_the_same_request_makes_the_same_notes():
    first, second = piece(), piece()
    assert notes_of(first) == notes_of(second)
    assert notes_of(first) != notes_of(piece(seed=2))


def test_notes_are_on_the_beats_of_a_drifting_grid():
    grid = drifting_grid()
    made = piece(grid=grid)
    kicks = np.array([n.start_s for n in notes_of(made, "kick") if 1.0 < n.start_s < 30.0])
    # Position in sixteenths between the two beats around each kick.
    at = 4.0 * np.interp(kicks, grid.beats_s, np.arange(len(grid.beats_s)))
    assert np.abs(at - np.round(at)).max() < 0.2
    np.testing.assert_allclose(made.beats_s, grid.beats_s, atol=1e-6)
    bars = made.bars_s[(made.bars_s >= 0.0) & (made.bars_s < SECONDS)]
    lines = bar_lines(grid, SECONDS)
    np.testing.assert_allclose(bars, lines[lines < SECONDS], atol=1e-6)


@pytest.mark.parametrize("genre", ["house", "krump", "waacking"])
def test_user_chords_sound_in_chord_parts_and_bass(genre):
    made = piece(genre, composer={"chords": "Am F C G"})
    assert made.key.name == "A minor"
    assert [c.symbol.name for c in made.chords[:5]] == ["Am", "F", "C", "G", "Am"]
    # The upbeat has the first bar's chord; a bar lasts two seconds.
    assert [c.start_s for c in made.chords[:3]] == pytest.approx(
        [0.0, FIRST_S + 2.0, FIRST_S + 4.0]
    )
    notes = {"Am": {9, 0, 4}, "F": {5, 9, 0}, "C": {0, 4, 7}, "G": {7, 11, 2}}
    starts = np.array([c.start_s for c in made.chords])
    for note in notes_of(made, "chord", "pad", "arp"):
        index = int(np.searchsorted(starts, max(0.0, note.start_s) + 0.03)) - 1
        name = made.chords[index].symbol.name
        assert int(note.pitch) % 12 in notes[name], (note, name)
    for line, name in zip(starts, (c.symbol.name for c in made.chords), strict=True):
        for note in notes_of(made, "bass"):
            if abs(note.start_s - line) < 0.03:
                assert int(note.pitch) % 12 in notes[name]


def test_chords_at_times_are_played_from_the_nearest_beat():
    times = ((0.0, "Dm"), (8.3, "Bb"), (16.41, "C7"))
    made = piece(composer={"chord_times": times})
    found = [(round(c.start_s, 2), c.symbol.name) for c in made.chords]
    # Beats stand at 0.4 and every half second: 8.4 and 16.4.
    assert found == [(0.0, "Dm"), (8.4, "Bb"), (16.4, "C7")]
    assert made.key.name == "D minor"


def test_where_there_is_no_chord_nothing_pitched_begins():
    times = ((0.0, "Dm"), (8.4, "N"), (12.4, "Gm"))
    made = piece(composer={"chord_times": times})
    assert [c.symbol.name for c in made.chords] == ["Dm", "N", "Gm"]
    inside = [n for n in notes_of(made, "bass", "chord", "pad", "arp", "hook", "accent")
              if 8.45 < n.start_s < 12.3]  # fmt: skip
    assert inside == []
    assert [n for n in notes_of(made, "kick", "snare", "hat") if 8.45 < n.start_s < 12.3]


def test_a_progression_plays_drums_only_where_it_has_no_chord():
    made = piece(seconds=16.0, composer={"chords": "Am | N | F,N"})
    # Bars of two seconds begin at 0.4; what comes before is the end of the first.
    found = [(round(c.start_s, 2), c.symbol.name) for c in made.chords]
    assert found[:6] == [(0, "Am"), (2.4, "N"), (4.4, "F"), (5.4, "N"), (6.4, "Am"), (8.4, "N")]
    assert made.key.name == "A minor"
    pitched = notes_of(made, "bass", "chord", "pad", "arp", "hook", "accent")
    for start_s, end_s in ((2.45, 4.3), (5.45, 6.3), (8.45, 10.3)):
        assert [n for n in pitched if start_s < n.start_s < end_s] == []
        assert all(n.start_s + n.duration_s <= start_s for n in pitched if n.start_s < start_s - 1)
        assert [n for n in notes_of(made, "kick", "snare", "hat") if start_s < n.start_s < end_s]
    assert [n for n in pitched if 4.3 < n.start_s < 5.3]


def test_a_chord_after_the_end_of_the_music_is_refused():
    with pytest.raises(ConfigError, match=r"C at 40 s is past the end: the music lasts 32.00"):
        piece(composer={"chord_times": ((0.0, "Am"), (40.0, "C"))})


@pytest.mark.parametrize(("key", "minor"), [("Eb major", False), ("C# minor", True)])
@pytest.mark.parametrize("genre", ["house", "locking"])
def test_a_key_decides_the_tonic_and_the_mode_of_the_chords(genre, key, minor):
    made = piece(genre, composer={"key": key})
    assert (made.key.tonic, made.key.minor) == (grammar_tonic(key), minor)
    on_tonic = {c.symbol.tones for c in made.chords if c.symbol.root == made.key.tonic}
    for tones in on_tonic:
        assert (3 if minor else 4) in tones or {3, 4}.isdisjoint(tones)
    scale = {(made.key.tonic + step) % 12 for step in grammar.SCALES["minor" if minor else "major"]}
    roots = [c.symbol.root in scale for c in made.chords]
    assert np.mean(roots) > 0.6


def grammar_tonic(key):
    return {"Eb major": 3, "C# minor": 1}[key]


def test_a_take_regenerates_its_bars_only():
    before = piece()
    after = piece(composer={"takes": (Take(12.0, 16.0, 7),)})
    # Bars begin at 0.4 and every two seconds: those from 10.4 to 16.4 are touched.
    bars = {bar for bar, start in enumerate(before.bars_s) if 10.0 < start < 16.0}
    outside = [[n for n in notes_of(made) if n.bar not in bars] for made in (before, after)]
    inside = [[n for n in notes_of(made) if n.bar in bars] for made in (before, after)]
    assert outside[0] == outside[1]
    assert inside[0] != inside[1]
    assert all(10.3 < note.start_s < 16.45 for note in inside[1])
    assert before.mix == after.mix


def test_later_takes_override_earlier_ones():
    one = (Take(4.0, 8.0, 7),)
    both = (*one, Take(4.0, 8.0, 1))
    # Seed 1 is the piece's own.
    assert notes_of(piece(composer={"takes": both})) == notes_of(piece())


def test_genre_section_keeps_key_and_changes_instruments():
    score = ControlScore((Stretch(16.4, 24.4, "krump"),))
    made = piece(score=score)
    starts = [n.start_s for v in made.voices if v.genre == "KR" for n in v.notes]
    assert min(starts) > 16.3
    assert max(starts) < 24.45
    own = [n.start_s for v in made.voices if v.genre == "HO" for n in v.notes]
    assert not [s for s in own if 16.45 < s < 24.3]


def test_energy_of_a_section_makes_it_louder_and_denser():
    quiet, loud = (
        piece(score=ControlScore((Stretch(0.0, SECONDS, energy=energy),))) for energy in (0.4, 2.0)
    )
    assert len(notes_of(loud)) > 1.3 * len(notes_of(quiet))
    velocities = [np.mean([n.velocity for n in notes_of(m, "kick")]) for m in (quiet, loud)]
    assert velocities[1] > 1.15 * velocities[0]


def test_an_accent_is_hit_at_its_time_and_cleared_before():
    made = piece(score=ControlScore(accents=(Accent(9.13, 1.0),)))
    hits = {v.role for v in made.voices for n in v.notes if n.start_s == pytest.approx(9.13)}
    assert {"kick", "bass"} <= hits
    assert not [n for n in notes_of(made) if 9.02 < n.start_s < 9.11]
    untouched = piece(score=ControlScore(accents=(Accent(9.13, 0.0),)))
    assert notes_of(untouched) == notes_of(piece())


def test_nothing_begins_or_sounds_on_in_a_silence():
    made = piece(score=ControlScore(silences=(Silence(8.4, 10.4),), exact=True))
    for note in notes_of(made):
        assert not 8.4 <= note.start_s < 10.3
        assert note.start_s >= 10.3 or note.start_s + note.duration_s <= 8.4 + 1e-6


def test_a_piece_ends_with_a_chord_on_a_bar_line():
    made = piece()
    last_s = max(note.start_s for note in notes_of(made))
    lines = bar_lines(steady_grid(), SECONDS)
    # The last line that leaves the chord its time: 30.4 s.
    assert last_s == pytest.approx(lines[lines <= SECONDS - 1.2][-1], abs=1e-6)
    last = [note for note in notes_of(made) if note.start_s > last_s - 0.01]
    assert all(n.start_s + n.duration_s == pytest.approx(SECONDS) for n in last)
    assert made.fade_s == 0.5


def test_a_loop_is_whole_bars_without_an_ending():
    made = piece(loop=True)
    bars = made.duration_s / (4 * 60.0 / made.grid.bpm)
    assert bars == pytest.approx(round(bars), abs=1e-9)
    assert made.duration_s == SECONDS
    assert made.fade_s == 0.0
    held = piece(loop=True, hold_tempo=True, grid=fixed_grid(110.0, 0.0, SECONDS))
    assert held.duration_s == pytest.approx(14 * 4 * 60.0 / 110.0)
    with pytest.raises(MotionError, match="less than a bar"):
        piece(loop=True, hold_tempo=True, seconds=1.5, grid=fixed_grid(60.0, 0.0, 1.5))


def test_the_form_follows_the_energy():
    energy = np.repeat([0.3, 0.4, 0.4, 0.9, 0.9, 0.1, 0.9, 0.3], 4)
    assert plan_form(energy) == (
        Section("intro", 0, 4),
        Section("verse", 4, 4),
        Section("build", 8, 4),
        Section("drop", 12, 8),
        Section("break", 20, 4),
        Section("drop", 24, 4),
        Section("outro", 28, 4),
    )


def test_short_and_even_pieces_have_no_breaks():
    assert plan_form(np.full(12, 0.5)) == (Section("verse", 0, 12),)
    assert [s.name for s in plan_form(np.full(32, 0.5))] == ["intro", "verse", "outro"]


def test_drums_rest_in_a_break_and_the_tune_in_an_intro():
    made = piece(seconds=64.0)
    spans = {s.name: (made.bars_s[s.first_bar], s) for s in made.sections}
    assert made.sections[0].name == "intro"
    first, last = made.sections[0].first_bar, made.sections[0].bars
    assert not [n for n in notes_of(made, "hook", "snare") if first <= n.bar < last]
    if "break" in spans:
        section = spans["break"][1]
        bars = range(section.first_bar, section.first_bar + section.bars)
        assert not [n for n in notes_of(made, "kick", "snare") if n.bar in bars]


@pytest.mark.parametrize(
    ("text", "take"),
    [
        ("12:16", Take(12.0, 16.0, 3)),
        ("12:16:9", Take(12.0, 16.0, 9)),
        (":4", Take(0.0, 4.0, 3)),
        ("12:", Take(12.0, None, 3)),
    ],
)
def test_spans_to_redo(text, take):
    assert parse_take(text, 3) == take


@pytest.mark.parametrize("text", ["12", "a:b", "16:12", "-1:3", "1:2:x", "nan:3"])
def test_a_span_that_cannot_be_redone_is_named(text):
    with pytest.raises(ConfigError, match="stretch"):
        parse_take(text, 0)


@pytest.mark.parametrize("genre", ["break", "locking", "la-hip-hop"])
def test_every_bar_of_a_verse_has_harmony(genre):
    made = piece(genre, seed=7, steady_energy=0.7)
    harmony = notes_of(made, "pad", "chord", "arp", "hook")
    bars = {note.bar for note in harmony}
    assert bars >= set(range(len(made.bars_s) - 1))
