"""Recipes are written beside and into a sound file, and reproduce it."""

import csv
import json
import shutil

import numpy as np
import pytest

from kinetune.audio.sound import read_comment, read_sound, write_sound
from kinetune.render import mux, pictures
from kinetune.render.marks import Marks
from kinetune.tasks.recipe import file_sha256, find_music_recipe, read_recipe
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.cli.test_generate import dance


@pytest.fixture(scope="module")
def song_folder(tmp_path_factory, tiny_model):
    """A dance and its music, made with everything that a recipe must keep."""
    folder = tmp_path_factory.mktemp("song")
    done = kinetune(
        "generate", dance(folder), "-o", folder / "song.wav", "--model", tiny_model,
        "--seed", 7, "--bpm", 150, "--first-beat", 0.1, "--genre", "krump", "--silence", "0.5:0.8",
        "--accent", "1.2:2", "--exact", "--stereo", "--rate", 44_100, "--steps", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def song(tmp_path, song_folder):
    """A copy of them."""
    shutil.copytree(song_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "song.wav"


def test_the_recipe_beside_the_sound_names_all_that_made_it(song, tiny_model):
    recipe = read_recipe(song.with_suffix(".json"))
    assert (recipe.task, recipe.genre, recipe.grid.bpm) == ("generate", "KR", 150.0)
    assert recipe.grid.bar_start_s == pytest.approx(0.1)
    assert recipe.request["motions"] == ["sway.bvh"]
    assert recipe.request["options"]["seed"] == 7
    assert recipe.request["options"]["score"]["silences"] == [{"start_s": 0.5, "end_s": 0.8}]
    assert recipe.request["export"] == {"rate_hz": 44_100, "channels": 2, "target_lufs": -14.0}
    assert {"kinetune", "torch", "numpy"} <= set(recipe.versions)
    assert len(recipe.model_sha256) == len(recipe.sha256) == 64


def test_the_recipe_in_the_sound_contains_no_folders(song):
    text = read_comment(song)
    assert str(song.parent) not in text.replace(
        str(json.loads(text)["kinetune"]["request"]["model"]), ""
    )
    assert json.loads(text)["kinetune"]["request"]["motions"] == ["sway.bvh"]
    song.with_suffix(".json").unlink()
    assert find_music_recipe(song).grid.bpm == 150.0


@pytest.mark.parametrize("source", ["song.json", "song.wav"])
def test_again_makes_the_same_bytes(song, source):
    done = kinetune("again", song.parent / source, cwd=song.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "song-again.wav: identical to the original\n"
    assert (song.parent / "song-again.wav").read_bytes() == song.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_again_makes_the_same_bytes_in_every_format(tmp_path, tiny_model, suffix):
    done = kinetune(
        "generate", dance(tmp_path), "-o", tmp_path / f"song.{suffix}", "--model", tiny_model,
        "--seed", 3, "--steps", 2, "--bpm", 120, *(["--loop"] if suffix == "ogg" else []),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    song = (tmp_path / f"song.{suffix}").read_bytes()
    for source in ("song.json", f"song.{suffix}"):
        done = kinetune("again", tmp_path / source, "--force", cwd=tmp_path)
        assert done.stdout == f"song-again.{suffix}: identical to the original\n"
        assert (tmp_path / f"song-again.{suffix}").read_bytes() == song


@pytest.mark.slow
def test_an_edit_knows_what_made_the_music_and_can_be_made_again(song):
    folder = song.parent
    done = kinetune("edit", song, "--redo", "1:1.6", "--exact", "--seed", 2, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["bpm"], told["genre"], told["genre_source"]) == (150.0, "KR", "recipe")
    assert told["motion"] == str(folder / "sway.bvh")
    recipe = read_recipe(folder / "song-edit.json")
    assert (recipe.task, recipe.request["music"]) == ("edit", "song.wav")
    level = read_recipe(song.with_suffix(".json")).model_lufs
    assert level is not None
    assert recipe.model_lufs == level
    assert recipe.request["options"]["score"]["accents"][0]["at_s"] == 1.2
    assert kinetune("again", "song-edit.json", cwd=folder).returncode == 0
    again, edited = folder / "song-edit-again.wav", folder / "song-edit.wav"
    assert again.read_bytes() == edited.read_bytes()
    # An edit of an edit goes on with the same beats.
    done = kinetune("edit", edited, "--redo", "0.1:0.4", "--exact", "--json", cwd=folder)
    assert json.loads(done.stdout)["bpm"] == 150.0


@pytest.mark.slow
def test_again_writes_beats_and_packs_of_a_piece_and_of_an_edit(song):
    """The pack has the edit's own sound, the beats of the recipe and the marks of its score."""
    folder = song.parent
    done = kinetune("edit", song, "--redo", "1:1.6", "--exact", cwd=folder)
    assert done.returncode == 0, done.stderr
    for source in ("song", "song-edit"):
        done = kinetune(
            "again", f"{source}.json", "-o", "new.wav", "--beat-map", "csv", "--pack", "unity",
            "--force", cwd=folder,
        )  # fmt: skip
        assert done.stdout == (
            "new.wav: identical to the original\n  beats: new.beats.csv\n  pack: new-unity\n"
        )
        sound = read_sound(folder / "new-unity" / "new.wav")
        np.testing.assert_array_equal(sound.samples, read_sound(folder / f"{source}.wav").samples)
        pack = json.loads((folder / "new-unity" / "pack.json").read_text())
        assert (pack["bpm"], pack["bar_beats"], pack["first_bar"]) == (150.0, 4, 0.1)
        beats = [event["time"] for event in pack["events"] if event["kind"] == "beat"]
        np.testing.assert_allclose(beats, 0.1 + 0.4 * np.arange(5), atol=1e-6)
        times = [e["time"] for e in pack["events"] if e["kind"] in ("accent", "silence")]
        assert times == [0.5, 0.8, 1.2]
        rows = csv.DictReader((folder / "new.beats.csv").read_text().splitlines())
        assert [float(row["time_s"]) for row in rows] == pytest.approx(beats, abs=1e-3)
    done = kinetune("again", "song-edit.json", "-o", "new.wav", "--pack", "unity", cwd=folder)
    assert_one_clear_line(done)
    assert "exist" in done.stderr
    for options, said in (
        (["--midi"], "the diffusion engine has no notes"),
        (["--pack", "gd"], "found 'gd'"),
        (["--beat-map", "xml"], "found 'xml'"),
    ):
        done = kinetune("again", "song.json", "-o", "x.wav", *options, cwd=folder)
        assert_one_clear_line(done)
        assert said in done.stderr
    done = kinetune("again", "song-edit.json", "-o", "x.wav", "--stems", "mastered", cwd=folder)
    assert_one_clear_line(done)
    assert "was not composed" in done.stderr


def test_again_in_another_format_does_not_call_it_different(song):
    done = kinetune("again", song, "-o", "new.flac", cwd=song.parent)
    assert done.stdout == "new.flac: made\n"
    np.testing.assert_allclose(
        read_sound(song.with_name("new.flac")).samples, read_sound(song).samples, atol=1.01 / 2**15
    )


@pytest.mark.slow
def test_a_film_and_an_edit_show_the_marks_of_the_recipe(song, monkeypatch):
    """The silence from 0.5 to 0.8 s and the accent at 1.2 s, whatever beats flash."""
    filmed, drawn = [], []
    monkeypatch.setattr(mux, "write_film", lambda path, scene, *_, **__: filmed.append(scene))
    monkeypatch.setattr(pictures, "draw_edit", lambda *_, marks: drawn.append(marks))
    folder, command = song.parent, ("edit", song, "--redo", "1:1.6", "--exact", "--plot")
    assert kinetune("film", folder / "sway.bvh", song, cwd=folder).returncode == 0
    assert (
        kinetune(
            "film", folder / "sway.bvh", song, "--bpm", 97, "-o", "b.mp4", cwd=folder
        ).returncode
        == 0
    )
    done = kinetune(*command, "--video", "c.mp4", cwd=folder)
    assert done.returncode == 0, done.stderr
    for scene in filmed:
        assert [(span.start_s, span.end_s) for span in scene.marks.silences] == [(0.5, 0.8)]
        assert scene.marks.accents_s == (1.2,)
    assert len(filmed[1].beats_s) != len(filmed[0].beats_s)
    assert (len(filmed), drawn) == (3, [filmed[2].marks])


def test_music_without_a_recipe_is_filmed_without_marks(song, monkeypatch):
    filmed = []
    monkeypatch.setattr(mux, "write_film", lambda path, scene, *_, **__: filmed.append(scene))
    plain = song.parent / "plain.wav"
    write_sound(plain, read_sound(song))
    assert kinetune("film", song.parent / "sway.bvh", plain, cwd=song.parent).returncode == 0
    assert filmed[0].marks == Marks()


def test_a_recipe_travels_with_its_files(song, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("song.json", "sway.bvh"):
        shutil.copy(song.parent / name, elsewhere)
    assert kinetune("again", elsewhere / "song.json", cwd=elsewhere).returncode == 0
    assert (elsewhere / "song-again.wav").read_bytes() == song.read_bytes()


def test_a_changed_dance_is_refused(song):
    with (song.parent / "sway.bvh").open("a") as file:
        file.write("\n")
    done = kinetune("again", song, cwd=song.parent)
    assert_one_clear_line(done)
    assert "sway.bvh: has changed since" in done.stderr
    assert not (song.parent / "song-again.wav").exists()


def test_a_dance_with_an_endless_name_is_one_clear_line(song):
    table = json.loads(song.with_suffix(".json").read_text())
    table["kinetune"]["request"]["motions"] = ["a" * 5000]
    song.with_suffix(".json").write_text(json.dumps(table))
    done = kinetune("again", song.with_suffix(".json"), cwd=song.parent)
    assert_one_clear_line(done)
    assert "no such file" in done.stderr


def test_another_model_is_refused(song, tiny_model, tmp_path):
    other = shutil.copytree(tiny_model, tmp_path / "other")
    (other / "README.md").write_text("mine")
    done = kinetune("again", song, "--model", other, cwd=song.parent)
    assert_one_clear_line(done)
    assert "is not the one that" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds no recipe"),
        ("[1]", "holds no recipe"),
        ("not json", "holds no recipe"),
        ('{"kinetune": 3}', "expected an object"),
        ('{"kinetune": {"task": "dance"}}', "recipe.task: expected"),
        ('{"kinetune": {"colour": 1}}', "unknown key 'colour'"),
    ],
)
def test_a_damaged_recipe_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    done = kinetune("again", tmp_path / "a.json", cwd=tmp_path)
    assert_one_clear_line(done)
    assert message in done.stderr


def test_again_ignores_programs_and_files_of_a_recipe(song, tmp_path):
    marker = tmp_path / "ran"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    fbx = tmp_path / "sway.fbx"
    fbx.write_bytes(b"Kaydara FBX Binary  \0\x1a\0" + bytes(64))
    table = json.loads(song.with_suffix(".json").read_text())
    request = table["kinetune"]["request"]
    request |= {"plot": True, "film": {"path": str(tmp_path / "film.mp4")}, "variations": 3}
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps(table))
    assert kinetune("again", strange, cwd=tmp_path).returncode == 0
    assert not list(tmp_path.rglob("*.mp4")) + list(tmp_path.rglob("song-again*.png"))
    request |= {"motions": ["sway.fbx"]}
    request["read"]["blender"] = str(program)
    table["kinetune"]["inputs"] = {"sway.fbx": file_sha256(fbx)}
    strange.write_text(json.dumps(table))
    assert kinetune("again", strange, "-o", tmp_path / "b.wav").returncode == 2
    assert not marker.exists()
    kinetune("again", strange, "-o", tmp_path / "b.wav", "--blender", program)
    assert marker.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beats_s": [1.0, 1.0]}, "one or more, and ascending"),
        ({"beats_s": []}, "one or more, and ascending"),
        ({"beats_s": [-1.0, 2.0]}, "within the music"),
        ({"beats_s": [1.0, 1e300]}, "within the music"),
        ({"bpm": 0}, "no music has 0 bpm"),
        ({"metre": 0}, "bars of 0 beats"),
        ({"bpm": 10**400}, "grid.bpm: expected float, found 1000"),
    ],
)
def test_impossible_beats_of_a_recipe_are_one_clear_line(song, change, message):
    recipe = song.with_suffix(".json")
    table = json.loads(recipe.read_text())
    table["kinetune"]["grid"] |= change
    recipe.write_text(json.dumps(table))
    done = kinetune("again", recipe, cwd=song.parent)
    assert_one_clear_line(done)
    assert message in done.stderr


