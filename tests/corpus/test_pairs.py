"""Pairs: music that fits its dance."""

import librosa
import mir_eval
import numpy as np
import pytest
from scipy.stats import spearmanr

from kinetune import genres
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.pairs import make_pair
from kinetune.motion import kinematics
from kinetune.motion.io.bvh import write_bvh


def test_the_same_seed_makes_the_same_pair():
    one, two = make_pair(11, duration_s=4.0), make_pair(11, duration_s=4.0)
    assert np.array_equal(one.sound.samples, two.sound.samples)
    assert np.array_equal(one.clip.rotations, two.clip.rotations)
    assert (one.id, one.genre, one.bpm) == (two.id, two.genre, two.bpm)


def test_another_seed_makes_another_pair():
    one, two = make_pair(11, genre="HO", duration_s=3.0), make_pair(12, genre="HO", duration_s=3.0)
    assert not np.allclose(one.sound.samples, two.sound.samples)
    assert one.bpm != two.bpm


@pytest.mark.parametrize("genre", genres.CODES)
def test_every_genre_sounds_clean_at_any_tempo(genre):
    for bpm in (70.0, 150.0):
        pair = make_pair(5, genre=genre, bpm=bpm, duration_s=4.0)
        samples = pair.sound.samples
        assert len(samples) == 4 * 22_050
        assert 0.02 < samples.std() < 0.4
        assert np.abs(samples).max() <= 0.97
        assert abs(samples.mean()) < 1e-3


def test_genre_and_tempo_are_drawn_within_bounds():
    pairs = [make_pair(seed, duration_s=1.5, rate_hz=8_000) for seed in range(25)]
    assert len({pair.genre for pair in pairs}) >= 6
    assert all(70 <= pair.bpm <= 150 for pair in pairs)


def test_a_beat_tracker_finds_the_beat():
    scores = []
    for seed, genre in enumerate(genres.CODES):
        pair = make_pair(40 + seed, genre=genre, bpm=112.0, duration_s=12.0)
        _, found = librosa.beat.beat_track(y=pair.sound.samples, sr=22_050, units="time")
        beats, found = (mir_eval.beat.trim_beats(b, 1.0) for b in (pair.beats_s, found))
        scores.append(mir_eval.beat.f_measure(beats, found))
    assert np.median(scores) > 0.85


def test_music_is_louder_where_the_body_moves_more():
    ranks = []
    for seed, genre in enumerate(("BR", "JS", "KR", "WA", "LO")):
        pair = make_pair(seed, genre=genre, duration_s=16.0)
        speed = kinematics.joint_speeds(pair.clip).mean(axis=1)
        moved = [p.mean() for p in np.split(speed, (pair.beats_s * 60).astype(int))[1:-1]]
        heard = np.split(pair.sound.samples, (pair.beats_s * 22_050).astype(int))[1:-1]
        ranks.append(spearmanr(moved, [np.sqrt(np.mean(h**2)) for h in heard]).statistic)
    assert np.mean(ranks) > 0.4


def test_the_spectrum_leans_to_the_bass_as_music_does():
    powers = []
    for seed, genre in enumerate(genres.CODES):
        samples = make_pair(seed, genre=genre, duration_s=4.0).sound.samples
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        hz = np.fft.rfftfreq(len(samples), 1 / 22_050)
        edges = ((40, 250), (250, 2_000), (4_000, 11_000))
        powers.append([spectrum[(hz >= a) & (hz < b)].sum() for a, b in edges])
    low, middle, high = 10 * np.log10(np.median(powers, axis=0))
    assert low > middle > high
    assert 8 < low - high < 35


def test_some_dances_are_real_and_have_their_source():
    sources = [make_pair(seed, duration_s=1.5, rate_hz=8_000).source for seed in range(24)]
    assert set(sources) == {"phrases", "library"}
    assert 3 <= sources.count("library") <= 12


def test_a_users_own_clips_take_the_librarys_place(tmp_path):
    write_bvh(
        tmp_path / "mine.bvh",
        choreograph(5, DanceRequest(genre="LO", bpm=100.0, duration_s=8.0)).clip,
    )
    pairs = [make_pair(s, duration_s=1.5, rate_hz=8_000, clips=tmp_path) for s in range(24)]
    assert {pair.source for pair in pairs} == {"phrases", "clips"}


def test_some_dances_borrow_another_genres_manner():
    own = 0
    for seed in range(12):
        pair = make_pair(seed, genre="HO", bpm=120.0, duration_s=2.0, rate_hz=8_000)
        if pair.source == "phrases":
            plain = choreograph(seed, DanceRequest(genre="HO", bpm=120.0, duration_s=2.0))
            own += np.array_equal(plain.clip.rotations, pair.clip.rotations)
            assert pair.genre == pair.dance.genre == "HO"
        else:
            own += 1
    assert 6 <= own < 12


def test_the_grid_of_a_pair_is_what_was_danced_to():
    pair = make_pair(4, genre="HO", bpm=120.0, duration_s=6.0, rate_hz=8_000)
    np.testing.assert_allclose(pair.grid.beats_s, pair.beats_s, atol=1e-6)
    assert pair.grid.bar_start_s == pair.downbeats_s[0]
