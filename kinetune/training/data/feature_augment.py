"""Random changes of motion features, so that a model generalises to other bodies and captures.

A window may be mirrored, have joints dropped, have its speeds scaled, and get noise; each is
sampled independently per window. Features (B, L, F) are normalised: 0 is a column's mean. Mirroring
and losing joints need the meaning of the columns, which is known for the ``rhythm`` features only;
other features get the noise alone.
"""

import torch
from torch import Tensor

from kinetune.config import NonNegative, Share, settings
from kinetune.motion import skeleton
from kinetune.motion.features import RHYTHM_FEATURE_COUNT

_JOINTS = skeleton.JOINT_COUNT
# Whole-body columns after the joints' speeds and angular speeds, see ``rhythm_features``.
_LEFT_FOOT, _RIGHT_FOOT, _SIDE_LEAN = 2 * _JOINTS + 6, 2 * _JOINTS + 7, 2 * _JOINTS + 9
_SPEED_COLUMNS = (*range(2 * _JOINTS), 2 * _JOINTS, 2 * _JOINTS + 1)


@settings
class FeatureAugmentation:
    """How much the features of a window are changed.

    Attributes:
        noise: Standard deviation of the noise on every value.
        mirror: Probability that left and right are swapped.
        drop_joint: Probability that the two columns of a joint are set to their mean, per joint.
        speed_shift: Standard deviation of one number a window that is added to all its speeds.
    """

    noise: NonNegative = 0.1
    mirror: Share = 0.5
    drop_joint: Share = 0.03
    speed_shift: NonNegative = 0.15


def augment_features(
    features: Tensor, settings: FeatureAugmentation, generator: torch.Generator
) -> Tensor:
    """Return randomly changed features (B, L, F)."""
    out = features
    if features.shape[-1] == RHYTHM_FEATURE_COUNT:
        out = _mirror(out, settings.mirror, generator)
        out = _shift_speeds(out, settings.speed_shift, generator)
        out = _drop_joints(out, settings.drop_joint, generator)
    return out + settings.noise * torch.randn(out.shape, generator=generator)


def _mirror(features: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Swap left and right in a window with the given probability."""
    swapped = features[..., torch.tensor(_mirror_columns())].clone()
    swapped[..., _SIDE_LEAN] *= -1.0
    chosen = torch.rand(len(features), generator=generator) < probability
    return torch.where(chosen[:, None, None], swapped, features)


def _shift_speeds(features: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Add one number a window to all columns that measure speed."""
    shift = deviation * torch.randn(len(features), generator=generator)
    columns = torch.zeros(features.shape[-1])
    columns[list(_SPEED_COLUMNS)] = 1.0
    return features + shift[:, None, None] * columns


def _drop_joints(features: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Set both columns of dropped joints to their mean, 0."""
    draws = torch.rand(len(features), _JOINTS, generator=generator)
    kept = (draws >= probability).to(features.dtype)
    others = torch.ones(len(features), features.shape[-1] - 2 * _JOINTS)
    return features * torch.cat([kept, kept, others], dim=1)[:, None]


def _mirror_columns() -> list[int]:
    """Return for each column the column that a mirrored dancer would have there."""
    joints = []
    for name in skeleton.JOINT_NAMES:
        side, _, rest = name.partition("_")
        opposite = {"left": "right", "right": "left"}.get(side)
        joints.append(skeleton.joint_index(f"{opposite}_{rest}" if opposite else name))
    columns = joints + [_JOINTS + joint for joint in joints]
    columns += list(range(2 * _JOINTS, RHYTHM_FEATURE_COUNT))
    columns[_LEFT_FOOT], columns[_RIGHT_FOOT] = _RIGHT_FOOT, _LEFT_FOOT
    return columns
