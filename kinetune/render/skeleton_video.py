"""The dancer as moving pictures, filmed by a camera that follows.

Conventions: world metres, y up; seconds; pictures are (H, W, 3) uint8 at 30 a second.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.memmap import CHUNK_SIZE, chunks
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import MotionClip, resample, resampled_count
from kinetune.render.body import draw_body
from kinetune.render.camera import HEIGHT, WIDTH, Camera, fit_camera
from kinetune.render.marks import Marks
from kinetune.render.overlay import Overlay, Timeline
from kinetune.render.stage import Stage

Array = NDArray[np.float64]

FPS = 30.0
__all__ = ["FPS", "HEIGHT", "WIDTH", "Scene", "beat_glow", "pictures"]
# The camera follows the pelvis, and turns with the hips, smoothed over so long.
_FOLLOW_S, _TURN_S = 0.7, 3.0
# A camera that turned with a spinning dancer would spin the room: it keeps to the usual side.
_TURN_SHARE = 0.25
# A glow fades to a third in so long.
_GLOW_S = 0.16
# The lowest joint stands so high above the sole.
_SOLE_M = 0.035


@dataclass(frozen=True, eq=False)
class Scene:
    """What is filmed.

    Attributes:
        clip: The dance.
        beats_s: Beats that glow, seconds.
        downbeats_s: Those that open a bar.
        title: A line in the corner.
        marks: Sections, silences, accents and the loop's wrap on the waveform.
    """

    clip: MotionClip
    beats_s: Array
    downbeats_s: Array
    title: str
    marks: Marks = field(default_factory=Marks)

    @cached_property
    def poses(self) -> Array:
        """Joint positions at the film's rate, the floor at zero, (T, 24, 3)."""
        poses = self._poses_and_faces[0]
        lowest = np.percentile(poses[..., 1].min(axis=1), 2.0) - _SOLE_M
        return poses - [0.0, float(lowest), 0.0]

    @property
    def faces(self) -> Array:
        """Directions of the face, unit vectors (T, 3)."""
        return self._poses_and_faces[1]

    @cached_property
    def _poses_and_faces(self) -> tuple[Array, Array]:
        count = resampled_count(self.clip, FPS)
        poses = np.empty((count, skeleton.JOINT_COUNT, 3))
        faces = np.empty((count, 3))
        head = skeleton.joint_index("head")
        for part in chunks(self.clip.rotations, size=CHUNK_SIZE, count=count):
            frames = resample(self.clip, FPS, frames=part)
            poses[part] = kinematics.joint_positions(frames)
            world = kinematics.global_rotations(frames.rotations)[:, head]
            faces[part] = rotations.rotate(world, np.array([0.0, 0.0, 1.0]))
        return poses, faces

    @cached_property
    def aims(self) -> Array:
        """What the camera follows in each picture, (T, 3); it keeps its own height."""
        return gaussian_filter1d(self.poses[:, 0], _FOLLOW_S * FPS, axis=0, mode="nearest")

    @cached_property
    def sides(self) -> Array:
        """The right-hand side of the camera, unit vectors on the floor, (T, 2).

        It is the dancer's left: the camera sees the dancer from the front.
        """
        across = self.poses[:, 1] - self.poses[:, 2]
        across = gaussian_filter1d(across[:, [0, 2]], _TURN_S * FPS, axis=0, mode="nearest")
        mean = across.mean(axis=0)
        clear = np.where(np.linalg.norm(across, axis=1, keepdims=True) > 0.1, across, mean)
        mixed = _TURN_SHARE * clear + (1.0 - _TURN_SHARE) * mean
        length = np.linalg.norm(mixed, axis=1, keepdims=True)
        return np.where(length > 1e-3, mixed / np.maximum(length, 1e-3), [1.0, 0.0])

    @cached_property
    def camera(self) -> Camera:
        """The camera that keeps the dancer in the frame."""
        return fit_camera(self.poses, self.aims, self.sides)


def pictures(scene: Scene, sound: Sound | None = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the film, picture by picture; an array holds its picture until the next is drawn.

    Args:
        scene: What is filmed.
        sound: The music whose waveform is drawn.
    """
    camera, stage = scene.camera, Stage(scene.camera)
    duration_s = timebase.duration_of(len(scene.poses), FPS)
    overlay = Overlay(
        Timeline(scene.title, duration_s, scene.beats_s, scene.downbeats_s, scene.marks, sound)
    )
    for number, pose in enumerate(scene.poses):
        aim, side = scene.aims[number], scene.sides[number]
        now_s = timebase.duration_of(number, FPS)
        stand = camera.position(aim, side)
        glow, is_bar = beat_glow(scene, now_s)
        picture = stage.picture(stand, side, glow, bar=is_bar)
        from_camera = (pose - stand)[:, [0, 2]] @ np.array([side, [side[1], -side[0]]]).T
        stage.shade(picture, from_camera, pose[:, 1])
        draw_body(picture, camera, aim, side, pose, scene.faces[number])
        overlay.draw(picture, now_s)
        yield picture


def beat_glow(scene: Scene, now_s: float) -> tuple[float, bool]:
    """Return how bright the last beat still glows, 0 to 1, and whether it opened a bar."""
    past = scene.beats_s[scene.beats_s <= now_s + 1e-6]
    if not len(past):
        return 0.0, False
    is_bar = bool(len(scene.downbeats_s)) and np.abs(scene.downbeats_s - past[-1]).min() < 1e-3
    return float(np.exp(-(now_s - past[-1]) / _GLOW_S)), bool(is_bar)
