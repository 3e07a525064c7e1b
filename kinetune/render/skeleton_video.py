"""The dancer as moving pictures: a stick figure on a floor, filmed by a camera that follows.

World metres, y up; pictures are (H, W, 3) uint8. The figure is drawn at twice the size and reduced,
which is what makes its edges smooth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.memmap import CHUNK_FRAMES, chunks
from kinetune.motion import kinematics, skeleton
from kinetune.motion.clip import MotionClip, resample, resampled_count

Array = NDArray[np.float64]
Colour = tuple[int, int, int]

WIDTH, HEIGHT, FPS = 1280, 720, 30.0
_FINE = 2
_SKY_TOP, _SKY_FOOT, _LINES = (22, 26, 38), (44, 50, 68), (72, 80, 104)
_TRUNK, _LEFT, _RIGHT, _BEAT, _BAR = (
    (236, 239, 244), (94, 169, 234), (242, 155, 96), (120, 200, 170), (235, 203, 139)
)  # fmt: skip
# Where the camera stands and looks, and how long it is.
_AWAY_M, _UP_M, _LOOK_M, _LENS = 4.6, 1.35, 0.95, 1.5
_FOLLOW_S, _TURN_S = 0.7, 3.0
_FLOOR_M, _TILE_M = 5.0, 0.5
# A flash fades to a third in so long.
_FLASH_S = 0.16
_BONES_M = 0.035
_THICK = {"pelvis": 0.06, "spine1": 0.07, "spine2": 0.075, "spine3": 0.075, "neck": 0.04}


@dataclass(frozen=True, eq=False)
class Scene:
    """What is filmed.

    Attributes:
        clip: The dance.
        beats_s: Beats that flash, seconds.
        downbeats_s: Those that open a bar.
        title: A line in the corner.
    """

    clip: MotionClip
    beats_s: Array
    downbeats_s: Array
    title: str

    @cached_property
    def poses(self) -> Array:
        """Joint positions at the film's rate, the floor at zero, (T, 24, 3)."""
        count = resampled_count(self.clip, FPS)
        places = np.empty((count, skeleton.JOINT_COUNT, 3))
        for part in chunks(self.clip.rotations, size=CHUNK_FRAMES, count=count):
            places[part] = kinematics.joint_positions(resample(self.clip, FPS, frames=part))
        return places - [0.0, np.percentile(places[..., 1].min(axis=1), 2.0), 0.0]

    @cached_property
    def aims(self) -> Array:
        """What the camera looks at in each picture, (T, 3)."""
        path = gaussian_filter1d(self.poses[:, 0], _FOLLOW_S * FPS, axis=0, mode="nearest")
        path[:, 1] = _LOOK_M
        return path

    @cached_property
    def sides(self) -> Array:
        """Which way is to the right of the camera, unit vectors on the floor, (T, 2)."""
        across = self.poses[:, 1] - self.poses[:, 2]
        across = gaussian_filter1d(across[:, [0, 2]], _TURN_S * FPS, axis=0, mode="nearest")
        mean = across.mean(axis=0)
        # A dancer who spins would spin the room: the camera keeps to the side mostly shown.
        flat = np.where(np.linalg.norm(across, axis=1, keepdims=True) > 0.1, across, mean)
        turned = 0.25 * flat + 0.75 * mean
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        return np.where(length > 1e-3, turned / np.maximum(length, 1e-3), [1.0, 0.0])