def test_a_neighbour_of_the_same_name_is_not_taken_for_the_recipe(song):
    beside = song.with_suffix(".json")
    table = json.loads(beside.read_text())
    table["kinetune"]["grid"]["bpm"] = 99.0
    table["kinetune"]["sha256"] = "0" * 64
    beside.write_text(json.dumps(table))
    assert find_music_recipe(song).grid.bpm == 150.0
    beside.write_text('{"my": "own"}')
    assert find_music_recipe(song).grid.bpm == 150.0


def test_the_silence_of_the_options_is_audible(song):
    samples = read_sound(song).samples
    assert not samples[int(0.505 * 44_100) : int(0.79 * 44_100)].any()
    assert np.abs(samples[int(0.85 * 44_100) :]).max() > 0.01


def test_redo_keeps_silence_and_accent_of_the_score(song):
    """The span contains the second half of the silence, and an added accent."""
    folder = song.parent
    command = ["edit", song, "--redo", "0.65:1.9", "--exact", "--seed", 2, "--force"]
    assert kinetune(*command, "-o", folder / "plain.wav").returncode == 0
    done = kinetune(*command, "-o", folder / "hit.wav", "--accent", "1.2:0", "--accent", "1.6:2")
    assert done.returncode == 0, done.stderr
    before, plain, hit = (
        read_sound(path).mono for path in (song, folder / "plain.wav", folder / "hit.wav")
    )
    quiet = slice(int(0.55 * 44_100), int(0.79 * 44_100))
    assert not plain[quiet].any()
    assert not hit[quiet].any()
    kept = slice(int(1.91 * 44_100), None)
    np.testing.assert_array_equal(plain[kept], before[kept])

    def level(samples, at_s):
        around = samples[int((at_s - 0.01) * 44_100) : int((at_s + 0.08) * 44_100)]
        return np.sqrt(np.mean(around**2))

    assert level(hit, 1.6) > 1.2 * level(plain, 1.6)
    assert level(hit, 1.2) < level(plain, 1.2)
    score = read_recipe(folder / "hit.wav").options.score
    assert [accent.at_s for accent in score.accents] == [1.6]
    assert [(part.start_s, part.end_s) for part in score.silences] == [(0.5, 0.8)]


