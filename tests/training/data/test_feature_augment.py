from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import rhythm_features
from kinetune.training.data.feature_augment import FeatureAugmentation, augment_features
from tests.conftest import swaying_clip

NONE = FeatureAugmentation(noise=0.0, mirror=0.0, drop_joint=0.0, speed_shift=0.0)


def rows(clip):
    return torch.from_numpy(rhythm_features(clip))[None]


def drawn(features, told, seed=0):
    return augment_features(features, told, torch.Generator().manual_seed(seed))


def in_a_mirror(clip):
    """The clip seen in the plane x = 0, with left and right joints renamed."""
    quat = clip.rotations * np.array([1.0, 1.0, -1.0, -1.0])
    order = [
        skeleton.joint_index(
            name.replace("left", "x").replace("right", "left").replace("x", "right")
            if name.startswith(("left", "right"))
            else name
        )
        for name in skeleton.JOINT_NAMES
    ]
    return MotionClip(quat[:, order], clip.root_m * [-1.0, 1.0, 1.0], clip.fps, "mirror", "test")


def test_nothing_requested_changes_nothing():
    features = rows(swaying_clip())
    assert torch.equal(drawn(features, NONE), features)


def test_the_mirror_is_what_a_mirrored_dancer_gives():
    clip = swaying_clip()
    swapped = drawn(rows(clip), replace(NONE, mirror=1.0))
    # The hips of the mean skeleton lean by a fifteenth themselves.
    np.testing.assert_allclose(swapped, rows(in_a_mirror(clip)), atol=0.15)
    assert (rows(clip) - rows(in_a_mirror(clip))).abs().max() > 0.3


def test_twice_in_the_mirror_is_the_dancer():
    told = replace(NONE, mirror=1.0)
    features = torch.randn(3, 5, 58)
    assert torch.equal(drawn(drawn(features, told), told), features)


def test_a_dropped_joint_has_its_mean():
    out = drawn(torch.ones(50, 4, 58), replace(NONE, drop_joint=0.3))
    lost = out == 0.0
    assert torch.equal(lost[..., :24], lost[..., 24:48])
    assert not lost[..., 48:].any()
    assert lost[:, 0, :24].float().mean() == pytest.approx(0.3, abs=0.05)


def test_effort_lifts_all_speeds_equally():
    out = drawn(torch.zeros(4, 6, 58), replace(NONE, speed_shift=1.0))
    assert (out[..., :50] == out[:, :1, :1]).all()
    assert (out[..., 50:] == 0).all()
    assert out[:, 0, 0].std() > 0.2


def test_noise_has_the_spread_requested():
    out = drawn(torch.zeros(8, 50, 58), replace(NONE, noise=0.2))
    assert out.std() == pytest.approx(0.2, rel=0.05)


def test_columns_of_unknown_meaning_get_the_noise_alone():
    features = torch.ones(2, 5, 360)
    assert torch.equal(drawn(features, replace(FeatureAugmentation(), noise=0.0)), features)


def test_the_same_generator_augments_equally():
    features = torch.randn(4, 5, 58)
    assert torch.equal(
        drawn(features, FeatureAugmentation(), 3), drawn(features, FeatureAugmentation(), 3)
    )
    assert not torch.equal(
        drawn(features, FeatureAugmentation(), 3), drawn(features, FeatureAugmentation(), 4)
    )


def test_the_mirror_swaps_exactly_the_columns_of_left_and_right():
    features = torch.arange(58.0).expand(1, 2, 58)
    swapped = augment_features(features, replace(NONE, mirror=1.0), torch.Generator())[0, 0]
    names = skeleton.JOINT_NAMES
    for block in (0, 24):
        for joint, name in enumerate(names):
            side = {"left": "right", "right": "left"}.get(name.split("_")[0])
            opposite = names.index(side + name[name.index("_") :]) if side else joint
            assert swapped[block + joint] == block + opposite, name
    # Feet change places, the sideways lean changes its sign, the rest stays.
    assert swapped[48:].tolist() == [48, 49, 50, 51, 52, 53, 55, 54, 56, -57]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_mirror_has_its_probability(share):
    features = torch.arange(58.0).expand(4000, 1, 58)
    out = augment_features(features, replace(NONE, mirror=share), torch.Generator().manual_seed(0))
    assert (out[:, 0, 57] < 0).float().mean().item() == pytest.approx(share, abs=0.02)


def test_the_speed_shift_is_one_normal_number_a_window():
    features = torch.zeros(4000, 2, 58)
    out = augment_features(
        features, replace(NONE, speed_shift=0.3), torch.Generator().manual_seed(0)
    )
    assert out[:, 0, 3].std().item() == pytest.approx(0.3, rel=0.05)
    assert out[:, 0, 3].mean().item() == pytest.approx(0.0, abs=0.02)
    assert torch.equal(out[:, 0, :50], out[:, 1, :1].expand(-1, 50))
