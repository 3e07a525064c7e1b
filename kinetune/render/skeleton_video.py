"""Video frames of one dancer or a group, with a camera that follows.

Conventions: world metres, y up; seconds; pictures are (H, W, 3) uint8 at 30 a second. Axes: D
dancers, T pictures. A dancer whose clip is over keeps its last pose.
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
from kinetune.motion.group import Dancers, dancers_of
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
# Dancers whose pelvises are nearer than this on average share no space: their files each begin
# at the origin. They are put side by side, so far apart.
_TOO_NEAR_M, _APART_M = 0.3, 1.1
# The lowest joint stands so high above the sole.
_SOLE_M = 0.035


@dataclass(frozen=True, eq=False)
class Scene:
    """What is filmed.

    Attributes:
        clip: The dance, or a group of dancers, who stand where their files put them, or side by
            side in the order of the group where those would stand inside each other.
        beats_s: Beats that glow, seconds.
        downbeats_s: Those that open a bar.
        title: A line in the corner.
        marks: Sections, silences, accents and the loop's wrap on the waveform.
        metre: Beats to the bar.
    """

    clip: Dancers
    beats_s: Array
    downbeats_s: Array
    title: str
    marks: Marks = field(default_factory=Marks)
    metre: int = timebase.BEATS_IN_BAR

    @cached_property
    def poses(self) -> Array:
        """Joint positions at the film's rate, the floor at zero, (T, D, 24, 3)."""
        poses = np.stack([poses for poses, _ in self._dancers], axis=1)
        lowest = np.percentile(poses[..., 1].min(axis=2), 2.0, axis=0) - _SOLE_M
        poses[..., 1] -= lowest[:, None]
        return poses + self._spread(poses)[:, None]

    @cached_property
    def facings(self) -> Array:
        """Directions of the face, unit vectors (T, D, 3)."""
        return np.stack([facings for _, facings in self._dancers], axis=1)

    @cached_property
    def _dancers(self) -> list[tuple[Array, Array]]:
        """Poses (T, 24, 3) and facings (T, 3) of every dancer."""
        count = max(resampled_count(dancer, FPS) for dancer in dancers_of(self.clip))
        return [_poses_and_facings(dancer, count) for dancer in dancers_of(self.clip)]

    def _spread(self, poses: Array) -> Array:
        """How far each dancer is moved to stand beside the others, metres, (D, 3)."""
        count = poses.shape[1]
        pelvis = poses[:, :, 0][..., [0, 2]]
        moved = np.zeros((count, 3))
        pairs = [(a, b) for a in range(count) for b in range(a)]
        apart = [np.linalg.norm(pelvis[:, a] - pelvis[:, b], axis=-1).mean() for a, b in pairs]
        if not pairs or min(apart) >= _TOO_NEAR_M:
            return moved
        # From left to right as the camera sees them.
        across = _sides(poses).mean(axis=0)
        steps = (np.arange(count) - 0.5 * (count - 1)) * _APART_M
        moved[:, [0, 2]] = steps[:, None] * across / max(float(np.linalg.norm(across)), 1e-6)
        return moved

    @cached_property
    def aims(self) -> Array:
        """What the camera follows in each picture, (T, 3); it keeps its own height."""
        middle = self.poses[:, :, 0].mean(axis=1)
        return gaussian_filter1d(middle, _FOLLOW_S * FPS, axis=0, mode="nearest")

    @cached_property
    def sides(self) -> Array:
        """The right-hand side of the camera, unit vectors on the floor, (T, 2).

        It is the dancer's left: the camera sees the dancer from the front. A group is seen so that
        its dancers stand apart, from the front of most.
        """
        left = _sides(self.poses)
        return left if self.poses.shape[1] == 1 else _line_of_dancers(self.poses, left)

    @cached_property
    def camera(self) -> Camera:
        """The camera that keeps all dancers in the frame."""
        joints = self.poses.reshape(len(self.poses), -1, 3)
        return fit_camera(joints, self.aims, self.sides)


