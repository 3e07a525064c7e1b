"""What the buttons do: read the armature, have music made, put it into the scene.

A task is stepped by a timer: reading takes a few milliseconds a step, the server is asked in a
thread of its own, and only a step touches Blender's data.
"""

import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import client, rig, sequencer, timing

# Milliseconds of a step that Blender can't draw in.
_READ_S = 0.02
server = client.LocalServer()


@dataclass(frozen=True)
class Sound:
    """A piece of music on this disk.

    Attributes:
        label: What to call it.
        job: The job that made it.
        name: Its file in that job.
        path: Its file here.
    """

    label: str
    job: str
    name: str
    path: Path


@dataclass(frozen=True)
class Made:
    """What came of a job.

    Attributes:
        sounds: The pieces, best first.
        beats_s: Their beats, seconds; none if they are as before.
        downbeats_s: Those beats that open a bar.
        readings: The readings of the beat: tempo, and probability.
    """

    sounds: tuple[Sound, ...]
    beats_s: tuple[float, ...] = ()
    downbeats_s: tuple[float, ...] = ()
    readings: tuple[tuple[float, float], ...] = field(default=())


@dataclass(frozen=True)
class Place:
    """Where things are, read before the thread starts.

    Attributes:
        client: The server to ask first.
        command: The program to start if none answers.
        data: Folder of a server that is started.
        music: Folder of the sounds.
    """

    client: client.Client
    command: str
    data: Path
    music: Path

    def server(self, report: client.Report) -> client.Client:
        """Return a client of a server that runs."""
        report("starting the server", 0.0)
        return server.find(self.client, self.command, self.data)


class Task:
    """Something that takes a while.

    Args:
        work: What the thread shall do.
        finish: Called with what the thread returned.
        sampler: Reads the armature before; None leaves that out.
    """

    def __init__(
        self,
        work: Callable[[client.Report, threading.Event], Made],
        finish: Callable[[Made], None],
        sampler: rig.Sampler | None = None,
    ) -> None:
        self._work, self._finish, self._sampler = work, finish, sampler
        self._thread: client.Background | None = None
        self._stopped = False
        self.error = ""

    @property
    def state(self) -> tuple[str, float]:
        """What is done, and how far it is, 0 to 1."""
        if self._thread is not None:
            return self._thread.stage, self._thread.share
        sampler = self._sampler
        return "reading the armature", 0.0 if sampler is None else sampler.done / sampler.count

    def stop(self) -> None:
        """Ask it to stop."""
        self._stopped = True
        if self._thread is not None:
            self._thread.stop.set()

    def step(self) -> bool:
        """Do a little; return whether it goes on."""
        if self._thread is None:
            return self._step_sampler()
        if self._thread.is_alive():
            return True
        self.error = self._thread.error
        if not self.error:
            self._finish(self._thread.result)
        return False

    def _step_sampler(self) -> bool:
        if self._sampler is not None:
            if self._sampler.step(_READ_S) and not self._stopped:
                return True
            self._sampler.restore()
        if self._stopped:
            self.error = "stopped"
            return False
        self._thread = client.Background(self._work)
        self._thread.start()
        return True


def make(scene: bpy.types.Scene, armature: bpy.types.Object, place: Place) -> Task:
    """Return the task that makes music for an armature's action."""
    settings = scene.kinetune
    sampler = rig.Sampler(scene, armature, mapping_of(armature))
    body = job_body(settings)
    name = "".join(c for c in armature.name if c.isalnum() or c in "-_") or "armature"

    def work(report: client.Report, stop: threading.Event) -> Made:
        server_ = place.server(report)
        report("reading the motion", 0.0)
        motion = server_.upload(f"{name}.bvh", sampler.text().encode())
        job = server_.run({**body, "motion": motion["id"]}, report, stop)
        return _made(place, server_, job, motion)

    def finish(made: Made) -> None:
        settings.first_frame = sampler.first
        settings.takes.clear()
        settings.readings.clear()
        for bpm, probability in made.readings:
            row = settings.readings.add()
            row.name = f"{bpm:.1f} bpm ({probability:.0%})"
        _add_takes(scene, made)
        use_take(scene, 0)
        settings.beats = json.dumps([made.beats_s, made.downbeats_s])
        mark_beats(scene)

    return Task(work, finish, sampler)


