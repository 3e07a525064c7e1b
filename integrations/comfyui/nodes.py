"""The nodes: music for a motion file, and music for a stretch of it anew.

AUDIO is what ComfyUI passes between nodes: ``{"waveform": float32 tensor (B, C, N), "sample_rate":
Hz}`` with a batch of one. Times are seconds.
"""

import hashlib
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

MOTION_SUFFIXES = (".bvh", ".fbx", ".glb", ".gltf", ".npy", ".npz", ".pkl", ".vrm", ".vrma")
GENRES = (
    "automatic", "break", "house", "ballet-jazz", "street-jazz", "krump", "la-hip-hop", "locking",
    "middle-hip-hop", "popping", "waacking",
)  # fmt: skip
ENGINES = ("diffusion", "composer")
_DEFAULT_URL = "http://127.0.0.1:8423"
_POLL_S = 0.25
_TIMEOUT_S = 60.0
_ENDED = ("done", "failed", "cancelled")


class KinetuneError(RuntimeError):
    """What went wrong, in one line; ComfyUI shows it at the node."""


class KinetuneMusic:
    """Music for a dance: a motion file becomes a sound and the beats it was made to."""

    CATEGORY = "audio/kinetune"
    FUNCTION = "make"
    RETURN_TYPES = ("AUDIO", "FLOAT", "STRING", "KINETUNE_TAKE")
    RETURN_NAMES = ("audio", "bpm", "beats_json", "take")
    OUTPUT_TOOLTIPS = (
        "the music",
        "its tempo, beats per minute",
        "times of beats and of those that open a bar, seconds, as JSON",
        "the take, to redo a stretch of it",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the node's inputs."""
        return {
            "required": {
                "motion": (motion_files(), {"tooltip": "a motion file in ComfyUI's input folder"}),
                "genre": (GENRES,),
                "engine": (ENGINES, {"tooltip": "the model, or notes played by instruments"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**31 - 1}),
                "reading": ("INT", {"default": 1, "min": 1, "max": 8,
                                    "tooltip": "which reading of the dance's beat, 1 most likely"}),
            },
            "optional": {
                "key": ("STRING", {"default": "", "tooltip": "composer: such as A minor"}),
                "chords": ("STRING", {"default": "", "tooltip": "composer: such as Am F C G"}),
                "loop": ("BOOLEAN", {"default": False}),
                "motion_path": ("STRING", {"default": "", "forceInput": True,
                                           "tooltip": "a file elsewhere, in place of motion"}),
            },
        }  # fmt: skip

    @classmethod
    def IS_CHANGED(cls, motion: str, motion_path: str = "", **_: object) -> str:
        """Return the checksum of the motion: a file that changed makes new music."""
        return hashlib.sha256(find_motion(motion, motion_path).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, motion: str) -> bool | str:
        """Return True, or what is wrong with the motion."""
        return (
            True if Path(motion).suffix.lower() in MOTION_SUFFIXES else f"{motion}: no motion file"
        )

    def make(  # noqa: PLR0913 - ComfyUI passes one argument an input
        self, motion: str, genre: str, engine: str, seed: int, reading: int, key: str = "",
        chords: str = "", loop: bool = False, motion_path: str = "",
    ) -> tuple[dict[str, Any], float, str, dict[str, str]]:  # fmt: skip
        """Return sound, tempo, beats, and the take."""
        options: dict[str, Any] = {
            "engine": engine, "seed": seed, "loop": loop, "beats": {"reading": reading},
        }  # fmt: skip
        if genre != GENRES[0]:
            options["genre"] = genre
        if engine == "composer":
            options["composer"] = {
                name: text for name, text in (("key", key), ("chords", chords)) if text
            }
        server = Server()
        motion_id = server.upload(find_motion(motion, motion_path))
        job = server.run({
            "task": "generate", "motion": motion_id, "options": options, "beat_maps": ["json"],
        })  # fmt: skip
        (piece,) = job["result"]["pieces"]
        beats = server.fetch(job["id"], piece["beat_maps"][0]).decode()
        take = {"job": job["id"], "file": piece["output"]}
        return server.sound(take), float(piece["bpm"]), beats, take


class KinetuneRedo:
    """A stretch of a take anew; the rest stays as it is."""

    CATEGORY = "audio/kinetune"
    FUNCTION = "redo"
    RETURN_TYPES = ("AUDIO", "KINETUNE_TAKE")
    RETURN_NAMES = ("audio", "take")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the node's inputs."""
        time_s = {"default": 0.0, "min": 0.0, "max": 7200.0, "step": 0.01}
        return {
            "required": {
                "take": ("KINETUNE_TAKE",),
                "start_s": ("FLOAT", time_s),
                "end_s": ("FLOAT", {**time_s, "default": 4.0}),
                "seed": ("INT", {"default": 1, "min": 0, "max": 2**31 - 1}),
            }
        }

    def redo(
        self, take: dict[str, str], start_s: float, end_s: float, seed: int
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the sound, and its take."""
        server = Server()
        job = server.run(
            {"task": "edit", **take, "redo": [start_s, end_s], "options": {"seed": seed}}
        )
        changed = {"job": job["id"], "file": job["result"]["output"]}
        return server.sound(changed), changed


class Server:
    """The server of KINETUNE_URL, by default on this machine."""

    _headers: ClassVar[dict[bool, str]] = {
        True: "application/octet-stream",
        False: "application/json",
    }

    def __init__(self) -> None:
        self.url = os.environ.get("KINETUNE_URL", _DEFAULT_URL).rstrip("/")
        self._token = os.environ.get("KINETUNE_TOKEN", "")

    def upload(self, path: Path) -> str:
        """Upload a motion file, wait until it is read, and return its id."""
        query = urllib.parse.urlencode({"name": path.name})
        motion = json.loads(self._send("POST", f"/v1/motions?{query}", path.read_bytes()))
        while motion["status"] == "reading":
            time.sleep(_POLL_S)
            motion = json.loads(self._send("GET", f"/v1/motions/{motion['id']}"))
        if motion["status"] == "failed":
            raise KinetuneError(motion["error"])
        return str(motion["id"])

    def run(self, body: dict[str, Any]) -> dict[str, Any]:
        """Do a job and return it; ComfyUI's progress bar follows, and its Cancel stops it."""
        job = json.loads(self._send("POST", "/v1/jobs", json.dumps(body)))
        bar = _progress_bar()
        try:
            while job["status"] not in _ENDED:
                _stop_if_interrupted()
                done, total = job["progress"]["done"], job["progress"]["total"]
                bar(done, total)
                time.sleep(_POLL_S)
                job = json.loads(self._send("GET", f"/v1/jobs/{job['id']}"))
        except BaseException:
            self._send("DELETE", f"/v1/jobs/{job['id']}")
            raise
        if job["status"] != "done":
            raise KinetuneError(job["error"] or "the job was stopped")
        return dict(job)

    def fetch(self, job: str, name: str) -> bytes:
        """Return a file of a job."""
        return self._send("GET", f"/v1/jobs/{job}/files/{urllib.parse.quote(name)}")

    def sound(self, take: dict[str, str]) -> dict[str, Any]:
        """Return the sound of a take as ComfyUI's AUDIO."""
        return audio_of(self.fetch(take["job"], take["file"]))

    def _send(self, method: str, path: str, body: bytes | str | None = None) -> bytes:
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        if data is not None:
            request.add_header("Content-Type", self._headers[isinstance(body, bytes)])
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            # A proxy of the system would not know this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=_TIMEOUT_S) as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError as error:
            raise KinetuneError(_detail(error)) from error
        except OSError as error:
            raise KinetuneError(
                f"{self.url}: no kinetune server answers ({error}); start one with: kinetune serve"
            ) from error


def audio_of(data: bytes) -> dict[str, Any]:
    """Return a WAV file of 16 bits as AUDIO: waveform (1, C, N) in [-1, 1), and its rate in Hz."""
    with wave.open(io.BytesIO(data)) as file:
        channels, rate_hz = file.getnchannels(), file.getframerate()
        if file.getsampwidth() != 2:
            raise KinetuneError(f"expected samples of 16 bits, found {8 * file.getsampwidth()}")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    scaled = samples.reshape(-1, channels).T.astype(np.float32) / 2**15
    return {"waveform": torch.from_numpy(scaled)[None], "sample_rate": rate_hz}


def find_motion(name: str, path: str = "") -> Path:
    """Return a file of ComfyUI's input folder, or the file of a path if one is given.

    Raises:
        KinetuneError: There is no such file.
    """
    found = Path(path) if path else _input_folder() / name
    if not path and _input_folder().resolve() not in found.resolve().parents:
        raise KinetuneError(f"{name}: lies outside of the input folder")
    if not found.is_file():
        raise KinetuneError(f"{found}: no such motion file")
    return found


def motion_files() -> list[str]:
    """Return the motion files in ComfyUI's input folder, by name."""
    folder = _input_folder()
    if not folder.is_dir():
        return []
    found = (path for path in folder.rglob("*") if path.suffix.lower() in MOTION_SUFFIXES)
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _input_folder() -> Path:
    try:
        import folder_paths
    except ImportError:
        # Outside of ComfyUI.
        return Path("input")
    return Path(folder_paths.get_input_directory())


def _progress_bar():  # noqa: ANN202
    """Return what moves ComfyUI's progress bar, or does nothing outside of it."""
    try:
        from comfy.utils import ProgressBar
    except ImportError:
        return lambda done, total: None
    bar = ProgressBar(100)
    return lambda done, total: bar.update_absolute(round(100 * done / total) if total else 0, 100)


def _stop_if_interrupted() -> None:
    try:
        from comfy.model_management import throw_exception_if_processing_interrupted
    except ImportError:
        return
    throw_exception_if_processing_interrupted()


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answers {error.code} {error.reason}"


NODE_CLASS_MAPPINGS = {"KinetuneMusic": KinetuneMusic, "KinetuneRedo": KinetuneRedo}
NODE_DISPLAY_NAME_MAPPINGS = {
    "KinetuneMusic": "Music for a dance (kinetune)",
    "KinetuneRedo": "Redo a stretch of music (kinetune)",
}