def test_a_silence_alone_redoes_its_bar_and_joins_what_the_piece_had(song):
    """Bar lines at 0.1 and 1.7 s; the piece ends at 2 s."""
    folder = song.parent
    done = kinetune("edit", song, "--silence", "1.2:1.5", "--exact", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["start_s"], told["end_s"]) == (pytest.approx(0.1), pytest.approx(1.7))
    edited, before = (read_sound(path) for path in (folder / "song-edit.wav", song))
    for start_s, end_s in ((0.505, 0.79), (1.205, 1.49)):
        assert not edited.samples[int(start_s * 44_100) : int(end_s * 44_100)].any()
    kept = slice(int(1.71 * 44_100), None)
    np.testing.assert_array_equal(edited.samples[kept], before.samples[kept])
    score = read_recipe(folder / "song-edit.wav").options.score
    assert [part.start_s for part in score.silences] == [0.5, 1.2]
    assert [accent.at_s for accent in score.accents] == [1.2]
    # The recipe says all of it, once.
    assert kinetune("again", "song-edit.json", cwd=folder).returncode == 0
    again = folder / "song-edit-again.wav"
    assert again.read_bytes() == (folder / "song-edit.wav").read_bytes()


def test_the_energy_of_an_edit_is_that_of_the_new_part(song):
    done = kinetune("edit", song, "--redo", "0.5:1", "--energy", "2.5", cwd=song.parent)
    assert done.returncode == 0, done.stderr
    (section,) = read_recipe(song.parent / "song-edit.wav").options.score.sections
    assert (section.start_s, section.end_s) == (pytest.approx(0.1), pytest.approx(1.7))
    assert (section.energy, section.genre) == (2.5, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--energy", "2"], "add --redo START:END"),
        (["--redo", "0.5:1", "--accent", "1.8"], "outside what is new, 0.10 to 1.70 s"),
        (["--accent", "5"], "the music lasts 2.00 s"),
        (["--energy", "7", "--redo", "0:1"], "energy must be 0.1 to 3"),
    ],
)
def test_a_change_of_the_score_that_would_be_lost_is_one_clear_line(song, options, said):
    done = kinetune("edit", song, *options, cwd=song.parent)
    assert_one_clear_line(done)
    assert said in done.stderr


def test_a_score_file_takes_the_place_of_the_pieces_own(song):
    empty = song.with_name("empty.toml")
    empty.write_text("")
    command = ("edit", song, "--score", empty, "--redo", "0:end", "--accent", "0.9", "--seed", 3)
    done = kinetune(*command, cwd=song.parent)
    assert done.returncode == 0, done.stderr
    score = read_recipe(song.parent / "song-edit.wav").options.score
    assert [accent.at_s for accent in score.accents] == [0.9]
    assert score.silences == ()
