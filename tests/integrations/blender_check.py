"""The extension inside Blender: run by a Python that has ``bpy``, not by pytest.

    python blender_check.py EXTENSION.zip URL DANCE.bvh FOLDER

Installs the extension, imports a dance, has music made for it, redoes a stretch, and writes what
Blender holds afterwards to FOLDER/result.json.
"""

import json
import sys
import time
from pathlib import Path

import bpy

extension, url, dance, folder = sys.argv[1:]
folder = Path(folder)
PACKAGE = "bl_ext.user_default.kinetune"


def main() -> None:
    """Go the user's way."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    install()
    scene = bpy.context.scene
    bpy.ops.import_anim.bvh(
        filepath=dance,
        global_scale=0.01,
        frame_start=11,
        use_fps_scale=False,
        update_scene_fps=True,
    )
    armature = bpy.context.object
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "dance.blend"))
    scene.frame_set(17)
    tasks = sys.modules[f"{PACKAGE}.tasks"]
    panel = sys.modules[f"{PACKAGE}.panel"]
    sequencer = sys.modules[f"{PACKAGE}.sequencer"]
    if not bpy.app.build_options.audaspace:
        # The module of 4.2 plays no sounds; a strip of another kind stands for one.
        sequencer.new_sound = stand_in
    place = panel.place_of(bpy.context)
    settings = scene.kinetune
    settings.engine, settings.genre, settings.chords = "composer", "house", "Am F C G"
    settings.variations = 2
    scene.timeline_markers.new("mine", frame=3)
    scene.sequence_editor_create()
    made = run(tasks.make(scene, armature, place))
    result = {
        "version": bpy.app.version_string, "made": made, "shown": scene.frame_current,
        "fps": scene.render.fps / scene.render.fps_base, "bvh": tasks_bvh(armature),
        "takes": [(take.name, take.path) for take in settings.takes],
        "readings": [row.name for row in settings.readings],
        "strips": strips(scene), "markers": markers(scene), "sync": scene.sync_mode,
    }  # fmt: skip
    settings.markers = "bars"
    result["bars"] = markers(scene)
    tasks.use_take(scene, 1)
    result["second"] = strips(scene)
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 71, 120
    result["redone"] = run(tasks.redo(scene, place))
    result["after"] = strips(scene)
    result["takes_after"] = [take.name for take in settings.takes]
    stopped = tasks.make(scene, armature, place)
    stopped.stop()
    result["stopped"] = run(stopped)
    result["foreign"] = foreign_rig(armature)
    result["mapping"] = dict(tasks.mapping_of(armature))
    result["operators"] = [
        bpy.ops.kinetune.make.poll(), bpy.ops.kinetune.redo.poll(),
        hasattr(bpy.types, "KINETUNE_PT_main"),
    ]  # fmt: skip
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    result["unregistered"] = not hasattr(bpy.types.Scene, "kinetune")
    (folder / "result.json").write_text(json.dumps(result))


def stand_in(strips, path, frame):
    """Return a strip that stands for a sound."""
    strip = strips.new_effect("kinetune", "COLOR", 1, frame, frame_end=frame + 100)
    strip["path"] = str(path)
    return strip


def install() -> None:
    """Install the extension as a user does from a file, and name the server."""
    bpy.ops.preferences.addon_enable(module="bl_pkg")
    bpy.ops.preferences.addon_enable(module="io_anim_bvh")
    bpy.ops.extensions.package_install_files(
        filepath=extension, repo="user_default", enable_on_install=True
    )
    bpy.context.preferences.addons[PACKAGE].preferences.url = url


def run(task) -> dict:
    """Step a task to its end, as the timer does; the longest step is how long Blender freezes.

    Its computing is told apart, for a machine that is busy with other work makes steps longer.
    """
    longest, computing, stages = 0.0, 0.0, set()
    while True:
        began, computed = time.monotonic(), time.thread_time()
        more = task.step()
        longest = max(longest, time.monotonic() - began)
        computing = max(computing, time.thread_time() - computed)
        stages.add(task.state[0])
        if not more:
            return {
                "error": task.error, "longest_step_s": longest, "longest_computing_s": computing,
                "stages": sorted(stages),
            }  # fmt: skip
        time.sleep(0.02)


def foreign_rig(armature) -> list[str]:
    """Give the bones names that tell nothing; return the motion without and with a mapping."""
    for number, bone in enumerate(armature.data.bones):
        joint, bone.name = bone.name, f"b{number}"
        setattr(armature.kinetune_joints, joint, bone.name)
    mapping = sys.modules[f"{PACKAGE}.tasks"].mapping_of(armature)
    return [tasks_bvh(armature), tasks_bvh(armature, mapping)]


def tasks_bvh(armature, mapping=None) -> str:
    """Return the motion as the extension sends it."""
    rig = sys.modules[f"{PACKAGE}.rig"]
    sampler = rig.Sampler(bpy.context.scene, armature, mapping or {})
    while sampler.step(1.0):
        pass
    sampler.restore()
    return sampler.text()


def strips(scene) -> list:
    """Return name, first frame, channel and file of each sound strip."""
    sequencer = sys.modules[f"{PACKAGE}.sequencer"]
    return [
        (
            strip.name, int(sequencer.edges_of(strip)[0]), strip.channel,
            Path(strip.sound.filepath if hasattr(strip, "sound") else strip["path"]).name,
        )
        for strip in sequencer.strips_of(scene)
    ]  # fmt: skip


def markers(scene) -> list:
    """Return frame and name of each marker."""
    return sorted((marker.frame, marker.name) for marker in scene.timeline_markers)


main()
