import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.io import smpl


@pytest.mark.parametrize("value", [[[1, 2], [3]], "text", [None], object()])
def test_things_that_are_not_numbers_are_refused(value):
    with pytest.raises(MotionError, match=r"a\.pkl: pos: expected an array of numbers"):
        smpl.numbers(value, "a.pkl: pos")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_value_that_is_not_finite_is_refused_with_its_frame(bad):
    pose = np.zeros((4, 22, 3))
    pose[2, 5, 1] = bad
    with pytest.raises(MotionError, match="frame 2 holds NaN"):
        smpl.clip_from_smpl("a", pose, np.zeros((4, 3)), fps=30.0, source="amass", up="+y")


def test_a_long_pose_is_turned_piece_by_piece(monkeypatch):
    rng = np.random.default_rng(0)
    pose, root = rng.normal(size=(50, 22, 3)), rng.normal(size=(50, 3))
    ways = {"fps": 30.0, "source": "test", "up": "+z"}
    whole = smpl.clip_from_smpl("a", pose, root, **ways)
    monkeypatch.setattr(smpl, "CHUNK_FRAMES", 7)
    monkeypatch.setattr(smpl.rotations, "CHUNK_FRAMES", 7)
    parts = smpl.clip_from_smpl("a", pose, root, **ways)
    np.testing.assert_array_equal(parts.rotations, whole.rotations)
    np.testing.assert_array_equal(parts.root_m, whole.root_m)