def redo(scene: bpy.types.Scene, place: Place) -> Task:
    """Return the task that makes the preview range of the chosen take anew.

    Raises:
        ValueError: There is no take, or the range lies outside the dance.
    """
    settings = scene.kinetune
    if not settings.takes:
        raise ValueError("make music first")
    take = settings.takes[settings.take]
    start, end = scene.frame_preview_start, scene.frame_preview_end
    begin_s, end_s = timing.span_s(start, end, first=settings.first_frame, fps=rig.fps_of(scene))
    label = f"{take.name}, frames {start} to {end} anew"
    body = {
        "task": "edit", "job": take.job, "file": take.file, "redo": [begin_s, end_s],
        "options": {"seed": settings.seed + len(settings.takes)},
    }  # fmt: skip

    def work(report: client.Report, stop: threading.Event) -> Made:
        server_ = place.server(report)
        job = server_.run(body, report, stop)
        return Made((_fetch(place, server_, job["id"], job["result"]["output"], label),))

    def finish(made: Made) -> None:
        _add_takes(scene, made)
        use_take(scene, len(settings.takes) - 1)

    return Task(work, finish)


def job_body(settings: Any) -> dict[str, Any]:  # noqa: ANN401 - a property group
    """Return the job of the panel's settings, without its motion."""
    options: dict[str, Any] = {
        "seed": settings.seed, "engine": settings.engine, "loop": settings.loop,
        "beats": {"reading": int(settings.reading or 1)},
    }  # fmt: skip
    if settings.genre != "auto":
        options["genre"] = settings.genre
    if settings.engine == "composer":
        harmony = {"key": settings.key.strip(), "chords": settings.chords.strip()}
        options["composer"] = {name: text for name, text in harmony.items() if text}
    return {
        "task": "generate", "options": options, "variations": settings.variations,
        "beat_maps": ["json"],
    }  # fmt: skip


def mapping_of(armature: bpy.types.Object) -> Mapping[str, str]:
    """Return the bones a user chose, by the joints they are."""
    chosen = armature.kinetune_joints
    return {name: bone for name in rig.JOINTS if (bone := getattr(chosen, name))}


def use_take(scene: bpy.types.Scene, index: int) -> None:
    """Let a take be heard."""
    settings = scene.kinetune
    settings.take = index
    sequencer.place_sound(
        scene, Path(bpy.path.abspath(settings.takes[index].path)), settings.first_frame
    )


def mark_beats(scene: bpy.types.Scene) -> None:
    """Set the markers that the settings ask for."""
    settings = scene.kinetune
    beats_s, downbeats_s = json.loads(settings.beats or "[[], []]")
    markers = []
    if settings.markers != "none":
        markers = timing.beat_markers(
            beats_s, downbeats_s, first=settings.first_frame, fps=rig.fps_of(scene),
            bars=settings.markers == "bars",
        )  # fmt: skip
    sequencer.place_markers(scene, markers)


def data_folder() -> Path:
    """Return the folder of what is kept outside .blend files."""
    package = __package__ or ""
    try:
        return Path(bpy.utils.extension_path_user(package, create=True))
    except ValueError:
        # Not installed as an extension.
        return Path(bpy.utils.user_resource("DATAFILES", path="kinetune", create=True))


def music_folder() -> Path:
    """Return the folder of the sounds: beside the .blend file, or a temporary one."""
    if bpy.data.filepath:
        return Path(bpy.path.abspath("//")) / "kinetune"
    return Path(bpy.app.tempdir or tempfile.gettempdir()) / "kinetune"


def _made(
    place: Place, server_: client.Client, job: dict[str, Any], motion: dict[str, Any]
) -> Made:
    """Fetch what a job made."""
    pieces = job["result"]["pieces"]
    sounds = [
        _fetch(place, server_, job["id"], piece["output"], f"Take {chr(65 + index)}{_fit(piece)}")
        for index, piece in enumerate(pieces)
    ]
    beats = json.loads(server_.fetch(job["id"], pieces[0]["beat_maps"][0]))
    readings = motion["inspection"]["readings"]
    return Made(
        tuple(sounds), tuple(beats["beats_s"]), tuple(beats["downbeats_s"]),
        tuple((reading["bpm"], reading["probability"]) for reading in readings),
    )  # fmt: skip


def _fit(piece: dict[str, Any]) -> str:
    scores = piece["scores"]
    return "" if scores is None else f" (follows the body {scores['total']:.2f})"


def _fetch(place: Place, server_: client.Client, job: str, name: str, label: str) -> Sound:
    place.music.mkdir(parents=True, exist_ok=True)
    # The job's id: no file that is there is replaced.
    path = place.music / f"{Path(name).stem}-{job[:8]}{Path(name).suffix}"
    path.write_bytes(server_.fetch(job, name))
    return Sound(label, job, name, path)


def _add_takes(scene: bpy.types.Scene, made: Made) -> None:
    for sound in made.sounds:
        row = scene.kinetune.takes.add()
        row.name, row.job, row.file = sound.label, sound.job, sound.name
        saved = bool(bpy.data.filepath)
        row.path = bpy.path.relpath(str(sound.path)) if saved else str(sound.path)
