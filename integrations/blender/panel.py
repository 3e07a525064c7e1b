"""The panel in the side bar of the 3D view, and its operators."""

import bpy

from . import client, rig, tasks

_TICK_S = 0.05
# The task that runs; Blender has one user.
_running: list[tasks.Task] = []


def armature_of(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the selected armature: the active object, or what deforms it."""
    active = context.active_object
    if active is None or active.type == "ARMATURE":
        return active
    return active.find_armature()


def place_of(context: bpy.types.Context) -> tasks.Place:
    """Return where server and files are.

    Raises:
        ValueError: The server is elsewhere, and Blender may not go online.
    """
    chosen = context.preferences.addons[__package__].preferences
    if not client.is_local(chosen.url) and not bpy.app.online_access:
        raise ValueError("the server is not on this machine: allow online access in Blender first")
    return tasks.Place(
        client.Client(chosen.url, chosen.token),
        bpy.path.abspath(chosen.command),
        tasks.data_folder() / "server",
        tasks.music_folder(),
    )


class _Stepped(bpy.types.Operator):
    """An operator that goes on in steps of a timer."""

    bl_options = {"REGISTER", "UNDO"}
    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether nothing else runs."""
        return not _running

    def start(self, context: bpy.types.Context) -> tasks.Task:
        """Return the task; a subclass says which."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin."""
        if context.screen is not None and context.screen.is_animation_playing:
            bpy.ops.screen.animation_cancel(restore_frame=False)
        try:
            _running.append(self.start(context))
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        manager = context.window_manager
        self._timer = manager.event_timer_add(_TICK_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Go on by a step."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        _redraw(context)
        task = _running[0]
        try:
            if task.step():
                return {"PASS_THROUGH"}
        except (ReferenceError, RuntimeError, ValueError) as error:
            # The armature was deleted in the meantime, or a file can't be used.
            task.error = str(error)
        _running.clear()
        context.window_manager.event_timer_remove(self._timer)
        if task.error:
            self.report({"INFO" if task.error == "stopped" else "ERROR"}, task.error)
            return {"CANCELLED"}
        return {"FINISHED"}


class KINETUNE_OT_make(_Stepped):
    """Make music for the action of the selected armature"""

    bl_idname = "kinetune.make"
    bl_label = "Make music"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether an armature is selected."""
        return not _running and armature_of(context) is not None

    def start(self, context: bpy.types.Context) -> tasks.Task:
        """Return the task."""
        return tasks.make(context.scene, armature_of(context), place_of(context))


class KINETUNE_OT_redo(_Stepped):
    """Make the preview range of this take anew; the rest stays as it is"""

    bl_idname = "kinetune.redo"
    bl_label = "Redo the preview range"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is a take and a range."""
        scene = context.scene
        return not _running and scene.use_preview_range and len(scene.kinetune.takes) > 0

    def start(self, context: bpy.types.Context) -> tasks.Task:
        """Return the task."""
        return tasks.redo(context.scene, place_of(context))


class KINETUNE_OT_stop(bpy.types.Operator):
    """Stop making music"""

    bl_idname = "kinetune.stop"
    bl_label = "Stop"

    def execute(self, _: bpy.types.Context) -> set[str]:
        """Stop."""
        for task in _running:
            task.stop()
        return {"FINISHED"}


class KINETUNE_OT_take(bpy.types.Operator):
    """Hear this take"""

    bl_idname = "kinetune.take"
    bl_label = "Use take"
    bl_options = {"REGISTER", "UNDO"}

    index: bpy.props.IntProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put its sound into the sequencer."""
        tasks.use_take(context.scene, self.index)
        return {"FINISHED"}


class _SideBar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "kinetune"


class KINETUNE_PT_main(_SideBar, bpy.types.Panel):
    """Music for the selected armature."""

    bl_label = "kinetune"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, settings = self.layout, context.scene.kinetune
        armature = armature_of(context)
        if armature is None:
            layout.label(text="Select an armature", icon="ARMATURE_DATA")
        else:
            first, last = rig.frame_range(context.scene, armature)
            layout.label(text=f"{armature.name}, frames {first} to {last}", icon="ARMATURE_DATA")
        column = layout.column()
        column.use_property_split = True
        for name in ("engine", "genre"):
            column.prop(settings, name)
        for name in ("key", "chords") if settings.engine == "composer" else ():
            column.prop(settings, name)
        for name in ("reading", "seed", "variations", "loop", "markers"):
            column.prop(settings, name)
        if _running:
            stage, share = _running[0].state
            layout.progress(factor=share, text=stage)
            layout.operator("kinetune.stop")
        else:
            layout.operator("kinetune.make", icon="SOUND")
        _draw_takes(layout, context.scene)


def _draw_takes(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    settings = scene.kinetune
    for index, take in enumerate(settings.takes):
        chosen = index == settings.take
        icon = "RADIOBUT_ON" if chosen else "RADIOBUT_OFF"
        layout.operator("kinetune.take", text=take.name, icon=icon, depress=chosen).index = index
    if settings.takes:
        if scene.use_preview_range:
            text = f"Redo frames {scene.frame_preview_start} to {scene.frame_preview_end}"
            layout.operator("kinetune.redo", text=text)
        else:
            layout.label(text="To redo a range: press P in the time line and drag")


class KINETUNE_PT_joints(_SideBar, bpy.types.Panel):
    """Which bone is which joint, for rigs whose names don't tell."""

    bl_label = "Joints"
    bl_parent_id = "KINETUNE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        armature = armature_of(context)
        if armature is None:
            return
        self.layout.label(text="Only where the bones' names don't tell")
        for name in rig.JOINTS:
            self.layout.prop_search(armature.kinetune_joints, name, armature.data, "bones")


def _redraw(context: bpy.types.Context) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


CLASSES = (
    KINETUNE_OT_make, KINETUNE_OT_redo, KINETUNE_OT_stop, KINETUNE_OT_take, KINETUNE_PT_main,
    KINETUNE_PT_joints,
)  # fmt: skip


def register() -> None:
    """Make panel and operators known to Blender."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Undo :func:`register`."""
    for task in _running:
        task.stop()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    tasks.server.stop()
