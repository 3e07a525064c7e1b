"""The stage: a lit floor with a grid, the dancer's shadow, and a glow on every beat.

Conventions: pictures (H, W, 3); floor points are metres to the right and ahead of the camera. All
of it is computed per pixel, so edges are smooth at any distance.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.render.camera import CAMERA_HEIGHT_M, HEIGHT, WIDTH, Camera
from kinetune.render.kernels import add_light, dim, line_coverage

Image = NDArray[np.float32]

_SKY_TOP, _SKY_LOW = (14, 16, 26), (38, 44, 64)
_FLOOR, _SPOT, _LINE = (30, 34, 48), (52, 60, 84), (46, 56, 84)
_TILE_M, _LINE_M = 0.5, 0.012
# The floor fades into the background, and the light around what the camera looks at, over so far.
_FADE_M, _SPOT_M = 7.0, 1.7
# Joints that cast the shadow: where, how dark, and how wide on the floor and a metre above it.
_SHADOW_JOINTS = (0, 4, 5, 7, 8, 10, 11, 12, 20, 21)
_SHADOW_DARK = (0.30, 0.26, 0.26, 0.48, 0.48, 0.52, 0.52, 0.16, 0.12, 0.12)
_SHADOW_WIDE_M = (0.20, 0.10, 0.10, 0.07, 0.07, 0.075, 0.075, 0.18, 0.09, 0.09)
_SHADOW_SPREAD = 0.28
_SHADOW_REACH_M = 0.85
# Pixels a step at which the soft things are computed.
_COARSE = 3
_GLOW_BEAT, _GLOW_BAR = (44, 112, 100), (136, 104, 58)
_GLOW_BEAT_M, _GLOW_BAR_M = 0.45, 0.7
_MIN_GLOW, _MIN_LINE = 0.02, 0.02


class Stage:
    """Everything of the stage that is the same in each picture of a film."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        cosine, sine = camera.tilt
        rows = (HEIGHT / 2 - 0.5 - np.arange(HEIGHT)) / camera.focal_px
        falling = sine - rows * cosine
        self.first_row = int(np.argmax(falling > CAMERA_HEIGHT_M / (4.0 * _FADE_M)))
        below = falling[self.first_row :, None]
        reach = CAMERA_HEIGHT_M / below
        columns = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / camera.focal_px
        self.right = (reach * columns).astype(np.float32)
        rows = rows[self.first_row :, None]
        self.ahead = (reach * (cosine + rows * sine)).astype(np.float32)
        # The size of a pixel on the floor, across and along.
        self.across = (reach / camera.focal_px).astype(np.float32)
        self.along = np.abs(np.gradient(self.ahead[:, 0]))[:, None].astype(np.float32)
        self._picture = self._background()
        self._floor = self._picture[self.first_row :].copy()
        self._glows = {bar: self._glow(bar=bar) for bar in (False, True)}
        # Work space: large arrays regenerated for each picture would cost more than the drawing.
        self._coverage = np.empty_like(self.right)

    def picture(
        self, stand: NDArray, side: NDArray, glow: float = 0.0, *, bar: bool = False
    ) -> NDArray[np.uint8]:
        """Return the empty stage; the array is used again for the next picture.

        Args:
            stand: Where the camera stands, (3,).
            side: Its right-hand side on the floor, (2,).
            glow: How bright the beat glows, 0 to 1.
            bar: Whether it opens a bar: the glow is wider then, and warm.
        """
        picture = self._picture
        picture[: self.first_row] = self._sky
        floor = picture[self.first_row :]
        floor[:] = self._floor
        if glow > _MIN_GLOW:
            window, light = self._glows[bar]
            colour = np.array(_GLOW_BAR if bar else _GLOW_BEAT, np.float32)
            add_light(floor[window], light, colour * np.float32(glow), 0.0)
        add_light(floor, self._lines(stand, side), np.array(_LINE, np.float32), _MIN_LINE)
        return picture

    def shade(self, picture: NDArray[np.uint8], feet: NDArray, heights: NDArray) -> None:
        """Draw the dancer's shadow into a picture.

        Args:
            picture: (H, W, 3), changed in place.
            feet: All joints on the floor, right and ahead of the camera, metres, (24, 2).
            heights: All joints above the floor, metres, (24,).
        """
        joints = feet[list(_SHADOW_JOINTS)]
        rows, columns = self._around(joints.min(axis=0), joints.max(axis=0))
        right = self.right[rows, columns][::_COARSE, ::_COARSE]
        ahead = self.ahead[rows][::_COARSE]
        if right.size:
            part = picture[self.first_row :][rows, columns]
            dim(part, 1.0 - self._shadow(right, ahead, feet, heights))

    def _shadow(
        self, right: Image, ahead: Image, feet: NDArray, heights: NDArray
    ) -> NDArray[np.float32]:
        """How much light is taken, 0 to 1: darker and sharper the nearer a joint is."""
        through = np.ones(right.shape, np.float32)
        for joint, dark, wide in zip(_SHADOW_JOINTS, _SHADOW_DARK, _SHADOW_WIDE_M, strict=True):
            height = max(0.0, float(heights[joint]))
            spread = wide + _SHADOW_SPREAD * height
            weight = np.float32(dark * (wide / spread) ** 0.9)
            apart = (right - np.float32(feet[joint, 0])) ** 2 + (
                ahead - np.float32(feet[joint, 1])
            ) ** 2
            through *= 1.0 - weight * np.exp(apart / np.float32(-2.0 * spread**2))
        return 1.0 - through

    def _around(self, low: NDArray, high: NDArray) -> tuple[slice, slice]:
        """The rows below the horizon, and the columns, of a span of floor and its margin."""
        ahead = self.ahead[:, 0]
        inside = np.flatnonzero(
            (ahead > low[1] - _SHADOW_REACH_M) & (ahead < high[1] + _SHADOW_REACH_M)
        )
        if not len(inside):
            return slice(0, 0), slice(0, 0)
        size = 1.0 / self.across[inside[-1], 0]
        left, right = (
            int(np.clip(WIDTH / 2 + size * edge, 0, WIDTH))
            for edge in (low[0] - _SHADOW_REACH_M, high[0] + _SHADOW_REACH_M)
        )
        return slice(int(inside[0]), int(inside[-1]) + 1), slice(left, right)

    def _glow(self, *, bar: bool) -> tuple[tuple[slice, slice], Image]:
        """Where a beat lights the floor around what the camera follows, and by how much."""
        wide, colour = (_GLOW_BAR_M, _GLOW_BAR) if bar else (_GLOW_BEAT_M, _GLOW_BEAT)
        from_aim = self.right**2 + (self.ahead - np.float32(self.camera.distance_m)) ** 2
        light = np.exp(from_aim / np.float32(-2.0 * wide**2))
        lit = light * max(colour) >= 1.0
        rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return window, light[window].astype(np.float32)

    def _lines(self, stand: NDArray, side: NDArray) -> Image:
        """Coverage of the grid's lines, 0 to 1, fading with distance, (rows, W)."""
        line_coverage(
            self.right, self.ahead, (self.across, self.along), self._fade,
            (float(stand[0]), float(stand[2])), (float(side[0]), float(side[1])),
            (_TILE_M, _LINE_M), self._coverage,
        )  # fmt: skip
        return self._coverage

    def _background(self) -> NDArray[np.uint8]:
        share = np.linspace(0.0, 1.0, HEIGHT, dtype=np.float32)[:, None, None]
        sky = (1.0 - share) * np.array(_SKY_TOP) + share * np.array(_SKY_LOW)
        picture = np.broadcast_to(sky, (HEIGHT, WIDTH, 3)).astype(np.float32, order="C")
        from_aim = self.right**2 + (self.ahead - np.float32(self.camera.distance_m)) ** 2
        self._fade = np.exp(-from_aim / (2.0 * (_FADE_M / 2.2) ** 2))
        spot = np.exp(-from_aim / (2.0 * _SPOT_M**2))[..., None]
        floor = np.array(_FLOOR) + spot * (np.array(_SPOT) - np.array(_FLOOR))
        fade = self._fade[..., None]
        picture[self.first_row :] += fade * (floor - picture[self.first_row :])
        # Noise of half a level hides the steps of dark gradients.
        dither = np.random.default_rng(0).uniform(-0.5, 0.5, (HEIGHT, WIDTH, 1))
        background = np.rint(picture + dither).clip(0, 255).astype(np.uint8, order="C")
        self._sky = background[: self.first_row].copy()
        return background