def _poses_and_facings(clip: MotionClip, count: int) -> tuple[Array, Array]:
    """Joint positions (count, 24, 3) and directions of the face (count, 3) at the film's rate."""
    own = resampled_count(clip, FPS)
    poses = np.empty((count, skeleton.JOINT_COUNT, 3))
    facings = np.empty((count, 3))
    head = skeleton.joint_index("head")
    for part in chunks(clip.rotations, size=CHUNK_SIZE, count=own):
        frames = resample(clip, FPS, frames=part)
        poses[part] = kinematics.joint_positions(frames)
        world = kinematics.global_rotations(frames.rotations)[:, head]
        facings[part] = rotations.rotate(world, np.array([0.0, 0.0, 1.0]))
    poses[own:], facings[own:] = poses[own - 1], facings[own - 1]
    return poses, facings


def _sides(poses: Array) -> Array:
    """The first dancer's left, smoothed, unit vectors on the floor: (T, D, 24, 3) -> (T, 2)."""
    across = poses[:, 0, 1] - poses[:, 0, 2]
    across = gaussian_filter1d(across[:, [0, 2]], _TURN_S * FPS, axis=0, mode="nearest")
    mean = across.mean(axis=0)
    clear = np.where(np.linalg.norm(across, axis=1, keepdims=True) > 0.1, across, mean)
    mixed = _TURN_SHARE * clear + (1.0 - _TURN_SHARE) * mean
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(length > 1e-3, mixed / np.maximum(length, 1e-3), [1.0, 0.0])


def _line_of_dancers(poses: Array, left: Array) -> Array:
    """The direction in which the dancers stand farthest apart, the same in all pictures, (T, 2)."""
    pelvis = poses[:, :, 0][..., [0, 2]]
    from_middle = (pelvis - pelvis.mean(axis=1, keepdims=True)).reshape(-1, 2)
    line = np.linalg.svd(from_middle, full_matrices=False)[2][0]
    line = line * (1.0 if line @ left.mean(axis=0) >= 0.0 else -1.0)
    return np.broadcast_to(line, left.shape)


def pictures(scene: Scene, sound: Sound | None = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the film, picture by picture; an array holds its picture until the next is drawn.

    Args:
        scene: What is filmed.
        sound: The music whose waveform is drawn.
    """
    camera, stage = scene.camera, Stage(scene.camera)
    duration_s = timebase.duration_of(len(scene.poses), FPS)
    overlay = Overlay(
        Timeline(
            scene.title,
            duration_s,
            scene.beats_s,
            scene.downbeats_s,
            scene.marks,
            sound,
            scene.metre,
        )
    )
    for number, dancers in enumerate(scene.poses):
        aim, side = scene.aims[number], scene.sides[number]
        now_s = timebase.duration_of(number, FPS)
        stand = camera.position(aim, side)
        glow, is_bar = beat_glow(scene, now_s)
        picture = stage.picture(stand, side, glow, bar=is_bar)
        floor = (dancers - stand)[..., [0, 2]] @ np.array([side, [side[1], -side[0]]]).T
        for pose, from_camera in zip(dancers, floor, strict=True):
            stage.shade(picture, from_camera, pose[:, 1])
        # Those behind are drawn first.
        for index in np.argsort(-floor[:, 0, 1], kind="stable"):
            draw_body(picture, camera, aim, side, dancers[index], scene.facings[number, index])
        overlay.draw(picture, now_s)
        yield picture


def beat_glow(scene: Scene, now_s: float) -> tuple[float, bool]:
    """Return how bright the last beat still glows, 0 to 1, and whether it opened a bar."""
    past = scene.beats_s[scene.beats_s <= now_s + 1e-6]
    if not len(past):
        return 0.0, False
    is_bar = bool(len(scene.downbeats_s)) and np.abs(scene.downbeats_s - past[-1]).min() < 1e-3
    return float(np.exp(-(now_s - past[-1]) / _GLOW_S)), bool(is_bar)
