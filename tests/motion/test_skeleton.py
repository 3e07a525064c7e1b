"""The mean skeleton: a T-pose facing +z whose sides mirror each other, with SMPL's bone lengths."""

import numpy as np
import pytest

from kinetune.motion import skeleton

REST = skeleton.rest_positions_m()


def at(name):
    return REST[skeleton.joint_index(name)]


def test_the_sides_mirror_each_other():
    for joint, name in enumerate(skeleton.JOINT_NAMES):
        offset = skeleton.OFFSETS_M[joint]
        other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        mirrored = skeleton.OFFSETS_M[skeleton.joint_index(other)] * [-1.0, 1.0, 1.0]
        # A mean of scanned people: the sides differ by a few centimetres.
        np.testing.assert_allclose(offset, mirrored, atol=0.035, err_msg=name)


@pytest.mark.parametrize(
    ("bone", "length_m"),
    [("hip", 0.106), ("knee", 0.388), ("ankle", 0.425), ("foot", 0.145), ("collar", 0.139),
     ("shoulder", 0.128), ("elbow", 0.260), ("wrist", 0.268), ("hand", 0.089)],
)  # fmt: skip
def test_bones_have_the_published_lengths(bone, length_m):
    for side in skeleton.SIDES:
        offset = skeleton.OFFSETS_M[skeleton.joint_index(f"{side}_{bone}")]
        assert np.linalg.norm(offset) == pytest.approx(length_m, abs=0.008)


def test_it_is_upright_in_a_t_pose_facing_forwards():
    heights = [at(name)[1] for name in ("left_ankle", "left_knee", "left_hip", "pelvis", "neck",
                                        "head")]  # fmt: skip
    assert heights == sorted(heights)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = np.diff(
            [at(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist", "hand")], axis=0
        )
        along = sign * arm[:, 0] / np.linalg.norm(arm, axis=1)
        assert (along > 0.97).all()
        toes = at(f"{side}_foot") - at(f"{side}_ankle")
        assert toes[2] > 0.1


def test_the_leg_is_thigh_and_shin():
    assert skeleton.leg_length_m() == pytest.approx(0.813, abs=0.001)
