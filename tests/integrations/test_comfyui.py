"""The ComfyUI nodes against a local server, with stand-ins for what ComfyUI brings."""

import importlib.util
import json
import sys
import types

import pytest
import torch

from kinetune import genres
from kinetune.motion.io.formats import MOTION_SUFFIXES
from tests.integrations.conftest import FOLDER


@pytest.fixture(scope="module")
def package():
    """The folder as ComfyUI imports it: a package of any name."""
    spec = importlib.util.spec_from_file_location(
        "custom_nodes_kinetune",
        FOLDER / "comfyui" / "__init__.py",
        submodule_search_locations=[str(FOLDER / "comfyui")],
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def comfyui(monkeypatch, dance, tmp_path):
    """ComfyUI's input folder, progress bar and Cancel button."""
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "dance.bvh").write_bytes(dance.read_bytes())
    (tmp_path / "input" / "picture.png").write_bytes(b"")
    state = types.SimpleNamespace(shown=[], interrupted=False, folder=tmp_path / "input")

    class ProgressBar:
        def __init__(self, total):
            self.total = total

        def update_absolute(self, value, total):
            state.shown.append((value, total))

    def throw():
        if state.interrupted:
            raise InterruptedError

    modules = {
        "folder_paths": {"get_input_directory": lambda: str(state.folder)},
        "comfy": {},
        "comfy.utils": {"ProgressBar": ProgressBar},
        "comfy.model_management": {"throw_exception_if_processing_interrupted": throw},
    }
    for name, content in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return state


def choices(package, name="motion"):
    required = package.NODE_CLASS_MAPPINGS["KinetuneMusic"].INPUT_TYPES()["required"]
    return list(required[name][0])


def run(package, node, **inputs):
    """Run a node as ComfyUI does: by its class and the name of its function."""
    cls = package.NODE_CLASS_MAPPINGS[node]
    outputs = getattr(cls(), cls.FUNCTION)(**inputs)
    assert len(outputs) == len(cls.RETURN_TYPES) == len(cls.RETURN_NAMES)
    return dict(zip(cls.RETURN_NAMES, outputs, strict=True))


def test_the_nodes_offer_what_kinetune_knows(package, comfyui):
    assert package.NODE_CLASS_MAPPINGS.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    assert choices(package) == ["dance.bvh"]
    assert set(choices(package, "genre")) - {"automatic"} == {
        genres.genre_name(code) for code in genres.CODES
    }
    nodes = sys.modules["custom_nodes_kinetune.nodes"]
    assert set(nodes.MOTION_SUFFIXES) == set(MOTION_SUFFIXES)


def test_a_changed_motion_is_noticed(package, comfyui):
    cls = package.NODE_CLASS_MAPPINGS["KinetuneMusic"]
    before = cls.IS_CHANGED("dance.bvh", genre="house")
    (comfyui.folder / "dance.bvh").write_bytes(b"other")
    assert cls.IS_CHANGED("dance.bvh", genre="house") != before
    assert cls.VALIDATE_INPUTS("dance.bvh") is True
    assert "no motion file" in cls.VALIDATE_INPUTS("picture.png")


@pytest.mark.parametrize("name", ["../secret.bvh", "/etc/passwd", "missing.bvh"])
def test_a_motion_outside_of_the_input_folder_is_refused(package, comfyui, name):
    (comfyui.folder.parent / "secret.bvh").write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"outside of the input folder|no such motion file"):
        package.NODE_CLASS_MAPPINGS["KinetuneMusic"].IS_CHANGED(name)


def test_a_server_that_is_not_there_is_named_in_one_line(package, comfyui, monkeypatch):
    monkeypatch.setenv("KINETUNE_URL", "http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match="start one with: kinetune serve") as caught:
        run(package, "KinetuneMusic", motion="dance.bvh", genre="house", engine="composer",
            seed=0, reading=1)  # fmt: skip
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_motion_becomes_audio_and_beats_and_a_stretch_is_redone(
    package, comfyui, server, monkeypatch
):
    monkeypatch.setenv("KINETUNE_URL", server.url)
    made = run(
        package, "KinetuneMusic", motion="dance.bvh", genre="house", engine="composer", seed=3,
        reading=1, chords="Am F C G",
    )  # fmt: skip
    waveform, rate_hz = made["audio"]["waveform"], made["audio"]["sample_rate"]
    assert (waveform.dtype, waveform.ndim, rate_hz) == (torch.float32, 3, 44_100)
    assert tuple(waveform.shape[:2]) == (1, 2)
    assert waveform.shape[2] / rate_hz == pytest.approx(6.0, abs=0.05)
    assert 0.1 < waveform.abs().max() <= 1.0
    beats = json.loads(made["beats_json"])
    assert set(beats["downbeats_s"]) < set(beats["beats_s"])
    assert made["bpm"] == pytest.approx(beats["bpm"], abs=0.01)
    assert all(0 <= value <= total == 100 for value, total in comfyui.shown)
    redone = run(package, "KinetuneRedo", take=made["take"], start_s=4.0, end_s=6.0, seed=5)
    changed = redone["audio"]["waveform"]
    assert changed.shape == waveform.shape
    assert not torch.equal(changed[..., -rate_hz:], waveform[..., -rate_hz:])
    with pytest.raises(RuntimeError, match="chord"):
        run(package, "KinetuneMusic", motion="dance.bvh", genre="house", engine="composer",
            seed=3, reading=1, chords="H9x")  # fmt: skip


@pytest.mark.slow
def test_cancel_stops_the_job_on_the_server(package, comfyui, server, monkeypatch):
    monkeypatch.setenv("KINETUNE_URL", server.url)
    comfyui.interrupted = True
    with pytest.raises(InterruptedError):
        run(package, "KinetuneMusic", motion="dance.bvh", genre="house", engine="composer",
            seed=8, reading=1)  # fmt: skip
    newest = server.call("GET", "/v1/jobs").json[0]
    assert server.wait(f"/v1/jobs/{newest['id']}")["status"] == "cancelled"
