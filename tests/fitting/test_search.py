from dataclasses import replace

import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.fitting.body import analyse_body
from kinetune.fitting.search import beat_score, candidates, find_fit
from kinetune.fitting.song import analyse_song, countings, line_through
from kinetune.metrics.evaluation.baselines import click_track, noise, silence
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.motion.clip import MotionClip
from tests.conftest import swaying_clip


@pytest.fixture(scope="module")
def body():
    """A body that swings at 120 bpm, its beats named: at 0, 0.5, 1 ... seconds."""
    clip = swaying_clip(duration_s=12.0)
    return analyse_body(clip, fixed_grid(120.0, 0.0, 12.0))


def clicks(bpm, first_s, duration_s=16.0):
    return click_track(np.arange(first_s, duration_s - 0.1, 60.0 / bpm), duration_s)


def test_clicks_are_stretched_and_shifted_onto_the_beats(body):
    fit = find_fit(analyse_song(clicks(112.0, 0.33)), body, from_start=True)
    assert fit.stretch == pytest.approx(112.0 / 120.0, abs=0.001)
    # 0.33 s becomes 0.308 s: the nearest beats are at 0.5 and 0, the nearer of them at 0.192 s.
    assert fit.offset_s == pytest.approx(0.5 - 0.33 * 112.0 / 120.0, abs=0.015)
    beats_s = fit.offset_s + fit.stretch * np.arange(0.33, 12.0, 60.0 / 112.0)
    assert np.abs(beats_s * 2 - np.round(beats_s * 2)).max() / 2 < 0.015


def test_without_from_start_the_song_plays_all_through_the_dance(body):
    fit = find_fit(analyse_song(clicks(112.0, 0.33)), body)
    assert fit.offset_s <= 0.0
    assert fit.offset_s + fit.stretch * 16.0 >= 12.0
    away = (fit.offset_s + fit.stretch * 0.33) * 2
    assert abs(away - round(away)) / 2 < 0.015


def test_half_and_double_time_count(body):
    slow = find_fit(analyse_song(clicks(63.0, 0.2)), body)
    assert slow.stretch == pytest.approx(63.0 / 60.0, abs=0.002)


def test_no_stretch_beyond_the_limit(body):
    song = analyse_song(clicks(112.0, 0.33))
    fit = find_fit(song, body, limit=0.05)
    assert (fit.verdict, fit.stretch, fit.offset_s) == ("no fit", None, None)
    assert "song 112.0 bpm, dance 120.0 bpm" in fit.reason
    assert candidates(song, body, 0.05) == ()


@pytest.mark.parametrize("sound", [silence(8.0), Sound(np.zeros(22050, np.float32), 22050)])
def test_a_song_without_beats_does_not_fit(body, sound):
    fit = find_fit(analyse_song(sound), body)
    assert (fit.verdict, fit.reason) == ("no fit", "the song has no beat")


def test_a_still_body_fits_nothing():
    clip = swaying_clip(duration_s=8.0)
    still = MotionClip(
        np.repeat(clip.rotations[:1], 480, 0), np.repeat(clip.root_m[:1], 480, 0), 60.0
    )
    fit = find_fit(analyse_song(clicks(112.0, 0.0)), analyse_body(still))
    assert (fit.verdict, fit.reason) == ("no fit", "the body hardly moves")


def test_beats_of_noise_are_no_better_than_chance(body):
    fit = find_fit(analyse_song(noise("n", 16.0)), body)
    assert fit.verdict == "no fit" or fit.p_value > 0.0
    assert fit.stretch is None or 0.9 <= fit.stretch <= 1.1


def test_a_song_that_is_too_short_is_one_line():
    with pytest.raises(AudioError, match=r"short: expected 0.5 s of music or more, found 0.20"):
        analyse_song(silence(0.2), "short")


def test_the_score_is_the_weighted_share_of_activation():
    activation = np.zeros(600)
    activation[[60, 183]] = 1.0, 3.0
    beats = np.arange(0.0, 10.0)
    # The first stands on a beat, the second 50 ms after one: exp(-1/2).
    expected = (1.0 + 3.0 * np.exp(-0.5)) / 4.0
    assert beat_score(activation, beats, (0.0, 10.0)) == pytest.approx(expected)
    assert beat_score(activation, beats, (0.0, 2.0)) == pytest.approx(1.0)
    assert beat_score(activation, np.zeros(0), (0.0, 10.0)) == 0.0
    assert beat_score(np.zeros(600), beats, (0.0, 10.0)) == 0.0


def test_the_score_stands_out_from_chance_and_other_tempi(body):
    """All activation on the beats: score 1, chance that of the kernel over half a second."""
    activation = np.zeros(720)
    activation[::30] = 1.0
    sharp = replace(body, activation=activation)
    fit = find_fit(analyse_song(clicks(112.0, 0.33)), sharp)
    assert fit.score > 0.9
    # The mean of exp(-d^2 / 2 (0.05 s)^2) over a period of 0.5 s is 0.05 sqrt(2 pi) / 0.5 = 0.25.
    assert fit.chance_score == pytest.approx(0.25, abs=0.04)
    assert fit.p_value < 0.05
    assert fit.verdict == "fits"


def test_a_line_survives_missing_additional_and_misplaced_beats():
    beats = 0.4 + 0.6 * np.arange(20)
    damaged = np.sort(np.append(np.delete(beats, [3, 9]), [5.1]))
    damaged[10] += 0.15
    line = line_through(damaged)
    assert line.period_s == pytest.approx(0.6, abs=0.002)
    assert (line.first_s - 0.4) / 0.6 == pytest.approx(round((line.first_s - 0.4) / 0.6), abs=0.02)
    assert line_through(beats[:3]) is None
    assert line_through(beats).deviation_s == pytest.approx(0.0, abs=1e-9)


def test_every_second_beat_with_the_strong_onsets_is_likelier():
    rate, times = 22_050, np.arange(0.5, 15.5, 0.35)
    loud, soft = (click_track(times[k::2], 16.0).samples for k in (0, 1))
    song = analyse_song(Sound((loud + 0.4 * soft).astype(np.float32), rate))
    ways = countings(song)
    assert [round(60.0 / one.line.period_s, -1) for one, _ in ways] == [170, 340, 90, 90]
    even, odd = ways[2], ways[3]
    better, worse = sorted((even, odd), key=lambda way: -way[1])
    strong = np.abs(better[0].beats_s[:, None] - times[0::2]).min(axis=1)
    assert np.median(strong) < 0.05
    assert better[1] > 2.0 * worse[1]


def test_beat_by_beat_a_drifting_song_meets_a_steady_dance(body):
    steps = 0.5 * (1.0 + 0.03 * np.sin(np.arange(26) / 4.0))
    times = 0.4 + np.cumsum(steps)
    song = analyse_song(click_track(times, float(times[-1]) + 0.5))
    fit = find_fit(song, body, per_beat=True, from_start=True)
    placed = fit.time_map.in_dance(times)
    inside = (placed > 0.5) & (placed < 11.0)
    away = placed[inside] * 2
    assert np.abs(away - np.round(away)).max() / 2 < 0.03
    assert fit.time_map.ratios.min() >= 0.9 - 1e-9
    assert fit.time_map.ratios.max() <= 1.1 + 1e-9


def test_a_named_reading_is_the_only_one(body):
    assert {each.reading for each in candidates(analyse_song(clicks(112.0, 0.3)), body, 0.1)} == {1}
