from dataclasses import replace

import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.fitting.body import analyse_body
from kinetune.fitting.search import find_fit
from kinetune.fitting.similarity import similarity_at, similarity_of_map
from kinetune.fitting.song import analyse_song
from kinetune.fitting.time_map import steady_map
from kinetune.fitting.time_stretch import stretch_song
from kinetune.metrics.similarity import music_vectors
from kinetune.motion.beats.beat_grid import fixed_grid
from tests.conftest import swaying_clip
from tests.metrics.conftest import bursts

LATE_S = 4.5


@pytest.fixture(scope="module")
def sound():
    """Sixteen seconds at 120 bpm whose level and off-beats change."""
    rng = np.random.default_rng(7)
    beats = np.arange(0.0, 16.0, 0.5)
    off_beats = rng.choice(beats[:-1], 8, replace=False) + 0.25
    music = bursts(np.sort(np.concatenate([beats, off_beats])), 16.0).samples
    return Sound(music * np.repeat(rng.uniform(0.2, 1.0, 16), 22_050).astype(np.float32), 22_050)


@pytest.fixture(scope="module")
def song(sound):
    return analyse_song(sound)


@pytest.fixture(scope="module")
def body(sound):
    """A dance that is as the song from 4.5 s on, to the network."""
    clip = swaying_clip(duration_s=8.0, bpm=120.0)
    first = int(LATE_S * sound.rate_hz)
    part = Sound(sound.samples[first : first + 8 * sound.rate_hz], sound.rate_hz)
    dance = analyse_body(clip, fixed_grid(120.0, 0.0, 8.0))
    return replace(dance, vectors=music_vectors(part)[:120])


def test_the_similarity_peaks_where_the_song_belongs(song, body):
    offsets_s = np.arange(-8.0, 4.01, 0.25)
    similarities = similarity_at(song, body, stretch=1.0, offsets_s=offsets_s)
    assert offsets_s[similarities.argmax()] == -LATE_S
    assert similarities.max() > 0.95
    assert np.sort(similarities)[-2] < 0.8 * similarities.max()


def test_a_stretched_song_is_read_as_if_it_were_stretched(sound, song, body):
    fast = stretch_song(sound, steady_map(0.0, 0.94, 16.0), 16.0 * 0.94)
    offset_s = -2.0
    first = round(2.0 * fast.rate_hz)
    part = Sound(fast.samples[first : first + 8 * fast.rate_hz], fast.rate_hz)
    body = replace(body, vectors=music_vectors(part)[:120])
    right, wrong = similarity_at(song, body, stretch=0.94, offsets_s=np.array([offset_s, -3.5]))
    # The stretcher smears some attacks; the network hears the same piece.
    assert right > 0.7
    assert right > wrong + 0.2


def test_one_map_has_the_similarity_of_its_offset(song, body):
    by_map = similarity_of_map(song, body, steady_map(-LATE_S, 1.0, song.duration_s))
    (by_offset,) = similarity_at(song, body, stretch=1.0, offsets_s=np.array([-LATE_S]))
    assert by_map == pytest.approx(by_offset, abs=0.05)


def test_without_an_overlap_there_is_none(song, body):
    away_s = np.array([8.5, -17.0])
    np.testing.assert_array_equal(
        similarity_at(song, body, stretch=1.0, offsets_s=away_s), [0.0, 0.0]
    )
    assert similarity_of_map(song, body, steady_map(8.5, 1.0, song.duration_s)) is None


def test_of_all_offsets_a_beat_apart_the_most_similar_is_taken(song, body):
    fit = find_fit(song, body)
    assert fit.stretch == pytest.approx(1.0, abs=0.01)
    assert fit.offset_s == pytest.approx(-LATE_S, abs=0.05)
    assert fit.similarity > 0.9
    other = find_fit(song, replace(body, vectors=body.vectors[::-1].copy()))
    assert other.similarity < 0.5
