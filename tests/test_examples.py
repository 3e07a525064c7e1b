"""The examples run, on a small model, and stay short."""

import json
import runpy
import sys
from functools import partial

import pytest

import kinetune
from kinetune.api.inputs import cached_pipeline
from kinetune.model.pipeline import DanceToMusicPipeline
from tests.conftest import EXAMPLE, REPOSITORY

EXAMPLES = REPOSITORY / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def small_model(tiny_model, tmp_path, monkeypatch):
    """The bundled model's name stands for the small one, and the work is in an empty folder."""
    from kinetune.model import checkpoint

    pipeline = DanceToMusicPipeline.from_pretrained(tiny_model)
    load = partial(lambda *_, **__: pipeline)
    monkeypatch.setattr(DanceToMusicPipeline, "from_pretrained", load)
    monkeypatch.setattr(checkpoint, "resolve", lambda _: tiny_model)
    monkeypatch.chdir(tmp_path)
    cached_pipeline.cache_clear()
    yield tmp_path
    cached_pipeline.cache_clear()


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.stem != "demo"], ids=lambda path: path.stem
)
def test_an_example_runs(script, small_model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr()
    assert printed.out
    assert printed.err == ""
    sounds = {path.suffix for path in small_model.rglob("*")} & {".wav", ".ogg"}
    assert sounds or script.stem.startswith(("02", "beat_readings"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short(script):
    assert len(script.read_text().splitlines()) <= 40


def test_the_demo_leaves_sound_picture_and_film(small_model, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["demo.py", str(EXAMPLE), "new/demo.wav"])
    runpy.run_path(str(EXAMPLES / "demo.py"), run_name="__main__")
    names = sorted(path.name for path in (small_model / "new").iterdir())
    assert names == ["demo.json", "demo.mp4", "demo.png", "demo.wav"]


def test_the_notebook_runs_and_plays(small_model):
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text())["cells"]
    space = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs are not kept in the repository"
            exec(cell["source"], space)
    assert space["house"].bpm == 112.0
    assert "<audio controls" in space["redone"]._repr_html_()
    assert isinstance(space["music"], kinetune.Music)
    assert (small_model / "out" / "break.json").is_file()


def test_the_demo_ends_with_the_studio(small_model, monkeypatch, capsys):
    """Its last line is what a newcomer types next."""
    monkeypatch.setattr(kinetune.Music, "film", lambda self, path, **_: path)
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    runpy.run_path(str(EXAMPLES / "demo.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines()[-1] == "  .venv/bin/kinetune studio"
