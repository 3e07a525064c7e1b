"""Foot locking: sliding of toes during contacts."""

import numpy as np
import pytest

from kinetune import genres
from kinetune.corpus.choreography import foot_lock, motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.motion import kinematics, rotations, skeleton

TOES = [skeleton.joint_index("left_foot"), skeleton.joint_index("right_foot")]
LEG_JOINTS = [1, 2, 4, 5, 7, 8]


def slides_m(clip, *, low_m=0.025):
    """Net way of a toe over each 0.1 s or more that it is low and moves neither up nor down."""
    positions = kinematics.joint_positions(clip)[:, TOES]
    rising = kinematics.velocity(positions, clip.fps)[..., 1]
    low = positions[..., 1] - np.percentile(positions[..., 1], 2.0, axis=0) < low_m
    out = []
    for toe in range(2):
        stands = low[:, toe] & (np.abs(rising[:, toe]) < 0.15)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], stands.astype(int), [0]])))
        for first, end in edges.reshape(-1, 2):
            if end - first >= 0.1 * clip.fps:
                way = positions[end - 1, toe] - positions[first, toe]
                out.append(float(np.hypot(way[0], way[2])))
    return np.array(out)


def standing(frames=120):
    """A body at rest, ankles and toes on the floor: rotations and path."""
    quats = np.zeros((frames, skeleton.JOINT_COUNT, 4))
    quats[..., 0] = 1.0
    # Bent knees, so that a leg can give.
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        for joint, degrees in ((hip, -20.0), (knee, 40.0), (ankle, -20.0)):
            angle = np.deg2rad([degrees, 0.0, 0.0])
            quats[:, joint] = rotations.quat_from_axis_angle(angle)
    root_m = np.zeros((frames, 3))
    root_m[:, 1] = -kinematics.forward_kinematics(quats, root_m)[0, :, 1].min()
    return quats, root_m


@pytest.mark.parametrize("genre", genres.CODES)
def test_a_choreographed_foot_slides_less_than_2_cm_a_contact(genre):
    slides = np.concatenate(
        [
            slides_m(choreograph(s, DanceRequest(genre=genre, bpm=110.0, duration_s=16.0)).clip)
            for s in range(3)
        ]
    )
    assert len(slides) > 20
    assert np.mean(slides < 0.02) > 0.98
    assert np.median(slides) < 0.003


def test_a_time_warped_dances_foot_hardly_slides():
    dances = [
        warp_to_beats(
            s,
            motion_library.library(),
            DanceRequest(genre="HO", bpm=85.0 + 10 * s, duration_s=20.0),
        )
        for s in range(6)
    ]
    for low_m in (0.025, 0.05):
        slides = np.concatenate([slides_m(dance.clip, low_m=low_m) for dance in dances])
        assert len(slides) > 60
        assert np.mean(slides < 0.02) > 0.93


def test_a_motionless_body_is_unchanged():
    quats, root_m = standing()
    fixed, lowered = foot_lock.lock_feet(quats, root_m, 60.0)
    np.testing.assert_allclose(np.abs(np.sum(fixed * quats, axis=-1)), 1.0, atol=1e-6)
    np.testing.assert_allclose(lowered, root_m, atol=0.02)


def test_foot_lock_holds_feet_under_a_drifting_body():
    quats, root_m = standing()
    root_m[:, 0] += np.linspace(0.0, 0.05, len(root_m))
    toes = kinematics.forward_kinematics(*foot_lock.lock_feet(quats, root_m, 60.0))[:, TOES]
    assert np.ptp(toes[..., 0], axis=0).max() < 0.002
    assert np.ptp(kinematics.forward_kinematics(quats, root_m)[:, TOES, 0], axis=0).min() > 0.049


def test_a_foot_that_slides_far_steps_instead():
    quats, root_m = standing()
    share = np.clip((np.arange(len(root_m)) - 50) / 20.0, 0.0, 1.0)
    root_m[:, 0] += 0.4 * share
    toes = kinematics.forward_kinematics(*foot_lock.lock_feet(quats, root_m, 60.0))[:, TOES]
    assert (np.ptp(toes[..., 0], axis=0) > 0.35).all()
    assert (toes[..., 1].max(axis=0) - toes[0, :, 1] > 0.03).all()


def test_only_legs_and_height_change():
    dance = warp_to_beats(
        3, motion_library.library(), DanceRequest(genre="HO", bpm=100.0, duration_s=8.0)
    ).clip
    quats, root_m = foot_lock.lock_feet(dance.rotations, dance.root_m, dance.fps)
    kept = [j for j in range(skeleton.JOINT_COUNT) if j not in LEG_JOINTS]
    np.testing.assert_array_equal(quats[:, kept], dance.rotations[:, kept])
    np.testing.assert_array_equal(root_m[:, [0, 2]], dance.root_m[:, [0, 2]])
    np.testing.assert_allclose(np.linalg.norm(quats, axis=-1), 1.0, atol=1e-9)


def test_feet_keep_the_direction_they_had():
    dance = warp_to_beats(
        4, motion_library.library(), DanceRequest(genre="HO", bpm=100.0, duration_s=8.0)
    ).clip
    quats, _ = foot_lock.lock_feet(dance.rotations, dance.root_m, dance.fps)
    before, after = (kinematics.global_rotations(t)[:, [7, 8]] for t in (dance.rotations, quats))
    np.testing.assert_allclose(np.abs(np.sum(before * after, axis=-1)), 1.0, atol=1e-9)


@pytest.mark.parametrize(("fps", "duration_s"), [(60.0, 0.02), (1.0, 3.0), (0.2, 30.0)])
def test_it_takes_the_shortest_and_the_slowest_clips(fps, duration_s):
    dance = warp_to_beats(
        1,
        motion_library.library(),
        DanceRequest(genre="HO", bpm=100.0, duration_s=duration_s, fps=fps),
    )
    assert np.isfinite(dance.clip.rotations).all()
