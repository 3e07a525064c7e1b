"""A small network that has learned where the beats lie in a body, run with NumPy alone.

Every joint is heard by the same two convolutions, so that no pose can be learned by heart; pelvis,
trunk, legs and arms are each summed up by mean and maximum; dilated convolutions over time then
look some eight seconds either way. It is trained by ``kinetune train beats``; its twin for training
is ``training/beat_module.py``. Thirty rows a second; metres, y up.

Axes: T rows, J = 24 joints, K = 5 numbers a joint, C channels. A folder holds ``config.json`` and
``model.safetensors`` in half precision.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.special import erf

from kinetune import config, files, timebase
from kinetune.errors import ConfigError, ModelError
from kinetune.motion import kinematics
from kinetune.motion.clip import MotionClip, resample

Rows = NDArray[np.float32]
Weights = Mapping[str, NDArray[np.float32]]

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
BUNDLED = files.WEIGHTS / "beats"
NUMBERS_A_JOINT = 5
# Beat and downbeat.
OUTPUTS = 2
#: Joints that are summed up together: pelvis and hips, trunk, legs, arms.
GROUPS = (
    (0, 1, 2),
    (3, 6, 9, 12, 15),
    (4, 5, 7, 8, 10, 11),
    (13, 14, 16, 17, 18, 19, 20, 21, 22, 23),
)
# A joint higher than this above the lowest one is simply in the air, metres.
_HIGHEST_M = 0.4
_EPSILON = 1e-5


@dataclass(frozen=True)
class BeatNetworkConfig:
    """Figures of the network.

    Attributes:
        joint_channels: Width of what hears a joint.
        channels: Width C of what looks over time.
        kernel: Taps of every convolution over time, odd.
        dilations: One block each, in frames.

    Raises:
        ConfigError: A figure is not positive, or the kernel is even.
    """

    joint_channels: int = 16
    channels: int = 48
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 1)

    def __post_init__(self) -> None:
        if min(self.joint_channels, self.channels, self.kernel, *self.dilations, 1) < 1:
            raise ConfigError(f"a beat network's figures must be positive, found {self}")
        if self.kernel % 2 == 0:
            raise ConfigError(f"a beat network's kernel must be odd, found {self.kernel}")

    @property
    def reach_frames(self) -> int:
        """How far to either side a row is told by others."""
        # Two convolutions over a joint and one in each block.
        return self.kernel // 2 * (2 + sum(self.dilations))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names of the weights and their shapes."""
        joint, wide, taps = self.joint_channels, self.channels, self.kernel
        out: dict[str, tuple[int, ...]] = {
            **_affine("joint_first", joint, NUMBERS_A_JOINT, taps),
            **_affine("joint_second", joint, joint, taps),
            **_affine("inlet", wide, 2 * len(GROUPS) * joint, 1),
            **_affine("outlet", OUTPUTS, wide, 1),
        }
        for number in range(len(self.dilations)):
            out |= _affine(f"blocks.{number}.norm", wide)
            out |= _affine(f"blocks.{number}.over_time", wide, wide, taps)
            out |= _affine(f"blocks.{number}.mixing", wide, wide, 1)
        return out


class BeatNetwork:
    """The network with its weights.

    Args:
        settings: Its figures.
        weights: By name, see :attr:`BeatNetworkConfig.shapes`.
    """

    def __init__(self, settings: BeatNetworkConfig, weights: Weights) -> None:
        self.settings = settings
        self._weights = {name: value.astype(np.float32) for name, value in weights.items()}

    def __call__(self, rows: Rows) -> Rows:
        """Return logits of a beat and of a downbeat at each row: (T, 24, 5) -> (T, 2)."""
        heard = _gelu(self._convolved(rows.transpose(1, 0, 2), "joint_first"))
        heard = _gelu(self._convolved(heard, "joint_second"))
        parts = [heard[list(group)] for group in GROUPS]
        summed = [part for group in parts for part in (group.mean(axis=0), group.max(axis=0))]
        values = self._convolved(np.concatenate(summed, axis=-1), "inlet")
        for number, dilation in enumerate(self.settings.dilations):
            block = f"blocks.{number}"
            inner = self._normed(values, f"{block}.norm")
            inner = _gelu(self._convolved(inner, f"{block}.over_time", dilation))
            values = values + self._convolved(inner, f"{block}.mixing")
        return self._convolved(values, "outlet")

    def _convolved(self, values: Rows, name: str, dilation: int = 1) -> Rows:
        """Convolve over time, zeros beyond the ends: (..., T, C) -> (..., T, C')."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        count, taps = values.shape[-2], weight.shape[-1]
        beyond = dilation * (taps // 2)
        padding = [(0, 0)] * (values.ndim - 2) + [(beyond, beyond), (0, 0)]
        wide = np.pad(values, padding)
        out = np.broadcast_to(bias, (*values.shape[:-1], len(bias))).copy()
        for tap in range(taps):
            out += wide[..., tap * dilation :, :][..., :count, :] @ weight[:, :, tap].T
        return out

    def _normed(self, values: Rows, name: str) -> Rows:
        """Bring each row (T, C) to mean 0 and deviation 1, then scale and shift it."""
        apart = values - values.mean(axis=-1, keepdims=True)
        size = np.sqrt((apart**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        return apart / size * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def body_rows(clip: MotionClip) -> Rows:
    """Return what the network is told of a dance, at 30 rows a second, (T, 24, 5).

    For each joint: the logarithms (of 1 + m/s) of its speed in the world and of its speed seen from
    the pelvis; its vertical velocity in the world and seen from the pelvis, m/s; and its height
    above the lowest joint in units of half a metre. The pelvis is always seen from the world. None
    of it depends on where the body stands or faces.
    """
    fine = resample(clip, timebase.MOTION_FPS)
    places = kinematics.joint_positions(fine)
    moving = kinematics.velocity(places, fine.fps)
    seen = moving - moving[:, :1]
    seen[:, 0] = moving[:, 0]
    height = places[..., 1] - places[..., 1].min(axis=1, keepdims=True)
    numbers = (
        np.log1p(np.linalg.norm(moving, axis=-1)),
        np.log1p(np.linalg.norm(seen, axis=-1)),
        moving[..., 1],
        seen[..., 1],
        2.0 * np.minimum(height, _HIGHEST_M),
    )
    return np.stack(numbers, axis=-1).astype(np.float32)


def load_beat_network(folder: Path) -> BeatNetwork:
    """Load a network that ``kinetune train beats`` left.

    Raises:
        ModelError: The folder lacks a file, or the weights are not those of such a network.
    """
    try:
        table = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{folder}: not a beat network ({reason})") from error
    settings = config.build(BeatNetworkConfig, table, context=str(folder / CONFIG_FILE))
    found = {name: value.shape for name, value in weights.items()}
    if found != settings.shapes:
        odd = sorted(set(found.items()) ^ set(settings.shapes.items()))[0]
        raise ModelError(f"{folder}: weight {odd[0]!r} does not fit its {CONFIG_FILE}")
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise ModelError(f"{folder}: a weight is NaN or infinite; copy the file again")
    return BeatNetwork(settings, weights)


@cache
def bundled_network() -> BeatNetwork:
    """Return the network that comes with the package."""
    return load_beat_network(BUNDLED)


def _gelu(values: Rows) -> Rows:
    return values * np.float32(0.5) * (1 + erf(values * np.float32(np.sqrt(0.5))))


def _affine(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
