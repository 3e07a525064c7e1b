"""Choreography: on the beat, on the floor, reproducible from a seed."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import genres
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.corpus.choreography.timing import timing_of
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats.event_lags import event_lags, pooled

TOES = [skeleton.joint_index("left_foot"), skeleton.joint_index("right_foot")]


def dance(seed=1, genre="MH", bpm=100.0, duration_s=10.0, **options):
    return choreograph(seed, DanceRequest(genre=genre, bpm=bpm, duration_s=duration_s, **options))


def test_the_same_seed_dances_the_same_dance():
    one, two = dance(), dance()
    assert np.array_equal(one.clip.rotations, two.clip.rotations)
    assert np.array_equal(one.clip.root_m, two.clip.root_m)
    assert np.array_equal(one.energy, two.energy)


@pytest.mark.parametrize("change", [{"seed": 2}, {"genre": "KR"}, {"bpm": 120.0}])
def test_another_seed_genre_or_tempo_dances_another(change):
    assert not np.allclose(dance().clip.rotations, dance(**change).clip.rotations)


def test_beats_are_a_steady_grid_through_the_first_beat_requested():
    made = dance(bpm=120.0, first_beat_s=0.7)
    assert np.allclose(np.diff(made.beats_s), 0.5)
    assert np.isclose(made.downbeats_s, 0.7).any()
    assert np.allclose(np.diff(made.downbeats_s), 2.0)
    assert made.beats_s[0] == pytest.approx(0.2)
    assert len(made.energy) == len(made.beats_s)


def test_the_first_beat_of_a_bar_falls_anywhere():
    first = [dance(seed=seed, duration_s=3.0).downbeats_s[0] for seed in range(12)]
    assert np.ptp(first) > 1.0


def test_length_and_rate_are_those_requested():
    clip = dance(duration_s=4.0, fps=30.0).clip
    assert (clip.frame_count, clip.fps) == (120, 30.0)


@pytest.mark.parametrize("genre", genres.CODES)
def test_a_body_stays_a_body(genre):
    clip = dance(seed=3, genre=genre, duration_s=12.0).clip
    positions = kinematics.joint_positions(clip)
    lowest = positions[:, TOES, 1].min(axis=1)
    assert np.quantile(np.abs(lowest), 0.9) < 0.06
    assert lowest.min() > -0.05
    assert 0.25 < positions[:, 0, 1].min() < positions[:, 0, 1].max() < 1.4
    speed = kinematics.joint_speeds(clip)
    assert 0.1 < speed.mean() < 1.5
    assert np.quantile(speed, 0.999) < 12.0


def test_feet_do_not_slide_most_of_the_time():
    clip = dance(seed=5, genre="PO", duration_s=16.0).clip
    positions, speed = kinematics.joint_positions(clip), kinematics.joint_speeds(clip)
    planted = positions[:, TOES, 1] < 0.04
    assert np.median(speed[:, TOES][planted]) < 0.08


def half_beat_distance(clip, beats_s):
    """Mean distance of the body's rests from the nearest half-beat, in half-beats."""
    speed = gaussian_filter1d(kinematics.joint_speeds(clip).mean(axis=1), 0.05 * clip.fps)
    minima_s = find_peaks(-speed)[0] / clip.fps
    half_s = (beats_s[1] - beats_s[0]) / 2.0
    phase = ((minima_s - beats_s[0]) / half_s + 0.5) % 1.0 - 0.5
    return np.mean(np.abs(phase))


def test_the_body_slows_as_near_to_the_half_beats_as_real_ones_do():
    made = []
    for seed, genre in enumerate(genres.CODES * 2):
        one = dance(seed=seed, genre=genre, bpm=90.0, duration_s=16.0)
        made.append(half_beat_distance(one.clip, one.beats_s))
    real = {code: [] for code in genres.CODES}
    for each in labelled_dances():
        if each.downbeat_s is not None:
            real[each.genre].append(half_beat_distance(each.clip, each.beats_s))
    # Chance is a quarter; the labelled dances have 0.22.
    assert np.mean(made) < 0.245
    assert np.mean(made) == pytest.approx(np.mean([np.mean(v) for v in real.values()]), abs=0.025)


def test_dances_keep_the_time_of_their_genre():
    """Where the labelled dances are clearly early or late, so are choreographed ones."""
    for genre, kind, low_s, high_s in (
        ("HO", "sinks", 0.01, 0.15),
        ("LH", "landings", 0.0, 0.06),
        ("KR", "rests of arms", 0.0, 0.07),
        ("BR", "sinks", 0.0, 0.09),
    ):
        each = [dance(seed=s, genre=genre, bpm=115.0, first_beat_s=0.0) for s in range(8)]
        lags = pooled(event_lags(one.clip, one.beats_s)[kind] for one in each)
        assert low_s < lags.median_s < high_s, (genre, kind, lags.median_s)


def test_waltz_body_is_lowest_on_downbeats():
    low = np.zeros(3)
    for seed in range(6):
        made = dance(seed=seed, genre="JB", bpm=120.0, duration_s=12.0, metre=3)
        assert made.metre == 3
        np.testing.assert_allclose(np.diff(made.downbeats_s), 1.5)
        height = made.clip.root_m[:, 1] - gaussian_filter1d(made.clip.root_m[:, 1], 90.0)
        late_s = timing_of("JB").bounce_s
        for beat in made.beats_s[made.beats_s < 11.8]:
            number = round((beat - made.downbeats_s[0]) / 0.5) % 3
            low[number] += height[int((beat + late_s) * 60.0)]
    assert low[0] < low[1]
    assert low[0] < low[2]


def test_another_metre_is_refused():
    with pytest.raises(ConfigError, match="3 or 4 beats to the bar, found 5"):
        dance(metre=5)


def test_energy_measures_motion():
    made = dance(seed=7, genre="JS", duration_s=20.0)
    speed = kinematics.joint_speeds(made.clip).mean(axis=1)
    frames = (made.beats_s * made.clip.fps).astype(int)
    moved = [part.mean() for part in np.split(speed, frames)[1:]]
    assert np.corrcoef(moved, made.energy)[0, 1] > 0.8
    assert (made.energy >= 0).all()
    assert (made.energy <= 1).all()


@pytest.mark.parametrize(
    "change", [{"genre": "polka"}, {"bpm": 0.0}, {"duration_s": 0.0}, {"fps": -1.0}]
)
def test_what_cannot_be_danced_is_refused(change):
    with pytest.raises(ConfigError):
        dance(**change)


def test_a_foot_that_steps_is_lifted():
    clip = dance(seed=5, genre="HO", duration_s=16.0).clip
    positions = kinematics.joint_positions(clip)[:, TOES]
    across = np.linalg.norm(kinematics.velocity(positions, clip.fps)[..., [0, 2]], axis=-1)
    height = positions[..., 1] - positions[..., 1].min(axis=0)
    assert np.median(height[across > 0.5]) > 0.03
    assert np.quantile(height[across < 0.05], 0.75) < 0.02
