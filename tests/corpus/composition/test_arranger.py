"""Notes by the step: swing, timing, velocity, thinning by energy, freezes."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.corpus.composition.arranger import Bar, NoteWriter
from kinetune.corpus.composition.composer import EnergyCurve, compose
from kinetune.corpus.composition.drummer import _write_build, _write_fill, write_accents
from kinetune.corpus.composition.grammar import Chord, Hit
from kinetune.corpus.composition.songs import _STRIPS, draw_mix, draw_song
from kinetune.corpus.styles.style import style_of
from tests.corpus.test_music import plan

STEP_S = 0.125


def writer(**changes):
    """A writer at 120 bpm without timing errors, four bars long."""
    song = draw_song(np.random.default_rng(2), style_of("HO"), 120.0)
    song = replace(song, **({"swing": 0.0, "timing_s": 0.0} | changes))
    return NoteWriter(np.random.default_rng(1), song, plan("HO", bpm=120.0, duration_s=8.0))


def bar(index=0, energy=(0.6, 0.6, 0.6, 0.6), **changes):
    chords = [Chord(0, (0, 4, 7)), Chord(5, (0, 4, 7))]
    values = {"impacts": np.zeros(8), "phrase": 1, "section": 0, "chords": chords,
              "next_chords": chords, "ending": "", "end": 16} | changes  # fmt: skip
    return Bar(index=index, energy=np.array(energy), **values)


def test_steps_are_sixteenths_of_the_bar():
    made = writer()
    made.write("bass", bar(1), 6, 2, 40.0, 0.5)
    (note,) = made.notes
    assert note.start_s == pytest.approx(2.0 + 6 * STEP_S)
    assert note.duration_s == pytest.approx(0.95 * 2 * STEP_S)
    assert note.velocity == pytest.approx(0.5, abs=0.15)


def test_swing_delays_every_other_sixteenth_by_its_share():
    made = writer(swing=0.3)
    for step in (0, 1, 2, 3):
        made.write("bass", bar(), step, 1, 40.0, 0.5)
    late = [note.start_s / STEP_S - step for step, note in enumerate(made.notes)]
    np.testing.assert_allclose(late, [0.0, 0.3, 0.0, 0.3], atol=1e-9)


def test_timekeepers_stray_less_than_others():
    made = writer(timing_s=0.01)
    for _ in range(400):
        made.write("kick", bar(), 4, 1, 60.0, 0.5)
        made.write("bass", bar(), 4, 1, 40.0, 0.5)
    times = {p: np.array([n.start_s for n in made.notes if n.part == p]) for p in ("kick", "bass")}
    assert times["kick"].std() == pytest.approx(0.004, rel=0.15)
    assert times["bass"].std() == pytest.approx(0.010, rel=0.15)
    assert times["kick"].mean() == pytest.approx(4 * STEP_S, abs=1e-3)


def test_nothing_starts_after_the_end():
    made = writer()
    made.write("bass", bar(3), 16, 1, 40.0, 0.5)
    assert not made.notes


@pytest.mark.parametrize("energy", [0.0, 0.5, 1.0])
def test_velocity_follows_the_energy_of_the_beat(energy):
    assert bar(energy=(0.1, energy, 0.1, 0.1)).velocity(5.5) == pytest.approx(0.42 + 0.58 * energy)


def test_a_beat_far_below_its_bars_strongest_is_a_freeze():
    still = bar(energy=(0.9, 0.3, 0.9, 0.4))
    assert [still.is_still(step) for step in (0, 4, 8, 12)] == [False, True, False, False]


def test_two_chords_share_a_bar():
    assert [bar().chord_at(step).root for step in (0, 7, 8, 15)] == [0, 0, 5, 5]


def test_beats_are_kept_and_off_beats_want_energy():
    made = writer()
    hits = [Hit(step, 1.0, 1, "x") for step in range(16)]
    calm = made.filter_hits("hat", bar(energy=(0.05,) * 4), hits)
    strong = made.filter_hits("hat", bar(energy=(1.0,) * 4), hits)
    assert [hit.step for hit in calm] == [0, 4, 8, 12]
    assert len(strong) > 10
    # Eighths come before sixteenths.
    middle = [made.filter_hits("bass", bar(energy=(e,) * 4), hits) for e in (0.3, 0.45)]
    eighths, sixteenths = (
        sum(hit.step % 4 in steps for kept in middle for hit in kept) for steps in ((2,), (1, 3))
    )
    assert eighths > sixteenths / 2


def test_a_fill_grows_and_falls_in_pitch():
    made = writer()
    _write_fill(made, bar(ending="fill", end=8))
    drums = [note for note in made.notes if note.part in ("tom", "snare")]
    assert all(note.start_s >= 8 * STEP_S - 1e-9 for note in made.notes)
    assert drums[-1].pitch < drums[0].pitch
    assert drums[-1].velocity > drums[0].velocity


def test_a_build_up_grows_louder_and_denser():
    made = writer()
    _write_build(made, bar(ending="build", end=0))
    snares = [note for note in made.notes if note.part == "snare"]
    halves = [[n for n in snares if (n.start_s >= 1.0) == late] for late in (False, True)]
    assert len(halves[1]) > 1.3 * len(halves[0])
    assert np.mean([n.velocity for n in halves[1]]) > np.mean([n.velocity for n in halves[0]])


def test_energy_leap_gets_crash_and_kick():
    made = writer()
    for index in range(3):
        write_accents(made, bar(index, energy=(0.2, 0.2, 0.9, 0.9)), 0.2)
    crashes, kicks = ([n.start_s for n in made.notes if n.part == p] for p in ("crash", "kick"))
    np.testing.assert_allclose(crashes, [1.0, 5.0], atol=1e-9)
    np.testing.assert_allclose(kicks, [1.0, 3.0, 5.0], atol=1e-9)


def test_the_strongest_impacts_get_accents():
    made = writer()
    impacts = np.array([0.0, 0.9, 0.0, 0.0, 0.85, 0.0, 0.95, 0.5])
    write_accents(made, bar(impacts=impacts), 0.6)
    times = sorted({round(n.start_s / STEP_S, 6) for n in made.notes if n.part == "accent"})
    # At most two a bar, at half-beats 1 and 6: steps 2 and 12.
    assert times == [2.0, 12.0]


def test_the_energy_curve_is_read_by_bars_and_repeats_its_edges():
    energy = np.linspace(0.1, 0.9, 8)
    impacts = np.arange(16.0) / 16
    profile = replace(plan("HO", bpm=120.0, duration_s=4.0), energy=energy, impacts=impacts)
    curve = EnergyCurve(profile, np.arange(8) * 0.5, [0.0, 2.0])
    np.testing.assert_allclose(curve.energy(1), energy[4:])
    assert curve.before(1) == pytest.approx(energy[3])
    assert curve.mean(0, 2) == pytest.approx(energy.mean())
    np.testing.assert_allclose(curve.impacts(1), impacts[8:])
    late = EnergyCurve(profile, np.arange(8) * 0.5, [-1.0, 1.0, 3.0])
    np.testing.assert_allclose(late.energy(0), [energy[0], energy[0], energy[0], energy[1]])
    np.testing.assert_allclose(late.impacts(0)[:4], 0.0)


def test_a_song_stays_within_its_style():
    style = style_of("LH")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        song, mix = draw_song(rng, style, 100.0), draw_mix(rng, style, 100.0)
        low, high = style.mix.swing
        assert low <= song.swing <= high
        assert set(song.kick) <= set(style.drums.kick)
        assert song.parts["bass"].instrument in style.bass.instruments
        assert style.mix.reverb[0] <= mix.reverb <= style.mix.reverb[1]
        assert style.mix.ducking[0] <= mix.ducking <= style.mix.ducking[1]
        assert all(abs(part.pan) <= 0.8 for part in song.parts.values())
        assert song.parts["kick"].pan == song.parts["bass"].pan == 0.0
        assert song.parts["bass"].ducked
        assert not song.parts["kick"].ducked
        assert song.parts["kick"].level == pytest.approx(_STRIPS["kick"].level, rel=1.0)
        beat_s = 0.6
        assert np.isclose(mix.echo_s / beat_s, (0.5, 2 / 3, 0.75, 1.0)).any()
        # Of two hats calm bars get the sparser.
        calm, strong = (sum(c in "Xxo" for c in hat) for hat in song.hat)
        assert calm <= strong


def test_fast_songs_have_the_sparser_hat_throughout():
    style = style_of("PO")
    for seed in range(8):
        song = draw_song(np.random.default_rng(seed), style, 126.0)
        assert song.hat[0] == song.hat[1]


def test_the_chords_of_a_score_are_those_its_held_notes_play():
    """Held notes of the layers are chord tones of the chord that sounds when they begin."""
    score = compose(plan("HO", level=0.9, bpm=120.0, duration_s=16.0), 3)
    starts_s = np.array([chord.start_s for chord in score.chords])
    assert (np.diff(starts_s) > 0.0).all()
    assert set(score.bars_s) <= set(starts_s)
    held = [n for n in score.notes if n.part.startswith("line") and n.duration_s > 0.4]
    pitched = [n for n in held if n.pitch > 30.0]
    assert len(pitched) > 10
    for note in pitched:
        # Players are a little early or late.
        chord = score.chords[int(np.searchsorted(starts_s, note.start_s + 0.06)) - 1]
        assert note.pitch % 12 in chord.tones
    assert all(chord.bass in chord.tones for chord in score.chords)


def test_the_bass_follows_the_chords():
    score = compose(plan("HO", level=0.9, bpm=120.0, duration_s=16.0), 3)
    song = draw_song(np.random.default_rng([3, 202, 1]), style_of("HO"), 120.0)
    tones = {
        (score.key + chord.root + tone) % 12
        for cycle in song.chords for chords in cycle for chord in chords
        for tone in (*chord.tones, -1)
    }  # fmt: skip
    basses = [note.pitch % 12 for note in score.notes if note.part == "bass"]
    assert len(basses) > 20
    assert set(basses) <= tones
