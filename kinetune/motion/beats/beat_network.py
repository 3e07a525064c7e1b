"""The beat network: from a dancer's movement to the phase of beat and bar, run with NumPy alone.

Several small temporal convolutional networks, trained from different seeds, are averaged; others
are specialists of synthetic movement: near zero on people, and trusted where they are not. Each
reads position relative to its mean, velocity and speed of 15 joints in the body's own frame, and
gives at 15 frames a second the expected phasors E[exp(i h φ)] of the beat's phase φ for
``HARMONICS`` h: the beat and its overtones (1, 2, 3) and the bar of four (1/4, 1/2, 3/4). A phasor
near zero says that the network is unsure. Trained by ``kinetune train beats``; its PyTorch twin is
``training/beat_module.py``. Dilated convolutions: van den Oord et al. 2016; for beats, Davies and
Böck 2019.

Axes: W windows, T frames at 30 fps, T' = T // 2 output frames, F features, C channels.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.ndimage import uniform_filter1d
from scipy.special import erf

from kinetune import config, timebase
from kinetune.errors import ConfigError, ModelError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.clip import MotionClip, resample, resampled_count

Array = NDArray[np.float32]
Weights = Mapping[str, NDArray[np.float32]]
Value = TypeVar("Value")

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
BUNDLED = Path(__file__).parents[2] / "weights" / "beats"
#: Multiples of the beat's phase whose phasors are estimated: the beat, then the bar of four.
HARMONICS = (1.0, 2.0, 3.0, 0.25, 0.5, 0.75)
OUTPUTS = 2 * len(HARMONICS)
#: Output frames a second; frame ``i`` stands midway between input frames ``2 i`` and ``2 i + 1``.
OUTPUT_FPS = timebase.MOTION_FPS / 2.0
#: The joints that are read; hands, collars and two of three spine joints repeat their neighbours.
JOINTS = tuple(
    skeleton.joint_index(name)
    for name in (
        *("pelvis", "spine3", "head", "left_knee", "right_knee", "left_ankle", "right_ankle"),
        *("left_foot", "right_foot", "left_shoulder", "right_shoulder", "left_elbow"),
        *("right_elbow", "left_wrist", "right_wrist"),
    )
)
VALUES_PER_JOINT = 7
FEATURES = len(JOINTS) * VALUES_PER_JOINT
# Input frames that one output frame reads directly.
STACKED = 4
_HEADING_FRAMES = 9
_EPSILON = 1e-5
# Long dances are read in windows as long as those it was trained on; the ends of each are dropped.
_WINDOW, _MARGIN = 300, 60
# Larger ones would keep the loader busy for hours.
_LARGEST_SIZE = 1024


@dataclass(frozen=True)
class BeatNetworkConfig:
    """Sizes of the network.

    Attributes:
        channels: Width C.
        dilations: Dilation of each block's convolution of three taps, in output frames.
        members: Number of networks that are averaged.
        specialists: Number of further networks that know synthetic movement alone, averaged too.

    Raises:
        ConfigError: A size is out of range.
    """

    channels: int = 64
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1)
    members: int = 1
    specialists: int = 0

    def __post_init__(self) -> None:
        counts = (self.channels, self.members, self.specialists + 1, len(self.dilations))
        sizes = (*counts, *self.dilations)
        if not min(sizes) >= 1 or not max(sizes) <= _LARGEST_SIZE:
            raise ConfigError(
                f"a beat network's sizes must be 1 to {_LARGEST_SIZE}, found {min(sizes)} and "
                f"{max(sizes)}"
            )

    @property
    def networks(self) -> int:
        """Number of networks in all; the specialists come last."""
        return self.members + self.specialists

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names of the weights of all members and their shapes."""
        wide = self.channels
        one = {
            **_affine("inlet", wide, STACKED * FEATURES),
            **_affine("outlet", OUTPUTS, wide),
        }
        for number in range(len(self.dilations)):
            one |= _affine(f"blocks.{number}.norm", wide)
            one |= _affine(f"blocks.{number}.over_time", wide, 3 * wide)
            one |= _affine(f"blocks.{number}.mixing", wide, wide)
        return {f"{k}.{name}": shape for k in range(self.networks) for name, shape in one.items()}


