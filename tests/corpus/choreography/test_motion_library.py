"""The library of real dances, and a user's folder."""

import numpy as np
import pytest

from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import ConfigError
from kinetune.motion import kinematics
from kinetune.motion.clip import clip_from_axis_angle, cut, resample
from kinetune.motion.io.bvh import write_bvh
from kinetune.motion.io.formats import read_motion
from tests.conftest import EXAMPLE


def test_every_clip_of_the_library_is_credited():
    library = motion_library.library()
    assert len(library) == 22
    assert {clip.source.split(",")[0] for clip in library} == {
        "AIST++ dataset", "Animated Drawings", "CMU Graphics Lab Motion Capture Database",
    }  # fmt: skip


def test_the_library_contains_the_dance_itself():
    stored = next(clip for clip in motion_library.library() if clip.name == EXAMPLE.stem)
    original = resample(read_motion(EXAMPLE), 30.0)
    np.testing.assert_allclose(
        kinematics.joint_speeds(stored), kinematics.joint_speeds(original), atol=0.05
    )


def test_packing_keeps_a_pose_to_the_step(clip):
    quats, path = motion_library.quantise(clip)
    back = clip_from_axis_angle(
        quats * motion_library._ROTATION_STEP, path * motion_library._POSITION_STEP_M, fps=clip.fps
    )
    away = kinematics.joint_positions(back) - kinematics.joint_positions(clip)
    away -= away.mean(axis=0)
    assert np.abs(away).max() < 2e-3


@pytest.fixture
def clip():
    return choreograph(1, DanceRequest(genre="BR", bpm=100.0, duration_s=4.0)).clip


def test_a_folder_without_motions_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="no motion files"):
        motion_library.read_clip_folder(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        motion_library.read_clip_folder(tmp_path / "nowhere")


def test_a_clip_too_short_to_hold_a_phrase_is_reported(tmp_path, clip):
    write_bvh(tmp_path / "short.bvh", cut(clip, 0.0, 1.0))
    with pytest.raises(ConfigError, match=r"short\.bvh: lasts 1\.0 s"):
        motion_library.read_clip_folder(tmp_path)
