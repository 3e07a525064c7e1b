"""Composed and rendered music: tuning, timing, level, and correlation with the dance."""

import dataclasses

import numpy as np
import pytest

from kinetune import genres, timebase
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import DanceProfile
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.mastering import PEAK
from kinetune.corpus.rendering.mixer import render
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre
from kinetune.errors import ConfigError
from tests.corpus.rendering.scores import pitch_of

PITCHED = (
    "finger_bass", "electric_piano", "organ", "piano", "guitar", "clavinet", "brass", "mallet",
    "flute", "vocal", "lead", "upright_bass",
)  # fmt: skip


def plan(genre="MH", level=0.6, bpm=100.0, duration_s=6.0, downbeat_s=0.0):
    beats = timebase.beat_times(bpm, downbeat_s, duration_s)
    return DanceProfile(genre, bpm, duration_s, downbeat_s, np.full(len(beats), level))


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_every_instrument_sounds_at_two_rates(name):
    for rate_hz in (22_050, 44_100):
        wave = INSTRUMENTS[name](NoteSpec(110.0, 0.2, 0.8, rate_hz, Timbre(seed=3)))
        assert np.isfinite(wave).all()
        assert 0.05 < np.abs(wave).max() < 3.0


@pytest.mark.parametrize("name", PITCHED)
def test_pitched_instruments_are_in_tune(name):
    hz = 233.0
    wave = INSTRUMENTS[name](NoteSpec(hz, 0.6, 0.8, 22_050, Timbre(seed=1)))
    assert abs(1200 * np.log2(pitch_of(wave, 22_050, hz) / hz)) < 10


def test_a_progression_reads_as_chords():
    bars = grammar.read_progression("I:m7 IV:9,V:7")
    assert [len(bar) for bar in bars] == [1, 2]
    assert bars[0][0] == grammar.Chord(0, (0, 3, 7, 10))
    assert bars[1][1].root == 7


def test_a_voicing_is_near_its_centre():
    notes = grammar.voicing(2, grammar.Chord(5, (0, 4, 7)), 60)
    assert {note % 12 for note in notes} == {7, 11, 2}
    assert all(abs(note - 60) < 12 for note in notes)


def test_a_score_is_the_same_again_and_another_seed_writes_another():
    assert compose(plan(), 4).notes == compose(plan(), 4).notes
    assert compose(plan(), 4).notes != compose(plan(), 5).notes


def test_songs_differ_in_key_sound_and_chords():
    scores = [compose(plan(), seed) for seed in range(12)]
    assert len({score.key for score in scores}) > 4
    assert len({score.parts[0].timbre for score in scores}) == 12


def test_kicks_fall_on_the_grid():
    score = compose(plan("HO", bpm=120.0, downbeat_s=0.3), 1)
    starts = np.array([n.start_s for n in score.notes if n.part == "kick" and n.velocity > 0.5])
    off = (starts - 0.3 + 0.25) % 0.5 - 0.25
    assert np.median(np.abs(off)) < 0.01


def test_energy_means_more_notes_and_harder_ones():
    def made(level):
        return [compose(plan("LO", level=level), seed).notes for seed in range(4)]

    calm, strong = made(0.15), made(0.9)
    assert sum(map(len, strong)) > 1.4 * sum(map(len, calm))
    assert np.mean([n.velocity for notes in strong for n in notes]) > 1.3 * np.mean(
        [n.velocity for notes in calm for n in notes]
    )


@pytest.mark.parametrize("code", genres.CODES)
def test_part_of_the_kit_rests_while_the_body_is_calm(code):
    bars = 24
    given = plan(code, bpm=100.0, duration_s=bars * 2.4)
    # Eight bars of little, then all of it.
    energy = np.repeat([0.15, 0.75], [8 * 4, 16 * 4])
    rested = 0
    for seed in range(6):
        score = compose(dataclasses.replace(given, energy=energy), seed)
        kit = {name: [n.start_s for n in score.notes if n.part == name]
               for name in ("kick", "snare", "hat")}  # fmt: skip
        calm = {name: np.histogram(times, [0.0, 4 * 2.4])[0][0] for name, times in kit.items()}
        full = {
            name: np.histogram(times, [12 * 2.4, 24 * 2.4])[0][0] for name, times in kit.items()
        }
        assert any(calm.values()), "nothing keeps time"
        # Something that plays all along later has rested; a hit on the dance may still fall.
        rested += any(calm[name] <= 2 < full[name] for name in kit)
    assert rested >= 5


def test_a_leap_of_energy_is_hit():
    energy = np.full(10, 0.2)
    energy[6:] = 0.9
    score = compose(dataclasses.replace(plan(), energy=energy), 3)
    crashes = [note.start_s for note in score.notes if note.part == "crash"]
    assert any(abs(start - 3.6) < 0.05 for start in crashes)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_has_the_shape_requested_and_is_clean(channels):
    sound = render(compose(plan(duration_s=3.0), 2), 16_000, channels=channels)
    assert sound.samples.shape == ((48_000,) if channels == 1 else (48_000, 2))
    assert np.abs(sound.samples).max() <= PEAK
    assert abs(sound.samples.mean()) < 1e-3


def test_mono_is_about_the_middle_of_stereo():
    score = compose(plan(duration_s=3.0), 2)
    mono, stereo = render(score, 16_000, channels=1), render(score, 16_000, channels=2)
    assert np.corrcoef(mono.samples, stereo.mono)[0, 1] > 0.9
    assert not np.allclose(stereo.samples[:, 0], stereo.samples[:, 1])


def test_bad_input_is_refused():
    score = compose(plan(), 1)
    with pytest.raises(ConfigError, match="channels"):
        render(score, 22_050, channels=3)
    with pytest.raises(ConfigError, match="rate"):
        render(score, 100)
    with pytest.raises(ConfigError, match="beats"):
        compose(dataclasses.replace(plan(), energy=np.ones(2)), 1)
    with pytest.raises(ConfigError, match="polka"):
        compose(plan("polka"), 1)