class BeatNetwork:
    """The averaged networks with their weights.

    Args:
        settings: Their sizes.
        weights: By name, see :attr:`BeatNetworkConfig.shapes`.
    """

    def __init__(self, settings: BeatNetworkConfig, weights: Weights) -> None:
        self.settings = settings
        self._weights = {name: value.astype(np.float32) for name, value in weights.items()}

    def __call__(self, features: Array) -> Array:
        """Return the expected phasors: (W, T, F) -> (W, T', 12), cosine and sine a harmonic."""
        each = [self._member(features, k) for k in range(self.settings.networks)]
        phasors = np.mean(each[: self.settings.members], axis=0)
        if self.settings.specialists:
            phasors = blend_specialist(phasors, np.mean(each[self.settings.members :], axis=0))
        return np.asarray(phasors, dtype=np.float32)

    def _member(self, features: Array, k: int) -> Array:
        values = self._linear(stack_frames(features), f"{k}.inlet")
        for number, dilation in enumerate(self.settings.dilations):
            block = f"{k}.blocks.{number}"
            inner = self._normalised(values, f"{block}.norm")
            inner = self._linear(neighbours(inner, dilation), f"{block}.over_time")
            values = values + self._linear(_gelu(inner), f"{block}.mixing")
        return self._linear(values, f"{k}.outlet")

    def _linear(self, values: Array, name: str) -> Array:
        return values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalised(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return centred / deviation * scale + shift


def blend_specialist(phasors: Array, specialist: Array) -> Array:
    """Return phasors (..., 2 H) blended with a specialist's by the length of the latter.

    A specialist's phasor of length 1 replaces the others', one of length 0 leaves them.
    """
    pairs = specialist.reshape(*specialist.shape[:-1], -1, 2)
    confidence = np.minimum(np.linalg.norm(pairs, axis=-1), 1.0).repeat(2, axis=-1)
    return np.asarray(specialist + (1.0 - confidence) * phasors)


def stack_frames(features: Array) -> Array:
    """Join the four input frames around each output frame: (W, T, F) -> (W, T', 4 F)."""
    count = features.shape[1] // 2
    index = np.clip(2 * np.arange(count)[:, None] + np.arange(-1, 3), 0, 2 * count - 1)
    return features[:, index].reshape(len(features), count, -1)


def neighbours(values: Array, dilation: int) -> Array:
    """Join each frame with those ``dilation`` before and after: (W, T', C) -> (W, T', 3 C)."""
    count = values.shape[1]
    index = np.arange(count)
    reach = min(dilation, count - 1)
    before, after = np.maximum(index - reach, 0), np.minimum(index + reach, count - 1)
    return np.concatenate([values[:, before], values, values[:, after]], axis=-1)


def body_features(clip: MotionClip) -> Array:
    """Return what the network reads of a dance, at 30 fps, (T, F).

    For each of 15 joints: its position (4 / m) relative to the pelvis, in the body's frame, less
    its mean over ten seconds, so that no pose is known by heart; its velocity relative to the
    pelvis (the pelvis' own in the world), compressed as sign(v) log(1 + 2 |v|), m/s; and
    log(1 + 2 speed) in the world. Where the body stands and faces does not matter.
    """
    return features_of(kinematics.joint_positions(resample(clip, timebase.MOTION_FPS)))


def features_of(positions_m: NDArray[np.float64]) -> Array:
    """Return :func:`body_features` of joint positions at 30 fps, metres: (T, 24, 3) -> (T, F)."""
    velocity = kinematics.velocity(positions_m, timebase.MOTION_FPS)
    joints = list(JOINTS)
    relative = positions_m - positions_m[:, :1] * [1.0, 0.0, 1.0]
    relative[..., 1] -= relative[..., 1].min(axis=1, keepdims=True)
    moving = velocity - velocity[:, :1]
    moving[:, 0] = velocity[:, 0]
    frame = _body_frame(positions_m)
    position = _in_frame(relative[:, joints], frame)
    mean = uniform_filter1d(position, min(_WINDOW, len(position)), axis=0, mode="nearest")
    # A window's own mean where the dance is no longer than one, as in training.
    mean = mean if len(position) > _WINDOW else position.mean(axis=0)
    moving = _in_frame(moving[:, joints], frame)
    speed = np.linalg.norm(velocity[:, joints], axis=-1, keepdims=True)
    values = (
        4.0 * (position - mean),
        np.sign(moving) * np.log1p(2.0 * np.abs(moving)),
        np.log1p(2.0 * speed),
    )
    return np.concatenate(values, axis=-1).reshape(len(positions_m), -1).astype(np.float32)


def beat_phasors(clip: MotionClip, network: BeatNetwork | None = None) -> Array:
    """Return the expected phasors of a dance of any length, 15 frames a second, (T', 12).

    Args:
        clip: Any dance.
        network: Another network than the bundled one.
    """
    network = network or bundled_network()
    count = resampled_count(clip, timebase.MOTION_FPS)
    if count <= _WINDOW + _MARGIN:
        features = body_features(clip)
        return network(features[None])[0] if count > 1 else np.zeros((1, OUTPUTS), np.float32)
    parts = []
    for start, stop, keep in _windows(count):
        features = body_features(resample(clip, timebase.MOTION_FPS, frames=slice(start, stop)))
        parts.append(network(features[None])[0][keep])
    return np.concatenate(parts)


def _windows(count: int) -> list[tuple[int, int, slice]]:
    """Cut ``count`` frames into windows; with each, which of its output frames are kept."""
    hop = _WINDOW - 2 * _MARGIN
    out = []
    for start in range(0, count, hop):
        first, last = max(0, start - _MARGIN), min(count, start + hop + _MARGIN)
        stop = count if start + hop >= count else start + hop
        out.append((first, last, slice((start - first) // 2, (stop - first) // 2)))
    return out


def load_beat_network(folder: Path) -> BeatNetwork:
    """Load a network that ``kinetune train beats`` left.

    Raises:
        ModelError: The folder lacks a file, or the weights are not those of such a network.
    """
    try:
        table = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS_FILE)
    except (
        OSError, ValueError, TypeError, LookupError, RecursionError, SafetensorError,
    ) as error:  # fmt: skip
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{folder}: not a beat network ({reason})") from error
    settings = config.build(BeatNetworkConfig, table, context=str(folder / CONFIG_FILE))
    loaded_shapes = {name: value.shape for name, value in weights.items()}
    if loaded_shapes != settings.shapes:
        odd = sorted(set(loaded_shapes.items()) ^ set(settings.shapes.items()))[0]
        raise ModelError(f"{folder}: weight {odd[0]!r} does not fit its {CONFIG_FILE}")
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise ModelError(f"{folder}: a weight is NaN or infinite; copy the file again")
    return BeatNetwork(settings, weights)


@cache
def bundled_network() -> BeatNetwork:
    """Return the network that comes with the package."""
    return load_beat_network(BUNDLED)


def joined_weights(members: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Name the weights of several networks as the members of one."""
    return {
        f"{k}.{name}": value for k, weights in enumerate(members) for name, value in weights.items()
    }


def _body_frame(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smoothed direction (x, z) from the body's right to its left, unit, (T, 2)."""
    hips = positions_m[:, skeleton.joint_index("right_hip")]
    hips = hips - positions_m[:, skeleton.joint_index("left_hip")]
    across = positions_m[:, skeleton.joint_index("right_shoulder")] + hips
    across = (across - positions_m[:, skeleton.joint_index("left_shoulder")])[:, [0, 2]]
    unit = across / (np.linalg.norm(across, axis=1, keepdims=True) + 1e-6)
    smooth = uniform_filter1d(unit, _HEADING_FRAMES, axis=0, mode="nearest")
    return np.asarray(smooth / (np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-6))


def _in_frame(values: NDArray[np.float64], frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn vectors (T, J, 3) about the vertical into the body's frame."""
    x, z = frame[:, None, 0], frame[:, None, 1]
    ahead = values[..., 0] * x + values[..., 2] * z
    aside = values[..., 2] * x - values[..., 0] * z
    return np.stack([ahead, values[..., 1], aside], axis=-1)


def _gelu(values: Array) -> Array:
    out = values * np.float32(np.sqrt(0.5))
    erf(out, out=out)
    out += 1.0
    out *= values
    out *= np.float32(0.5)
    return out


def _affine(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
