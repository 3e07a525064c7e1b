import numpy as np
import pytest

from kinetune.live.connections.replay import Replay
from kinetune.live.following.beat_clock import BeatClock
from kinetune.live.following.beat_tracker import BeatTracker
from kinetune.live.following.follower import BeatFollower, FollowOptions
from kinetune.live.following.phase_lock import phase_lock
from kinetune.live.following.window_reading import BeatHypothesis, read_window
from kinetune.motion.clip import cut
from tests.conftest import swaying_clip

BODY = np.arange(0.0, 40.0, 0.5)


def hypothesis(beat_s=10.0, period_s=0.5, probability=0.8):
    return BeatHypothesis(beat_s, period_s, beat_s, 4, probability)


# The phase lock


@pytest.mark.parametrize("lag_s", [0.0, 0.1, 0.25])
def test_a_constant_lag_is_a_full_lock(lag_s):
    assert phase_lock(BODY[:-1] + lag_s, BODY) == pytest.approx(1.0)


def test_double_time_and_another_tempo_have_no_lock():
    assert phase_lock(np.arange(0.0, 39.5, 0.25), BODY) == pytest.approx(0.0, abs=0.01)
    # Forty beats while the body has forty-one: the phase goes once round.
    assert phase_lock(np.linspace(0.0, 20.0, 40, endpoint=False) * 0.975, BODY) < 0.1


def test_normal_errors_have_the_resultant_length_of_their_characteristic_function():
    rng = np.random.default_rng(0)
    beats = np.repeat(BODY[2:-2], 50)
    sigma = 0.1  # of a beat
    music = beats + 0.5 * sigma * rng.normal(size=len(beats))
    assert phase_lock(music, BODY) == pytest.approx(
        np.exp(-0.5 * (2 * np.pi * sigma) ** 2), abs=0.02
    )


def test_beats_before_the_start_do_not_count():
    music = np.concatenate([np.arange(0.0, 8.0, 0.37), np.arange(8.0, 39.0, 0.5)])
    assert phase_lock(music, BODY) < 0.9
    assert phase_lock(music, BODY, from_s=8.0) == pytest.approx(1.0)
    assert phase_lock(np.zeros(0), BODY) == 0.0


# The clock of the music


def test_the_clock_comes_to_the_bodys_beat_without_a_leap():
    clock = BeatClock(0.2, 0.5)
    for _ in range(20):
        clock.advance(hypothesis(beat_s=10.0))
    beats = np.array(clock.beats_s)
    away = (beats + 0.25) % 0.5 - 0.25
    assert abs(away[0]) == pytest.approx(0.2)
    assert (np.diff(np.abs(away)) <= 1e-9).all()
    assert abs(away[-1]) < 1e-3
    assert np.abs(np.diff(beats) - 0.5).max() <= 0.08 * 0.5 + 1e-9


def test_the_clock_takes_a_new_tempo_in_steps_of_a_tenth():
    clock = BeatClock(0.0, 0.5)
    for _ in range(12):
        clock.advance(hypothesis(period_s=0.6))
    steps = np.diff(clock.beats_s)
    assert steps[0] <= 0.5 * 1.1 * 1.081
    assert np.diff(clock.beats_s)[-1] == pytest.approx(0.6, abs=0.01)


# Belief


def test_one_window_half_a_beat_off_changes_nothing_and_several_do():
    tracker = BeatTracker()
    for step in range(6):
        tracker.update([hypothesis(), hypothesis(10.25, probability=0.1)], 10.0 + step)
    off = [hypothesis(10.25), hypothesis(probability=0.1)]
    tracker.update(off, 16.0)
    assert tracker.best.hypothesis.beat_s == 10.0
    for step in range(12):
        tracker.update(off, 17.0 + step)
    assert tracker.best.hypothesis.beat_s == 10.25


def test_belief_sums_to_one_and_confidence_is_a_probability():
    tracker = BeatTracker()
    assert tracker.best is None
    assert tracker.confidence == 0.0
    tracker.update([hypothesis(), hypothesis(period_s=0.7, probability=0.2)], 10.0)
    assert 0.0 < tracker.confidence < 0.8
    tracker.update([], 11.0)
    assert tracker.best.hypothesis.period_s == 0.5


# A body of known beats


@pytest.mark.slow
def test_a_window_of_a_body_at_120_bpm_has_its_period_and_its_beats():
    clip = swaying_clip(duration_s=24.0)
    reading = read_window(cut(clip, 10.0, 12.0), 10.0)
    best = reading.hypotheses[0]
    assert best.period_s == pytest.approx(0.5, rel=0.01)
    # The tolerance of beat tracking, 70 ms.
    assert abs((best.beat_s + 0.125) % 0.25 - 0.125) < 0.07
    assert reading.end_s == pytest.approx(22.0)
    assert reading.times_s[0] == pytest.approx(10.0)


@pytest.mark.slow
def test_music_locks_to_a_body_at_120_bpm_knowing_only_its_past():
    clip = swaying_clip(duration_s=30.0)
    follower = BeatFollower(Replay(clip), FollowOptions())
    placed = []
    for now_s in np.arange(0.0, 28.0, 0.1):
        follower.update(now_s)
        if follower.clock is None and not follower.start(now_s, now_s + 0.8):
            continue
        while follower.clock.beats_s[-1] < now_s + 0.8:
            placed.append((now_s, follower.next_beat()))
    beats = np.array(follower.clock.beats_s)
    assert beats[0] < 10.0
    assert all(beat_s > now_s for now_s, beat_s in placed)
    assert phase_lock(beats, BODY, from_s=8.0) > 0.95


def test_a_replay_shows_nothing_of_the_future():
    clip = swaying_clip(duration_s=10.0)
    replay = Replay(clip)
    part, start_s = replay.window(6.0, 4.0)
    assert start_s == pytest.approx(2.0)
    assert part.frame_count == 240
    np.testing.assert_array_equal(part.root_m, clip.root_m[120:360])
    assert replay.window(0.0, 4.0) is None
    assert not replay.is_finished(9.9)
    assert replay.is_finished(10.0)


def test_energy_of_the_next_bar_is_that_of_the_same_beats_before():
    follower = BeatFollower(Replay(swaying_clip()), FollowOptions())
    assert follower.recent_energy(5.0, 0.5, 4, 5.0).tolist() == [0.1] * 4
    times_s = np.arange(0.0, 8.0, 1 / 60)
    # Only the second beat of every bar has energy.
    follower._energy_s, follower._energy = times_s, 1.0 * (np.floor(times_s * 2) % 4 == 1)
    energy = follower.recent_energy(9.0, 0.5, 4, 8.2)
    assert energy == pytest.approx([0.0, 0.0, 0.0, 1.0], abs=0.04)
    energy = follower.recent_energy(8.0, 0.5, 4, 8.2)
    assert energy == pytest.approx([0.0, 1.0, 0.0, 0.0], abs=0.04)
    assert follower.recent_energy(20.0, 0.5, 4, 20.0).tolist() == [0.1] * 4
