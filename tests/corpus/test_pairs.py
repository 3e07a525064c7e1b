"""Pairs and corpora: music that fits its dance, files that come out the same every time."""

import json

import librosa
import mir_eval
import numpy as np
import pytest
from scipy.stats import spearmanr

from kinetune import genres
from kinetune.audio.sound import read_sound
from kinetune.corpus.pairs import make_corpus, make_pair, read_manifest
from kinetune.errors import ConfigError
from kinetune.motion import kinematics
from kinetune.motion.amass import read_amass


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


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


def test_a_corpus_is_the_same_from_one_worker_or_two_and_resumes(tmp_path):
    settings = {"minutes": 0.1, "seed": 3, "pair_duration_s": 2.0}
    steps = []
    manifest = make_corpus(
        tmp_path / "one",
        workers=1,
        progress=lambda done, all_: steps.append((done, all_)),
        **settings,
    )
    make_corpus(tmp_path / "two", workers=2, **settings)
    whole = contents(tmp_path / "one")
    assert whole == contents(tmp_path / "two")
    assert steps == [(1, 3), (2, 3), (3, 3)]
    items = read_manifest(tmp_path / "one")
    kept = tmp_path / "one" / items[0].audio
    before = kept.stat().st_mtime_ns
    (tmp_path / "one" / items[1].motion).unlink()
    assert make_corpus(tmp_path / "one", workers=1, **settings) == manifest
    assert kept.stat().st_mtime_ns == before
    assert contents(tmp_path / "one") == whole


def test_what_a_corpus_holds_reads_back(tmp_path):
    make_corpus(tmp_path, minutes=0.05, seed=1, genre="house", pair_duration_s=3.0, workers=1)
    (item,) = read_manifest(tmp_path)
    assert item.genre == "HO"
    pair = make_pair(item.seed, genre="HO", duration_s=3.0)
    clip, sound = read_amass(tmp_path / item.motion), read_sound(tmp_path / item.audio)
    assert np.allclose(
        kinematics.joint_positions(clip), kinematics.joint_positions(pair.clip), atol=1e-3
    )
    assert np.allclose(sound.samples, pair.sound.samples, atol=1e-4)
    assert np.allclose(item.beats_s, pair.beats_s, atol=1e-5)
    assert "CC0" in (tmp_path / "README.txt").read_text()


@pytest.mark.parametrize(
    "change", [{"minutes": 0.0}, {"minutes": -1.0}, {"genre": "polka"}, {"workers": 0},
               {"pair_duration_s": 0.0}, {"seed": -1}],
)  # fmt: skip
def test_an_impossible_corpus_is_refused_and_nothing_is_written(tmp_path, change):
    with pytest.raises(ConfigError):
        make_corpus(tmp_path / "corpus", **({"minutes": 0.1, "seed": 1} | change))
    assert not (tmp_path / "corpus").exists()


def test_a_missing_or_damaged_manifest_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such manifest"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
    with pytest.raises(ConfigError, match="manifest.jsonl:1"):
        read_manifest(tmp_path)
