"""Roughens what a model is told of the body, so that other bodies and captures do not throw it.

A dance means the same in a mirror, with a joint that the suit lost, by a livelier or a calmer
dancer, or with a little noise; each is drawn for a window on its own. Works on normalised features
(B, L, F), where 0 is a column's mean. Losing and swapping joints need to know which columns are
whose: that is known of the ``rhythm`` features alone, others get the noise only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kinetune.motion import skeleton
from kinetune.motion.features import RHYTHM_FEATURE_COUNT

_JOINTS = skeleton.JOINT_COUNT
# Whole-body columns after the joints' speeds and spins, see ``rhythm_features``.
_LEFT_FOOT, _RIGHT_FOOT, _SIDE_LEAN = 2 * _JOINTS + 6, 2 * _JOINTS + 7, 2 * _JOINTS + 9
_SPEED_COLUMNS = (*range(2 * _JOINTS), 2 * _JOINTS, 2 * _JOINTS + 1)


@dataclass(frozen=True)
class FeatureAugmentation:
    """How much the features of a window are augment_features.

    Attributes:
        noise: Deviation of the noise on every value.
        mirror: How often left and right are swapped.
        drop_joint: How often a joint's two columns are lost, joint by joint.
        speed_shift: Deviation of a window's liveliness: one number added to all speeds.
    """

    noise: float = 0.1
    mirror: float = 0.5
    drop_joint: float = 0.03
    speed_shift: float = 0.15


def augment_features(
    features: Tensor, told: FeatureAugmentation, generator: torch.Generator
) -> Tensor:
    """Return features (B, L, F) as another body or capture might have given them."""
    out = features
    if features.shape[-1] == RHYTHM_FEATURE_COUNT:
        out = _mirror(out, told.mirror, generator)
        out = _shift_speeds(out, told.speed_shift, generator)
        out = _drop_joints(out, told.drop_joint, generator)
    return out + told.noise * torch.randn(out.shape, generator=generator)


def _mirror(features: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Swap left and right in about ``share`` of the windows."""
    swapped = features[..., torch.tensor(_mirror_columns())].clone()
    swapped[..., _SIDE_LEAN] *= -1.0
    chosen = torch.rand(len(features), generator=generator) < share
    return torch.where(chosen[:, None, None], swapped, features)


def _shift_speeds(features: Tensor, spread: float, generator: torch.Generator) -> Tensor:
    """Add one number a window to all columns that tell of effort."""
    lift = spread * torch.randn(len(features), generator=generator)
    effort = torch.zeros(features.shape[-1])
    effort[list(_SPEED_COLUMNS)] = 1.0
    return features + lift[:, None, None] * effort


def _drop_joints(features: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Bring both columns of lost joints to their mean."""
    kept = (torch.rand(len(features), _JOINTS, generator=generator) >= share).to(features.dtype)
    whole = torch.ones(len(features), features.shape[-1] - 2 * _JOINTS)
    return features * torch.cat([kept, kept, whole], dim=1)[:, None]


def _mirror_columns() -> list[int]:
    joints = []
    for name in skeleton.JOINT_NAMES:
        side, _, rest = name.partition("_")
        other = {"left": "right", "right": "left"}.get(side)
        joints.append(skeleton.joint_index(f"{other}_{rest}" if other else name))
    columns = joints + [_JOINTS + joint for joint in joints]
    columns += list(range(2 * _JOINTS, RHYTHM_FEATURE_COUNT))
    columns[_LEFT_FOOT], columns[_RIGHT_FOOT] = _RIGHT_FOOT, _LEFT_FOOT
    return columns
