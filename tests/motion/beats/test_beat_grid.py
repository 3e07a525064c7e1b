from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from kinetune import genres, timebase
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import MotionError
from kinetune.motion import rotations
from kinetune.motion.beats.beat_grid import (
    beat_grid,
    fixed_grid,
    grid_of_beats,
    group_beat_grid,
    motion_beats,
)
from kinetune.motion.clip import MotionClip, clip_from_axis_angle, cut, resample
from kinetune.motion.io.formats import read_motion
from tests.conftest import EXAMPLE, swaying_clip


def stepping_clip(bpm, *, first_beat_s=0.0, duration_s=12.0, seed=0, drift=0.0, fps=60.0):
    """Every joint eases from pose to pose and rests for a moment on each beat.

    ``drift`` is the share by which the tempo has changed at the end.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * fps)) / fps
    beat = (times - first_beat_s) * bpm / 60.0
    beat = beat * (1.0 + 0.5 * drift * times / duration_s)
    poses = rng.normal(size=(16, 24, 3)) * 0.4
    number = np.floor(beat).astype(int)
    share = beat - number
    ease = (share - np.sin(2 * np.pi * share) / (2 * np.pi))[:, None, None]
    pose = poses[number % 16] * (1 - ease) + poses[(number + 1) % 16] * ease
    clip = clip_from_axis_angle(pose, np.zeros((len(times), 3)), fps=fps)
    beats = np.interp(np.arange(np.ceil(beat[0]), beat[-1]), beat, times)
    return clip, beats


def phase_error_s(grid, beats):
    return np.median(np.abs(grid.beats_s[:, None] - beats).min(axis=1))


@pytest.mark.parametrize("bpm", [72.0, 85.0, 100.0, 117.0, 131.0, 148.0])
def test_the_tempo_and_phase_of_a_clear_dance_are_found(bpm):
    clip, beats = stepping_clip(bpm, first_beat_s=0.17, seed=int(bpm))
    grid = beat_grid(clip)
    ratio = grid.bpm / bpm
    assert min(abs(ratio / factor - 1) for factor in (0.5, 1.0, 2.0)) < 0.02
    # This body rests on the beat itself; people rest a moment after it, and so it is taken to.
    most_s = max(0.09, 0.14 * timebase.beat_period_s(bpm))
    assert phase_error_s(grid, beats) < most_s or ratio < 0.9
    assert grid.steady


def test_most_choreographed_dances_are_found():
    right = []
    for seed in range(20):
        bpm = 75.0 + 3.5 * seed
        dance = choreograph(
            500 + seed, DanceRequest(genre=genres.CODES[seed % 10], bpm=bpm, duration_s=12.0)
        )
        ratio = beat_grid(dance.clip).bpm / bpm
        right.append(min(abs(ratio / factor - 1) for factor in (0.5, 1.0, 2.0)) < 0.04)
    assert np.mean(right) >= 0.9


def test_the_beats_of_choreographed_dances_are_found():
    f = []
    for seed in range(20):
        dance = choreograph(
            900 + seed, DanceRequest(genre=genres.CODES[seed % 10], bpm=104.0, duration_s=20.0)
        )
        f.append(mir_eval.beat.f_measure(dance.beats_s, beat_grid(dance.clip).beats_s))
    assert np.mean(f) >= 0.95


def test_bars_of_choreographed_dances_are_found():
    right = []
    for seed in range(20):
        dance = choreograph(
            950 + seed, DanceRequest(genre=genres.CODES[seed % 10], bpm=104.0, duration_s=16.0)
        )
        grid = beat_grid(dance.clip, bpm=104.0)
        beats = (grid.bar_start_s - dance.downbeats_s[0]) / timebase.beat_period_s(104.0)
        right.append(abs((beats + 2.0) % 4.0 - 2.0) < 0.2)
    # A guess would be right five times.
    assert np.sum(right) >= 18


def test_a_named_beat_opens_a_bar():
    dance = choreograph(951, DanceRequest(genre="house", bpm=120.0, duration_s=8.0))
    grid = beat_grid(dance.clip, first_beat_s=1.2)
    assert abs((grid.bar_start_s - 1.2) / timebase.beat_period_s(grid.bpm)) < 1e-6


def test_a_bar_opens_on_a_beat():
    dance = choreograph(952, DanceRequest(genre="krump", bpm=90.0, duration_s=8.0))
    grid = beat_grid(dance.clip)
    assert np.abs(grid.beats_s - grid.bar_start_s).min() < 1e-9


def test_the_network_finds_what_the_rules_miss():
    f = {True: [], False: []}
    for seed in range(12):
        dance = choreograph(
            970 + seed, DanceRequest(genre=genres.CODES[seed % 10], bpm=96.0, duration_s=12.0)
        )
        for network, found in f.items():
            grid = beat_grid(dance.clip, network=network)
            found.append(mir_eval.beat.f_measure(dance.beats_s, grid.beats_s))
    assert np.mean(f[True]) > np.mean(f[False])


def test_rivals_of_a_tempo_are_other_tempi():
    dance = choreograph(3, DanceRequest(genre="house", bpm=120.0, duration_s=6.0))
    grid = beat_grid(dance.clip)
    tempi = np.array([grid.bpm, *[rival.bpm for rival in grid.alternatives]])
    apart = np.abs(np.log2(tempi[:, None] / tempi))[~np.eye(len(tempi), dtype=bool)]
    assert apart.min() > 0.04


def test_the_tempo_of_a_real_dance_is_found():
    assert beat_grid(read_motion(EXAMPLE)).bpm == pytest.approx(100.0, rel=0.02)


def test_beats_are_the_grid_inside_the_clip():
    clip, _ = stepping_clip(100.0)
    grid = beat_grid(clip)
    np.testing.assert_allclose(np.diff(grid.beats_s), 60.0 / grid.bpm)
    assert 0 <= grid.first_beat_s < 60.0 / grid.bpm
    assert grid.beats_s[0] == pytest.approx(grid.first_beat_s)
    assert grid.beats_s[-1] < clip.duration_s


def test_a_later_start_shifts_the_phase_and_keeps_the_tempo():
    clip, _ = stepping_clip(100.0, duration_s=13.0)
    one, two = beat_grid(cut(clip, 0.0, 12.0)), beat_grid(cut(clip, 0.2, 12.0))
    assert one.bpm == pytest.approx(two.bpm, rel=0.01)
    period = 60.0 / one.bpm
    shift = (one.first_beat_s - two.first_beat_s - 0.2 + period / 2) % period - period / 2
    assert abs(shift) < 0.03


def test_playing_faster_is_a_faster_tempo():
    clip, _ = stepping_clip(90.0)
    faster = replace(clip, fps=clip.fps * 1.2)
    assert beat_grid(faster).bpm == pytest.approx(1.2 * beat_grid(clip).bpm, rel=0.02)


def test_where_the_dancer_stands_and_looks_does_not_matter():
    clip, _ = stepping_clip(110.0)
    turn = rotations.quat_from_axis_angle(np.array([0.0, 2.0, 0.0]))
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(turn, quat[:, 0])
    moved = replace(
        clip, rotations=quat, root_m=rotations.rotate(turn, clip.root_m) + np.array([5.0, 1.0, 2.0])
    )
    assert beat_grid(moved).bpm == pytest.approx(beat_grid(clip).bpm, rel=0.005)


@pytest.mark.parametrize("fps", [24.0, 120.0, 1000.0])
def test_the_frame_rate_does_not_matter(fps):
    clip, _ = stepping_clip(100.0)
    assert beat_grid(resample(clip, fps)).bpm == pytest.approx(beat_grid(clip).bpm, rel=0.02)


def test_what_a_person_names_is_held():
    clip, _ = stepping_clip(100.0)
    both = beat_grid(clip, bpm=77.0, first_beat_s=0.3)
    assert both.bpm == 77.0
    np.testing.assert_allclose(both.beats_s, timebase.beat_times(77.0, 0.3, 12.0))
    assert beat_grid(clip, bpm=200.0).bpm == 200.0
    named = beat_grid(clip, first_beat_s=0.3)
    assert named.bpm == pytest.approx(beat_grid(clip).bpm, rel=0.03)
    assert np.abs(named.beats_s - 0.3).min() < 1e-9


def test_half_and_double_time_are_among_the_alternatives():
    clip, _ = stepping_clip(100.0)
    grid = beat_grid(clip)
    ratios = [rival.bpm / grid.bpm for rival in grid.alternatives]
    for factor in (0.5, 2.0):
        assert min(abs(ratio / factor - 1) for ratio in ratios) < 0.05
    rivals = [rival.score for rival in grid.alternatives[:3]]
    assert rivals == sorted(rivals, reverse=True)
    assert all(0 <= rival.score <= 1 for rival in grid.alternatives)


def test_confidence_is_higher_where_the_beat_is_clearer():
    clear, _ = stepping_clip(100.0)
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(size=(720, 24, 3)), axis=0) * 0.03
    vague = clip_from_axis_angle(path, np.zeros((720, 3)), fps=60)
    assert beat_grid(clear).confidence > beat_grid(vague).confidence + 0.2


def test_a_motionless_body_gets_the_prior_tempo_and_no_confidence():
    one = MotionClip(swaying_clip().rotations[:1], np.zeros((1, 3)), 60.0)
    still = replace(one, rotations=one.rotations.repeat(300, 0), root_m=one.root_m.repeat(300, 0))
    for clip in (one, still):
        grid = beat_grid(clip)
        assert (grid.bpm, grid.confidence) == (105.0, 0.0)
        assert len(grid.beats_s) == len(timebase.beat_times(105.0, 0.0, clip.duration_s))


@pytest.mark.parametrize("duration_s", [3.0, 600.0])
def test_short_and_long_dances_work(duration_s):
    clip, _ = stepping_clip(100.0, duration_s=duration_s, fps=30.0)
    ratio = beat_grid(clip).bpm / 100.0
    assert min(abs(ratio / factor - 1) for factor in (0.5, 1.0, 2.0)) < 0.04


def test_a_drifting_tempo_is_followed():
    clip, beats = stepping_clip(100.0, duration_s=60.0, drift=0.12)
    grid = beat_grid(clip)
    assert not grid.steady
    # This body rests on the beat itself, see above.
    assert phase_error_s(grid, beats) < 0.08
    assert np.diff(grid.beats_s)[-10:].mean() < 0.95 * np.diff(grid.beats_s)[:10].mean()


def test_motion_beats_are_the_moments_of_rest():
    clip, beats = stepping_clip(60.0)
    found = motion_beats(clip)
    inner = beats[(beats > 0.5) & (beats < 11.5)]
    assert np.abs(inner[:, None] - found).min(axis=1).max() < 0.05


def test_impossible_requests_are_reported():
    clip, _ = stepping_clip(100.0)
    with pytest.raises(MotionError, match="30 to 300 bpm"):
        beat_grid(clip, bpm=1000.0)
    with pytest.raises(MotionError, match="first beat"):
        fixed_grid(100.0, float("nan"), 10.0)


def test_listed_beats_are_the_grid_and_continue_at_their_pace():
    grid = grid_of_beats(np.array([1.0, 1.5, 2.0, 2.6]), 4.0)
    np.testing.assert_allclose(grid.beats_s, [0.0, 0.5, 1.0, 1.5, 2.0, 2.6, 3.2, 3.8])
    assert grid.bar_start_s == 1.0
    assert not grid.steady
    assert grid_of_beats(np.array([0.2, 0.7]), 2.0).steady


@pytest.mark.parametrize(
    ("beats", "said"), [([1.0], "two"), ([1.0, 0.5], "ascending"), ([9.0, 9.5], "dance lasts 4 s")]
)
def test_listed_beats_that_fit_no_dance_are_reported(beats, said):
    with pytest.raises(MotionError, match=said):
        grid_of_beats(np.array(beats), 4.0)


def test_readings_are_listed_and_can_be_taken():
    clip, _ = stepping_clip(100.0)
    grid = beat_grid(clip)
    assert grid.readings[0].probability == grid.confidence
    assert grid.readings[0].bpm == pytest.approx(grid.bpm, rel=0.02)
    second = beat_grid(clip, reading=2)
    assert second.bpm == pytest.approx(grid.readings[1].bpm, rel=0.02)
    assert second.confidence == grid.readings[1].probability <= grid.confidence
    with pytest.raises(MotionError, match="readings of this dance, found 20"):
        beat_grid(clip, reading=20)


def test_a_named_metre_is_held():
    dance = choreograph(3, DanceRequest(genre="house", bpm=120.0, duration_s=10.0))
    grid = beat_grid(dance.clip, metre=3)
    assert grid.metre == 3
    assert all(reading.metre == 3 for reading in grid.readings)
    with pytest.raises(MotionError, match="3 or 4 beats to the bar, found 5"):
        beat_grid(dance.clip, metre=5)


def test_dancers_together_have_one_grid_clearer_than_either():
    bpm, one = 108.0, []
    for seed in range(4):
        request = DanceRequest(genre="locking", bpm=bpm, duration_s=8.0, first_beat_s=0.3)
        one.append(choreograph(40 + seed, request).clip)
    group = group_beat_grid(one)
    assert group.bpm == pytest.approx(bpm, rel=0.04)
    alone = [beat_grid(clip).confidence for clip in one]
    assert group.confidence > np.median(alone)
    with pytest.raises(MotionError, match="one dance or more"):
        group_beat_grid([])


def waving_arm_clip():
    """Only the left elbow moves, regularly."""
    times = np.arange(300) / 30.0
    pose = np.zeros((300, 24, 3))
    pose[:, 18, 1] = 0.8 * np.sin(2 * np.pi * times * 100.0 / 60.0)
    return clip_from_axis_angle(pose, np.zeros((300, 3)), fps=30.0)


@pytest.mark.parametrize(
    ("clip", "note"),
    [
        (waving_arm_clip(), "few joints move"),
        (resample(stepping_clip(100.0)[0], 5.0), "too few frames a second"),
        (stepping_clip(100.0, duration_s=3.0)[0], "too short to be sure"),
        (
            choreograph(42, DanceRequest(genre="house", bpm=110.0, duration_s=3.0)).clip,
            "too short to be sure",
        ),
    ],
)
def test_poor_input_is_reported_with_low_confidence(clip, note):
    grid = beat_grid(clip)
    assert grid.note == note
    assert grid.confidence < 0.5
