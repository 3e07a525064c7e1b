"""The pose of an armature, frame by frame, as BVH."""

import math
import time
from collections.abc import Iterator, Mapping

import bpy
from mathutils import Matrix, Quaternion

from . import bvh

# The joints of the body, as kinetune names them; those of the limbs must be there.
JOINTS = (
    "pelvis", "spine1", "spine2", "spine3", "neck", "head",
    *(
        f"{side}_{part}"
        for side in ("left", "right")
        for part in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist", "hand")
    ),
)  # fmt: skip
# With several bones that hang from nothing, they hang from this.
_ROOT_NAME = "kinetune_root"


def frame_range(scene: bpy.types.Scene, armature: bpy.types.Object) -> tuple[int, int]:
    """Return first and last frame of an armature's action, or of the scene without one."""
    animation = armature.animation_data
    if animation is None or animation.action is None:
        return scene.frame_start, scene.frame_end
    start, end = animation.action.frame_range
    return math.floor(start), math.ceil(end)


def fps_of(scene: bpy.types.Scene) -> float:
    """Return a scene's frames per second."""
    return scene.render.fps / scene.render.fps_base


class Sampler:
    """Reads the pose of an armature, a few frames at a time, so that Blender does not freeze.

    Args:
        scene: The scene.
        armature: The armature.
        mapping: Names of bones by the joints they are; empty leaves that to the bones' names.

    Attributes:
        first: First frame.
        last: Last frame.
        done: Frames that are read.
    """

    def __init__(
        self, scene: bpy.types.Scene, armature: bpy.types.Object, mapping: Mapping[str, str]
    ) -> None:
        self._scene, self._armature = scene, armature
        self.first, self.last = frame_range(scene, armature)
        self.done = 0
        self._before = scene.frame_current_final
        self._poses: list[bvh.Pose] = []
        self._bones = _kept_bones(armature, mapping)
        scene.frame_set(self.first)
        self._unit_m, self._fps = scene.unit_settings.scale_length, fps_of(scene)
        world = armature.matrix_world.copy()
        self._rest = [_turn(world @ bone.matrix_local).inverted() for bone in self._bones]
        self._joints = self._joints_at_rest(world, mapping)

    @property
    def count(self) -> int:
        """How many frames there are."""
        return self.last - self.first + 1

    def step(self, seconds: float) -> bool:
        """Read frames for about so long; return whether some are left."""
        end = time.monotonic() + seconds
        while self.done < self.count:
            self._scene.frame_set(self.first + self.done)
            self._poses.append(self._pose())
            self.done += 1
            if time.monotonic() > end:
                break
        return self.done < self.count

    def restore(self) -> None:
        """Show the frame that was shown before."""
        whole = math.floor(self._before)
        self._scene.frame_set(whole, subframe=self._before - whole)

    def text(self) -> str:
        """Return the motion as BVH; touches none of Blender's data."""
        return bvh.bvh_text(self._joints, self._poses, self._fps)

    @property
    def _is_forest(self) -> bool:
        return sum(bone.parent is None for bone in self._bones) > 1

    def _joints_at_rest(self, world: Matrix, mapping: Mapping[str, str]) -> list[bvh.Joint]:
        joint_of = {bone: joint for joint, bone in mapping.items()}
        index_of = {bone.name: index for index, bone in enumerate(self._bones, self._is_forest)}
        joints = [bvh.Joint(_ROOT_NAME, -1, (0.0, 0.0, 0.0))] if self._is_forest else []
        for number, bone in enumerate(self._bones):
            # With a mapping no other bone may be taken for one of the body.
            other = f"other{number}" if mapping else bone.name
            above = -1 + self._is_forest if bone.parent is None else index_of[bone.parent.name]
            head = self._unit_m * (world @ bone.head_local)
            joints.append(bvh.Joint(joint_of.get(bone.name, other), above, tuple(head)))
        return joints

    def _pose(self) -> bvh.Pose:
        graph = bpy.context.evaluated_depsgraph_get()
        armature = self._armature.evaluated_get(graph)
        world = armature.matrix_world
        heads = [(0.0, 0.0, 0.0)] * self._is_forest
        turns = [bvh.IDENTITY] * self._is_forest
        for bone, rest in zip(self._bones, self._rest, strict=True):
            posed = armature.pose.bones[bone.name]
            heads.append(tuple(self._unit_m * (world @ posed.head)))
            turn = (_turn(world @ posed.matrix) @ rest).to_matrix()
            turns.append(tuple(tuple(row) for row in turn))
        return bvh.Pose(tuple(heads), tuple(turns))


def _turn(matrix: Matrix) -> Quaternion:
    return matrix.to_quaternion().normalized()


def _kept_bones(armature: bpy.types.Object, mapping: Mapping[str, str]) -> list[bpy.types.Bone]:
    """Bones that bend the body, or that are mapped, with all above them; parents first."""
    bones = armature.data.bones
    wanted = {name for name in mapping.values() if name in bones}
    wanted = wanted or {bone.name for bone in bones if bone.use_deform}
    wanted = wanted or {bone.name for bone in bones}
    wanted |= {above.name for name in set(wanted) for above in bones[name].parent_recursive}
    return [bone for root in bones if root.parent is None for bone in _below(root, wanted)]


def _below(bone: bpy.types.Bone, wanted: set[str]) -> Iterator[bpy.types.Bone]:
    if bone.name in wanted:
        yield bone
        for child in bone.children:
            yield from _below(child, wanted)
