"""Several dances as one group: one beat, one piece, one film."""

import json

import numpy as np
import pytest

from kinetune.audio.sound import Sound, write_sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.beats.beat_grid import beat_grid, group_beat_grid
from kinetune.motion.io.formats import read_motion
from kinetune.tasks.recipe import read_recipe
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.cli.test_generate import dance


@pytest.fixture
def couple(tmp_path):
    return dance(tmp_path, "lead.bvh"), dance(tmp_path, "follow.bvh", seed=1)


@pytest.mark.slow
def test_a_group_gets_one_piece_made_again_from_all_its_dancers(couple, tmp_path, tiny_model):
    done = kinetune(
        "generate", *couple, "--together", "--model", tiny_model, "--json", "--plot",
        "--video", "both.mp4", "--steps", 2, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (piece,) = json.loads(done.stdout)
    assert (piece["motion"], piece["partners"]) == (str(couple[0]), [str(couple[1])])
    assert piece["output"] == "lead-together.wav"
    grid = group_beat_grid([read_motion(path) for path in couple])
    assert piece["bpm"] == pytest.approx(grid.bpm)
    np.testing.assert_allclose(piece["beats_s"], grid.beats_s, atol=1e-3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "both.mp4", "follow.bvh", "lead-together.json", "lead-together.png", "lead-together.wav",
        "lead.bvh",
    ]  # fmt: skip
    recipe = read_recipe(tmp_path / "lead-together.json")
    assert recipe.request["motions"] == ["lead.bvh", "follow.bvh"]
    assert set(recipe.inputs) == {"lead.bvh", "follow.bvh"}
    done = kinetune("again", "lead-together.json", cwd=tmp_path)
    assert done.stdout == "lead-together-again.wav: identical to the original\n"


def test_an_edit_and_what_follows_it_are_for_the_whole_group(couple, tmp_path, tiny_model):
    kinetune("generate", *couple, "--together", "--model", tiny_model, "--steps", 2, cwd=tmp_path)
    done = kinetune("edit", "lead-together.wav", "--redo", "0.5:1", "--exact", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = read_recipe(tmp_path / "lead-together-edit.json")
    assert recipe.request["partners"] == ["follow.bvh"]
    assert set(recipe.inputs) == {"lead.bvh", "follow.bvh", "lead-together.wav"}
    done = kinetune("again", "lead-together-edit.json", cwd=tmp_path)
    assert "identical to the original" in done.stdout


def test_the_music_of_a_group_depends_on_every_dancer(couple, tmp_path, tiny_model):
    shared = ["--model", tiny_model, "--steps", 2, "--bpm", 120, "--first-beat", 0]
    for name, motions in (
        ("both", couple),
        ("other", (couple[0], dance(tmp_path, "c.bvh", seed=7))),
    ):
        done = kinetune(
            "generate", *motions, "--together", "-o", tmp_path / f"{name}.wav", *shared
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "both.wav").read_bytes() != (tmp_path / "other.wav").read_bytes()


def test_a_group_can_loop_and_have_variations(couple, tmp_path, tiny_model):
    done = kinetune(
        "generate", *couple, "--together", "--loop", "--variations", 2, "-o", tmp_path / "a.wav",
        "--model", tiny_model, "--steps", 2, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pieces = json.loads(done.stdout)
    assert [piece["rank"] for piece in pieces] == [1, 2]
    assert pieces[0]["duration_s"] == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("command", ["generate", "inspect"])
def test_one_dance_is_no_group(couple, tmp_path, command):
    done = kinetune(command, couple[0], "--together", cwd=tmp_path)
    assert_one_clear_line(done)
    assert "two dances or more, found 1" in done.stderr


def test_a_dancer_that_cannot_be_read_is_one_clear_line(couple, tmp_path, tiny_model):
    couple[1].write_text("HIERARCHY\nnonsense")
    done = kinetune("generate", *couple, "--together", "--model", tiny_model, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "follow.bvh" in done.stderr
    assert not (tmp_path / "lead-together.wav").exists()


def test_inspect_prints_the_shared_readings_and_each_dancer(couple, tmp_path):
    done = kinetune("inspect", *couple, "--together", "--json", "--plot", cwd=tmp_path)
    found = json.loads(done.stdout)
    clips = [read_motion(path) for path in couple]
    grid = group_beat_grid(clips)
    assert [dancer["motion"] for dancer in found["dancers"]] == [str(path) for path in couple]
    assert [dancer["bpm"] for dancer in found["dancers"]] == [beat_grid(c).bpm for c in clips]
    assert found["bpm"] == grid.bpm
    assert found["readings"][0]["bpm"] == pytest.approx(grid.readings[0].bpm, abs=1e-3)
    assert (tmp_path / "lead-together.png").is_file()
    words = kinetune("inspect", *couple, "--together").stdout
    assert "together      2 dancers, 2.00 s" in words
    assert "readings" in words


def test_several_dances_to_inspect_are_a_group_or_an_error(couple):
    done = kinetune("inspect", *couple)
    assert_one_clear_line(done)
    assert "--together" in done.stderr


def test_two_dancers_give_a_better_beat_estimate_than_one():
    """Mean over dances of several genres and tempi, of which two dancers show the same beats."""
    import mir_eval

    alone, together = [], []
    for number, (genre, bpm) in enumerate(
        (("HO", 121.0), ("LO", 99.0), ("PO", 88.0), ("KR", 104.0), ("WA", 116.0), ("JS", 93.0),
         ("JB", 110.0), ("LH", 96.0))
    ):  # fmt: skip
        request = DanceRequest(genre, bpm, 6.0, first_beat_s=0.2 + 0.1 * number, fps=30.0)
        both = [choreograph(7_700 + 2 * number + k, request) for k in (0, 1)]
        beats = both[0].beats_s

        def score(grid, beats=beats):
            return mir_eval.beat.f_measure(beats, grid.beats_s, f_measure_threshold=0.07)

        alone += [score(beat_grid(one.clip)) for one in both]
        together.append(score(group_beat_grid([one.clip for one in both])))
    assert np.mean(together) > np.mean(alone) + 0.02


def test_a_group_in_python_is_a_list_of_dances(couple, tiny_model):
    import kinetune as package

    grid = package.find_beats(couple)
    assert grid.bpm == group_beat_grid([read_motion(path) for path in couple]).bpm
    clips = [read_motion(path) for path in couple]
    music = package.generate(clips, model=tiny_model, steps=1, genre="house")
    assert music.clip.clips == tuple(clips)
    assert music.beats.bpm == grid.bpm


def test_the_composer_plays_for_a_group_too(couple, tmp_path):
    done = kinetune("generate", *couple, "--together", "--engine", "composer", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = kinetune("again", "lead-together.json", cwd=tmp_path)
    assert "identical to the original" in done.stdout
    done = kinetune("edit", "lead-together.wav", "--redo", "0:1", "--seed", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = read_recipe(tmp_path / "lead-together-edit.json")
    assert recipe.request["motions"] == ["lead.bvh", "follow.bvh"]
    assert set(recipe.inputs) == {"lead.bvh", "follow.bvh"}


def test_a_film_shows_the_partners_that_are_named(couple, tmp_path, monkeypatch):
    from kinetune.render import mux

    filmed = []
    monkeypatch.setattr(mux, "write_film", lambda path, scene, *_, **__: filmed.append(scene.clip))
    write_sound(tmp_path / "music.wav", Sound(np.zeros(22_050, np.float32), 22_050))
    done = kinetune("film", couple[0], "music.wav", "--partner", couple[1], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [clip.name for clip in filmed[0].clips] == ["lead", "follow"]


@pytest.mark.parametrize("take", ["03", "15"])
def test_lead_and_follower_of_a_salsa_agree(shared_motions, tmp_path, take):
    """Their steps are at 163 to 188 bpm; half of that is read, by both and together."""
    import gzip

    paths = [tmp_path / f"{dancer}.bvh" for dancer in (60, 61)]
    for path in paths:
        packed = shared_motions / "salsa" / f"{path.stem}_{take}_scaled.bvh.gz"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
    done = kinetune("inspect", *paths, "--together", "--fps", 60, "--json")
    found = json.loads(done.stdout)
    for bpm in (found["bpm"], *(dancer["bpm"] for dancer in found["dancers"])):
        assert 81.0 < bpm < 94.0
        assert bpm == pytest.approx(found["bpm"], rel=0.04)
