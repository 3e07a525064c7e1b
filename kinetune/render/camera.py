"""A camera that follows the dancer at fixed height, tilt and distance.

Conventions: world metres, y up; pictures are WIDTH x HEIGHT pixels from the upper left corner.
Since height, tilt and distance never change within a film, where a pixel meets the floor is the
same in every picture, measured from the camera.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH, HEIGHT = 1280, 720
CAMERA_HEIGHT_M = 1.25
# Focal length in picture heights.
_FOCAL = 1.5
_MIN_DISTANCE_M, _MAX_DISTANCE_M = 2.8, 9.0
# Pixels kept free: above for the title, below for the waveform, at the sides.
_TOP_PX, _BOTTOM_PX, _SIDE_PX = 46, 108, 60
# A dancer may leave the frame in one picture of two hundred.
_INSIDE = 99.5
# Above the head joint, and around hands and feet.
_HEAD_M, _LIMB_M = 0.2, 0.08


@dataclass(frozen=True)
class Camera:
    """A camera at a fixed distance; see the module.

    Attributes:
        distance_m: Along the floor, from what it looks at.
        look_m: Height of what it looks at.
    """

    distance_m: float
    look_m: float

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return _FOCAL * HEIGHT

    @property
    def tilt(self) -> tuple[float, float]:
        """Cosine and sine of how far it looks down."""
        down_m = CAMERA_HEIGHT_M - self.look_m
        length_m = float(np.hypot(self.distance_m, down_m))
        return self.distance_m / length_m, down_m / length_m

    def axes(self, side: Array) -> Array:
        """Return right, up and ahead as rows (3, 3), for a right-hand side (2,) on the floor."""
        right = np.array([side[0], 0.0, side[1]])
        ahead = np.cross([0.0, 1.0, 0.0], right)
        cosine, sine = self.tilt
        look = cosine * ahead - [0.0, sine, 0.0]
        return np.stack([right, np.cross(right, look), look])

    def position(self, aim: Array, side: Array) -> Array:
        """Return where it stands, (3,), to look at an aim (3,)."""
        ahead = np.cross([0.0, 1.0, 0.0], [side[0], 0.0, side[1]])
        return np.array([aim[0], CAMERA_HEIGHT_M, aim[2]]) - self.distance_m * ahead

    def view(self, points: Array, aim: Array, side: Array) -> Array:
        """Return points (n, 3) as right, up, ahead of the camera, metres, (n, 3)."""
        return (points - self.position(aim, side)) @ self.axes(side).T

    def project(self, viewed: Array) -> tuple[Array, Array]:
        """Return pixels (n, 2) and the size of a metre in pixels (n,) of viewed points (n, 3)."""
        size = self.focal_px / np.maximum(viewed[:, 2], 0.2)
        x = WIDTH / 2 + size * viewed[:, 0]
        y = HEIGHT / 2 - size * viewed[:, 1]
        return np.stack([x, y], axis=1), size


def fit_camera(poses: Array, aims: Array, sides: Array) -> Camera:
    """Return the nearest camera that keeps the dancer in the frame.

    Args:
        poses: Joint positions, metres, (T, 24, 3).
        aims: What the camera looks at, (T, 3).
        sides: Its right-hand side on the floor, (T, 2).
    """
    offset = poses - aims[:, None] * [1.0, 0.0, 1.0]
    right = offset[..., 0] * sides[:, None, 0] + offset[..., 2] * sides[:, None, 1]
    ahead = offset[..., 0] * sides[:, None, 1] - offset[..., 2] * sides[:, None, 0]
    # The nearest limb decides: what stands towards the camera looks larger.
    near_m = float(np.percentile(np.maximum(-ahead, 0.0).max(axis=1), _INSIDE))
    width_m = float(np.percentile(np.abs(right).max(axis=1), _INSIDE)) + _LIMB_M
    top_m = float(np.percentile(poses[..., 1].max(axis=1), _INSIDE)) + _HEAD_M
    focal = _FOCAL * HEIGHT
    across = focal * width_m / (WIDTH / 2 - _SIDE_PX) + near_m
    upright = focal * (top_m + _LIMB_M) / (HEIGHT - _TOP_PX - _BOTTOM_PX) + 0.4 * near_m
    distance_m = float(np.clip(max(across, upright), _MIN_DISTANCE_M, _MAX_DISTANCE_M))
    # The nearest foot stands just above the waveform.
    look_m = (HEIGHT / 2 - _BOTTOM_PX) * (distance_m - 0.4 * near_m) / focal - _LIMB_M
    return Camera(distance_m, float(np.clip(look_m, 0.4, CAMERA_HEIGHT_M)))
