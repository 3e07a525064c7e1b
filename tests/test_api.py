"""The public API of ``import kinetune``."""

import ast
import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import kinetune
from kinetune import _HOME_OF
from kinetune.errors import ConfigError, OutputError
from kinetune.motion.io.formats import write_motion
from kinetune.tasks.recipe import Grid
from tests.cli.conftest import kinetune as command
from tests.conftest import EXAMPLE, swaying_clip


@pytest.fixture(scope="module")
def music(tiny_model):
    clip = swaying_clip(duration_s=2.0)
    return kinetune.generate(clip, genre="house", bpm=112, seed=3, model=str(tiny_model))


def test_every_name_is_offered_typed_and_there():
    assert dir(kinetune) == sorted([*kinetune.__all__, "__version__"])
    assert set(kinetune.__all__) == set(_HOME_OF)
    for name in kinetune.__all__:
        assert getattr(kinetune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        _ = kinetune.generat


def test_type_checkers_see_the_names_that_are_imported_late():
    tree = ast.parse(Path(kinetune.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname or alias.name: node.module for node in block.body for alias in node.names}
    assert typed == _HOME_OF


def test_music_is_as_requested(music):
    assert (music.genre, music.bpm, music.seed) == ("HO", 112.0, 3)
    assert music.duration_s == pytest.approx(2.0, abs=0.03)
    np.testing.assert_allclose(np.diff(music.beats.beats_s), 60 / 112, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            swaying_clip(duration_s=2.0),
            "<MotionClip sway: 120 frames at 60 fps = 2.00 s, from test>",
        ),
        (kinetune.Sound(np.zeros((300, 2), np.float32), 100), "<Sound: 3.00 s, 100 Hz, stereo>"),
        (
            kinetune.BeatGrid(120.0, 0.0, np.arange(8) / 2, 1.0, bar_start_s=1.0),
            "<BeatGrid: 120.0 bpm, 8 beats, a bar begins at 1.00 s>",
        ),
    ],
)
def test_objects_print_in_one_line(value, text):
    assert repr(value) == text


def test_music_prints_and_plays_itself(music):
    assert repr(music) == "<Music for sway: 2.0 s of house at 112.0 bpm, seed 3>"
    page = music._repr_html_()
    player = re.search(r'<audio controls src="data:audio/wav;base64,([^"]+)"', page)
    data = base64.b64decode(player.group(1))
    assert data[:4] == b"RIFF"
    assert len(data) == pytest.approx(2 * len(music.sound.samples), abs=200)
    picture = re.search(r"data:image/png;base64,([^\"]+)", page)
    assert base64.b64decode(picture.group(1))[:4] == b"\x89PNG"


def test_music_of_a_clip_is_the_music_of_its_file(tmp_path, tiny_model):
    path = tmp_path / "sway.bvh"
    write_motion(path, swaying_clip(duration_s=2.0))
    options = {"genre": "krump", "loop": True, "model": str(tiny_model), "energy": 0.5}
    from_path = kinetune.generate(path, **options)
    from_clip = kinetune.generate(kinetune.load_motion(path), **options)
    np.testing.assert_array_equal(from_path.sound.samples, from_clip.sound.samples)
    done = command(
        "generate", path, "-o", tmp_path / "a.wav", "--genre", "krump", "--loop", "--energy", 0.5,
        "--model", tiny_model,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = from_path.save(tmp_path / "b.wav")
    assert saved.read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_saving_keeps_what_exists(music, tmp_path):
    music.save(tmp_path / "a.flac")
    info = soundfile.info(tmp_path / "a.flac")
    assert (info.samplerate, info.frames) == (22_050, len(music.sound.samples))
    assert json.loads((tmp_path / "a.json").read_text())["kinetune"]["grid"]["bpm"] == 112.0
    with pytest.raises(OutputError, match="exist already"):
        music.save(tmp_path / "a.flac")
    music.save(tmp_path / "a.flac", overwrite=True)
    done = command("again", tmp_path / "a.flac", cwd=tmp_path)
    assert done.returncode == 2
    assert "dance in memory" in done.stderr


def test_an_edit_continues_from_what_was_made(music, tiny_model):
    edited = kinetune.edit(music, redo=(0.5, 1.0), exact=True, seed=9, model=str(tiny_model))
    assert (edited.bpm, edited.genre, edited.seed) == (112.0, "HO", 9)
    first, last = int(0.48 * 22_050), 22_050
    np.testing.assert_array_equal(edited.sound.samples[:first], music.sound.samples[:first])
    np.testing.assert_array_equal(edited.sound.samples[last:], music.sound.samples[last:])
    assert np.abs(edited.sound.samples - music.sound.samples)[first:last].max() > 1e-3
    with pytest.raises(ConfigError, match="which dance"):
        kinetune.edit(music.sound, redo=(0.5, 1.0), model=str(tiny_model))
    other = kinetune.edit(
        music.sound, music.clip, redo=(0.5, 1.0), exact=True, model=str(tiny_model)
    )
    assert other.duration_s == music.duration_s


def test_beats_are_found_in_a_file_or_a_clip():
    grid = kinetune.find_beats(EXAMPLE)
    assert grid.bpm == pytest.approx(100.0, rel=0.04)
    assert kinetune.find_beats(kinetune.load_motion(EXAMPLE), bpm="half").bpm == grid.bpm / 2
    assert kinetune.find_beats(EXAMPLE, bpm=97, first_beat_s=0.2).bar_start_s == 0.2
    waltz = kinetune.find_beats(EXAMPLE, metre=3)
    assert waltz.metre == Grid.of(waltz).beat_grid().metre == 3
    np.testing.assert_array_equal(Grid.of(waltz).beat_grid().beats_s, waltz.beats_s)


def test_a_film_is_made_and_kept(music, tmp_path):
    pytest.importorskip("av")
    path = kinetune.film(music.clip, music, tmp_path / "a.mp4")
    assert path.stat().st_size > 10_000
    with pytest.raises(OutputError, match="exists already"):
        kinetune.film(music.clip, music, tmp_path / "a.mp4")


def test_a_folder_is_scored(music, tmp_path):
    (tmp_path / "mine").mkdir()
    music.save(tmp_path / "mine" / "a.wav")
    result = kinetune.evaluate(
        tmp_path / "mine", scoring=kinetune.ScoringOptions(genre=False, workers=1)
    )
    assert list(result.results) == ["mine", "noise", "silence"]
    assert "| metric | mine |" in result._repr_markdown_()


def test_a_corpus_is_made(tmp_path):
    result = kinetune.make_corpus(tmp_path, 0.05, seed=1)
    assert result.items == 1
    assert Path(result.manifest).is_file()


def test_the_example_comes_with_the_package():
    assert kinetune.example_dance().name == EXAMPLE.name
    assert len(kinetune.GENRES) == 10
    assert "default" in [model.name for model in kinetune.list_models()]
