"""The composer under generate, again and edit: files, recipes, the other engine's options."""

import json

import numpy as np
import pytest

import kinetune as kt
from kinetune.audio.sound import read_sound
from kinetune.composer.output.chord_files import read_chords
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.io.formats import write_motion
from tests.cli.conftest import assert_one_clear_line, kinetune

FLAGS = ("--engine", "composer", "--rate", 16_000, "--mono", "--bpm", 120, "--first-beat", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("composed")
    request = DanceRequest("HO", 120.0, 8.0, first_beat_s=0.0, fps=30.0)
    write_motion(path / "dance.bvh", choreograph(1, request).clip)
    done = kinetune(
        "generate", "dance.bvh", *FLAGS, "--chords", "Am F C G", "-o", "a.wav", "--json", cwd=path
    )
    assert done.returncode == 0, done.stderr
    (path / "a.result.json").write_text(done.stdout)
    return path


def test_generate_prints_and_writes_key_and_chords(folder):
    (piece,) = json.loads((folder / "a.result.json").read_text())
    assert piece["composed"]["key"] == "A minor"
    assert piece["composed"]["chords"] == "Am F C G"
    assert read_chords(folder / "a.chords.txt") == (
        (0.0, "Am"), (2.0, "F"), (4.0, "C"), (6.0, "G")
    )  # fmt: skip
    sound = read_sound(folder / "a.wav")
    assert (sound.rate_hz, sound.samples.shape) == (16_000, (8 * 16_000,))


def test_again_makes_the_same_bytes_without_a_model(folder):
    done = kinetune("again", "a.json", "-o", "again.wav", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same"] is True
    recipe = json.loads((folder / "a.json").read_text())["kinetune"]
    assert recipe["model_sha256"] == ""
    assert recipe["request"]["options"]["engine"] == "composer"


def test_an_edit_redoes_its_bars_and_its_recipe_makes_all_of_it(folder):
    done = kinetune(
        "edit", "a.wav", "--redo", "4:6", "--seed", 5, "-o", "b.wav", "--json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["start_s"], made["end_s"], made["seed"]) == (4.0, 6.0, 5)
    assert (made["harmony"]["key"], made["harmony"]["chords"]) == ("A minor", "Am F C G")
    assert read_chords(folder / "b.chords.txt") == read_chords(folder / "a.chords.txt")
    takes = json.loads((folder / "b.json").read_text())["kinetune"]["request"]["options"][
        "composer"
    ]
    assert takes["takes"] == [{"start_s": 4.0, "end_s": 6.0, "seed": 5, "genre": ""}]
    again = kinetune("again", "b.json", "-o", "b2.wav", "--json", cwd=folder)
    assert json.loads(again.stdout)["same"] is True
    # generate with the same stretch is the same piece.
    same = kinetune(
        "generate", "dance.bvh", *FLAGS, "--chords", "Am F C G", "--redo", "4:6:5", "-o", "c.wav",
        cwd=folder,
    )  # fmt: skip
    assert same.returncode == 0, same.stderr
    np.testing.assert_array_equal(
        read_sound(folder / "b.wav").samples, read_sound(folder / "c.wav").samples
    )


def test_an_edit_of_an_edit_keeps_both_takes(folder):
    for source, span, target in (("a.wav", "0:2", "e1.wav"), ("e1.wav", "4:6", "e2.wav")):
        done = kinetune("edit", source, "--redo", span, "-o", target, cwd=folder)
        assert done.returncode == 0, done.stderr
    recipe = json.loads((folder / "e2.json").read_text())["kinetune"]["request"]
    takes = recipe["options"]["composer"]["takes"]
    # Seeds that no part of the piece has: 0 is the piece's own.
    assert [take["seed"] for take in takes] == [1, 2]


def test_changes_of_the_score_join_what_the_piece_has(folder):
    for source, flags, target in (
        ("a.wav", ("--redo", "4:6", "--accent", "4.5", "--energy", 2), "s1.wav"),
        ("s1.wav", ("--silence", "6.5:7", "--accent", "1.5"), "s2.wav"),
    ):
        done = kinetune("edit", source, *flags, "-o", target, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["start_s"], made["end_s"]) == (0.0, 8.0), "an earlier stretch is not this one"
    recipe = json.loads((folder / "s2.json").read_text())["kinetune"]["request"]
    score = recipe["options"]["score"]
    assert [accent["at_s"] for accent in score["accents"]] == [1.5, 4.5]
    assert score["silences"] == [{"start_s": 6.5, "end_s": 7.0}]
    assert score["sections"] == [{"start_s": 4.0, "end_s": 6.0, "genre": "", "energy": 2.0}]
    assert len(recipe["options"]["composer"]["takes"]) == 1
    samples = read_sound(folder / "s2.wav").samples
    assert not samples[int(6.51 * 16_000) : int(6.99 * 16_000)].any()
    # The same from Python.
    edited = kt.edit(folder / "s1.wav", silences_s=[(6.5, 7.0)], accents_s=[1.5])
    edited.save(folder / "s3.wav")
    np.testing.assert_array_equal(read_sound(folder / "s3.wav").samples, samples)


def test_python_makes_the_same_piece(folder):
    music = kt.generate(
        folder / "dance.bvh", engine="composer", chords="Am F C G", bpm=120, first_beat_s=0.0,
        rate_hz=16_000, stereo=False,
    )  # fmt: skip
    music.save(folder / "python.wav")
    np.testing.assert_array_equal(
        read_sound(folder / "python.wav").samples, read_sound(folder / "a.wav").samples
    )


def test_python_edits_composed_music_as_the_command_does(folder):
    done = kinetune("edit", "a.wav", "--redo", "2:4", "--seed", 9, "-o", "p.wav", cwd=folder)
    assert done.returncode == 0, done.stderr
    edited = kt.edit(folder / "a.wav", redo=(2.0, 4.0), seed=9)
    edited.save(folder / "p2.wav")
    np.testing.assert_array_equal(
        read_sound(folder / "p.wav").samples, read_sound(folder / "p2.wav").samples
    )


def test_a_loop_plays_twice_through_without_a_jump(folder):
    done = kinetune("generate", "dance.bvh", *FLAGS, "--loop", "-o", "loop.wav", cwd=folder)
    assert done.returncode == 0, done.stderr
    samples = read_sound(folder / "loop.wav").samples
    assert len(samples) == 8 * 16_000
    jumps = np.abs(np.diff(np.tile(samples, 2)))
    assert jumps[len(samples) - 1] < np.quantile(jumps, 0.999)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--engine", "composer", "--chords", "Am H"), "chord 'H'"),
        (("--engine", "composer", "--key", "Q"), "key 'Q'"),
        (("--engine", "composer", "--chords", "none.txt"), "none.txt: no such file"),
        (("--engine", "composer", "--redo", "4:2"), "stretch"),
        (("--engine", "composer", "--steps", 5), "no denoising steps"),
        (("--engine", "pianola",), "diffusion, composer"),
        (("--redo", "1:2"), "--engine composer"),
        (("--engine", "composer", "--metre", 3, "--chords", "Am,C,F,G"), "4 chords in a bar of 3"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_one_clear_line(folder, flags, says):
    done = kinetune("generate", "dance.bvh", *flags, "-o", "bad.wav", cwd=folder)
    assert_one_clear_line(done)
    assert says in done.stderr
    assert not (folder / "bad.wav").exists()


def test_a_chord_file_past_the_end_names_the_end(folder):
    (folder / "late.txt").write_text("0 Am\n9 F\n")
    done = kinetune("generate", "dance.bvh", *FLAGS, "--chords", "late.txt", "-o", "late.wav",
                    cwd=folder)  # fmt: skip
    assert_one_clear_line(done)
    assert "past the end: the music lasts 8.00 s" in done.stderr


@pytest.mark.parametrize(
    "flags", [("--continue", 4), ("--strength", 0.5), ("--redo", "1:2", "--exact")]
)
def test_edits_that_need_the_model_are_refused_by_the_composer(folder, flags):
    done = kinetune("edit", "a.wav", *flags, "-o", "no.wav", cwd=folder)
    assert_one_clear_line(done)
    assert "compose" in done.stderr