def pictures(scene: Scene, sound: object = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the film, picture by picture."""
    sky = _sky()
    for number in range(len(scene.poses)):
        picture = sky.copy()
        view = _View(scene.aims[number], scene.sides[number])
        now_s = timebase.duration_of(number, FPS)
        draw = ImageDraw.Draw(picture)
        _floor(draw, view)
        _flash(draw, view, scene, number, now_s)
        _figure(picture, view, scene.poses[number])
        _caption(draw, scene, now_s)
        yield np.asarray(picture)


class _View:
    """A camera: world places (n, 3) to picture places (n, 2) and sizes of a metre (n,)."""

    def __init__(self, aim: Array, side: Array) -> None:
        right = np.array([side[0], 0.0, side[1]])
        ahead = np.cross([0.0, 1.0, 0.0], right)
        stand = aim - _AWAY_M * ahead + [0.0, _UP_M - _LOOK_M, 0.0]
        look = (aim - stand) / np.linalg.norm(aim - stand)
        self.axes = np.stack([right, np.cross(right, look), look])
        self.stand, self.aim = stand, aim

    def project(self, places: Array) -> tuple[Array, Array]:
        seen = (places - self.stand) @ self.axes.T
        size = _LENS * HEIGHT / np.maximum(seen[:, 2], 0.2)
        flat = np.stack([WIDTH / 2 + size * seen[:, 0], HEIGHT / 2 - size * seen[:, 1]], axis=1)
        return flat, size


def _sky() -> Image.Image:
    share = np.linspace(0.0, 1.0, HEIGHT)[:, None, None]
    rows = (1.0 - share) * np.array(_SKY_TOP) + share * np.array(_SKY_FOOT)
    return Image.fromarray(np.broadcast_to(rows, (HEIGHT, WIDTH, 3)).astype(np.uint8))


def _floor(draw: ImageDraw.ImageDraw, view: _View) -> None:
    middle = np.round(view.aim / _TILE_M) * _TILE_M
    steps = np.arange(-_FLOOR_M, _FLOOR_M + 1e-6, _TILE_M)
    ends = np.array([-_FLOOR_M, _FLOOR_M])
    for step in steps:
        for line in ((np.full(2, step), ends), (ends, np.full(2, step))):
            places = np.stack([middle[0] + line[0], np.zeros(2), middle[2] + line[1]], axis=1)
            depth = (places - view.stand) @ view.axes[2]
            if depth.min() > 0.3:
                flat, _ = view.project(places)
                draw.line([tuple(flat[0]), tuple(flat[1])], fill=_LINES)


def _flash(draw: ImageDraw.ImageDraw, view: _View, scene: Scene, number: int, now_s: float) -> None:
    """A disc under the dancer: a shadow always, lit at every beat, wider at the bar's first."""
    pelvis = scene.poses[number, 0] * [1.0, 0.0, 1.0]
    (middle,), (size,) = view.project(pelvis[None])
    glow, is_bar = _glow(scene, now_s)
    colour = _BAR if is_bar else _BEAT
    radius = (0.45 + (0.45 if is_bar else 0.3) * glow) * size
    flat = 0.3 * radius
    shade = tuple(int(26 + glow * (c - 26)) for c in colour)
    box = (middle[0] - radius, middle[1] - flat, middle[0] + radius, middle[1] + flat)
    draw.ellipse(box, fill=shade)


def _glow(scene: Scene, now_s: float) -> tuple[float, bool]:
    """How bright the last beat still is, 0 to 1, and whether it opened a bar."""
    past = scene.beats_s[scene.beats_s <= now_s + 1e-6]
    if not len(past):
        return 0.0, False
    is_bar = bool(len(scene.downbeats_s)) and np.abs(scene.downbeats_s - past[-1]).min() < 1e-3
    return float(np.exp(-(now_s - past[-1]) / _FLASH_S)), bool(is_bar)


def _figure(picture: Image.Image, view: _View, pose: Array) -> None:
    flat, size = view.project(pose)
    low = np.floor(flat.min(axis=0) - 60).clip(0, [WIDTH - 2, HEIGHT - 2]).astype(int)
    high = np.ceil(flat.max(axis=0) + 60).clip(low + 1, [WIDTH, HEIGHT]).astype(int)
    corner = (int(low[0]), int(low[1]))
    part = picture.crop((*corner, int(high[0]), int(high[1])))
    large = part.resize((part.width * _FINE, part.height * _FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(large)
    depth = pose @ view.axes[2]
    for joint in np.argsort(-depth):
        parent = skeleton.PARENTS[joint]
        if parent >= 0:
            _bone(draw, (flat - low) * _FINE, size * _FINE, (int(parent), int(joint)))
    head = skeleton.joint_index("head")
    x, y = (flat[head] - low) * _FINE
    radius = 0.11 * size[head] * _FINE
    y -= 0.06 * size[head] * _FINE
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_TRUNK)
    picture.paste(large.reduce(_FINE), corner)


def _bone(draw: ImageDraw.ImageDraw, flat: Array, size: Array, joints: tuple[int, int]) -> None:
    parent, joint = joints
    name = skeleton.JOINT_NAMES[joint]
    colour = {"left": _LEFT, "right": _RIGHT}.get(name.partition("_")[0], _TRUNK)
    radius = _THICK.get(name, _BONES_M) * size[joint]
    ends = [tuple(flat[parent]), tuple(flat[joint])]
    draw.line(ends, fill=colour, width=max(1, int(2 * radius)))
    for x, y in ends:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _caption(draw: ImageDraw.ImageDraw, scene: Scene, now_s: float) -> None:
    draw.text((24, 18), scene.title, fill=(190, 198, 214), font=_font())
    length_s = timebase.duration_of(len(scene.poses), FPS)
    left, right, top = 24, WIDTH - 24, HEIGHT - 16
    for beat in scene.beats_s:
        x = left + (right - left) * beat / length_s
        draw.line([(x, top), (x, top + 6)], fill=(96, 104, 128))
    draw.rectangle((left, top + 2, left + (right - left) * now_s / length_s, top + 4), fill=_BEAT)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(20)
