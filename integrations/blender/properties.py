"""Settings: of a scene, of an armature, and of the add-on."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import rig, tasks

GENRES = (
    "break", "house", "ballet-jazz", "street-jazz", "krump", "la-hip-hop", "locking",
    "middle-hip-hop", "popping", "waacking",
)  # fmt: skip
# Blender keeps no reference to the texts of a list that is made on the fly.
_shown_readings: list[tuple[str, str, str]] = []


def _readings(settings: "Settings", _: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    rows = [(str(k), row.name, "") for k, row in enumerate(settings.readings, start=1)]
    _shown_readings[:] = rows or [("1", "most likely", "")]
    return _shown_readings


def _marked(settings: "Settings", context: bpy.types.Context) -> None:
    tasks.mark_beats(context.scene)


class Take(bpy.types.PropertyGroup):
    """A piece of music; ``name`` is its label."""

    job: StringProperty()
    file: StringProperty()
    path: StringProperty(subtype="FILE_PATH")


class Reading(bpy.types.PropertyGroup):
    """A reading of the beat; ``name`` is its label."""


class Settings(bpy.types.PropertyGroup):
    """Settings of a scene, and what was made for it."""

    genre: EnumProperty(
        name="Genre",
        items=[("auto", "automatic", ""), *((name, name, "") for name in GENRES)],
    )
    engine: EnumProperty(
        name="Engine",
        items=[
            ("diffusion", "Model", "Textures learned from music"),
            ("composer", "Composer", "Notes played by instruments, in seconds"),
        ],
    )
    key: StringProperty(name="Key", description="Such as A minor; empty for any")
    chords: StringProperty(name="Chords", description="One a bar, such as Am F C G")
    seed: IntProperty(name="Seed", min=0)
    variations: IntProperty(name="Takes", min=1, max=8, default=3)
    loop: BoolProperty(name="Loop", description="A seamless loop of whole bars")
    reading: EnumProperty(name="Beat", items=_readings)
    markers: EnumProperty(
        name="Markers",
        items=[("beats", "beats", ""), ("bars", "bars", ""), ("none", "none", "")],
        update=_marked,
    )
    readings: CollectionProperty(type=Reading)
    takes: CollectionProperty(type=Take)
    take: IntProperty()
    first_frame: IntProperty()
    beats: StringProperty()


class JointBones(bpy.types.PropertyGroup):
    """Bones of an armature by joint, where their names don't tell."""

    __annotations__ = {
        name: StringProperty(name=name.replace("_", " ").capitalize()) for name in rig.JOINTS
    }


class Preferences(bpy.types.AddonPreferences):
    """Where the server is."""

    bl_idname = __package__

    url: StringProperty(name="Server", default="http://127.0.0.1:8423")
    token: StringProperty(name="Token", subtype="PASSWORD")
    command: StringProperty(
        name="Program",
        description="Started where no server runs",
        default="kinetune",
        subtype="FILE_PATH",
    )

    def draw(self, _: bpy.types.Context) -> None:
        """Draw the preferences."""
        for name in ("url", "token", "command"):
            self.layout.prop(self, name)


CLASSES = (Take, Reading, Settings, JointBones, Preferences)


def register() -> None:
    """Make the settings known to Blender."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.kinetune = PointerProperty(type=Settings)
    bpy.types.Object.kinetune_joints = PointerProperty(type=JointBones)


def unregister() -> None:
    """Undo :func:`register`."""
    del bpy.types.Object.kinetune_joints
    del bpy.types.Scene.kinetune
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
