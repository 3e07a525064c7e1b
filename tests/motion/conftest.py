"""A synthetic dance for the tests of motion files."""

import numpy as np
import pytest

from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip, clip_from_axis_angle


@pytest.fixture
def dance() -> MotionClip:
    """Four seconds at 30 fps: it turns, sways, bends knees and elbows, and every joint moves."""
    time_s = np.arange(120) / 30.0
    rng = np.random.default_rng(7)
    phase = rng.uniform(0.0, 2.0 * np.pi, (24, 3))
    rate = rng.uniform(0.3, 1.2, (24, 3))
    wave = np.sin(2.0 * np.pi * rate * time_s[:, None, None] + phase)
    pose = 0.15 * wave
    joint = skeleton.joint_index
    pose[:, joint("pelvis"), 1] += time_s
    for side, way in (("left", 1.0), ("right", -1.0)):
        pose[:, joint(f"{side}_hip"), 0] -= 0.4
        pose[:, joint(f"{side}_knee"), 0] += 0.7
        pose[:, joint(f"{side}_shoulder"), 2] -= way * 1.0
        pose[:, joint(f"{side}_elbow"), 1] -= way * 0.9
    root_m = 0.2 * wave[:, 0] + np.array([0.3, 0.9, -0.5])
    return clip_from_axis_angle(pose, root_m, fps=30.0, name="dance")
