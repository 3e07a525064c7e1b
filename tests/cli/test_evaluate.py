import json
from pathlib import Path

import numpy as np
import pytest

from kinetune.audio.sound import write_sound
from kinetune.cli.terminal.options import labelled_folders
from kinetune.errors import ConfigError
from kinetune.metrics.evaluation import baselines
from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions, evaluate
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.metrics.conftest import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = write_world(tmp_path_factory.mktemp("evaluate"))
    for folder in (made.reference, made.system, made.motions):
        for path in folder.iterdir():
            if path.stem not in ("dance0", "dance1", "dance2"):
                path.unlink()
    return made


def evaluated(*arguments):
    return kinetune("evaluate", *arguments)


def test_folders_become_one_table(world, tmp_path):
    genres = tmp_path / "genres.csv"
    genres.write_text("dance0,BR\ndance1,HO\ndance2,KR\n")
    done = evaluated(
        world.system, "--reference", world.reference, "--motions", world.motions,
        "--genres", genres, "--name", "mine", "--also", f"theirs={world.reference}",
        "--against", "theirs", "--embedding", "mfcc", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| metric | mine | theirs | reference |" in done.stdout
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(found)[:2] == ["mine", "theirs"]
    assert found["theirs"]["beat_f"]["value"] == 1.0
    assert {"fad_mfcc", "genre_kld", "genre_accuracy", "energy_correlation"} <= set(found["mine"])
    notes = json.loads((tmp_path / "out" / "notes.json").read_text())
    assert notes["against"] == "theirs"
    assert (tmp_path / "out" / "results.md").is_file()
    assert (tmp_path / "out" / "beats.png").is_file()


def test_json_is_all_that_is_printed(world, tmp_path):
    done = evaluated("folder", world.system, "--no-genre", "--out", tmp_path, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert list(found) == ["system", "noise", "silence"]
    assert found == json.loads((tmp_path / "results.json").read_text())


def test_beats_and_seed_change_the_result(world, tmp_path):
    (tmp_path / "beats").mkdir()
    for name in ("dance0", "dance1", "dance2"):
        lines = "\n".join(f"{k:g}" for k in np.arange(0.1, 5.0, 0.7))
        (tmp_path / "beats" / f"{name}.txt").write_text(lines)
    found = []
    for options in ([], ["--beats", tmp_path / "beats"], ["--seed", 5]):
        done = evaluated(
            world.system, "--reference", world.reference, "--no-genre", "--out",
            tmp_path / "out", "--json", *options,
        )  # fmt: skip
        found.append(json.loads(done.stdout))
    plain, listed, seeded = found
    assert listed["system"]["beat_f"] != plain["system"]["beat_f"]
    assert listed["reference"]["beat_f"]["value"] < 1.0
    assert seeded["noise"]["beat_f"] != plain["noise"]["beat_f"]
    assert seeded["reference"]["beat_f"] == plain["reference"]["beat_f"]


def test_a_broken_file_is_named_and_the_exit_code_is_1(world, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write_sound(folder / "dance0.wav", baselines.noise("a", 5.0))
    (folder / "dance1.wav").write_bytes(b"RIFF nothing")
    done = evaluated(
        folder, "--reference", world.reference, "--no-genre", "--out", tmp_path / "out"
    )
    assert done.returncode == 1
    assert "1 files can't be used" in done.stderr
    assert "dance1.wav: not a sound file" in done.stderr
    assert (tmp_path / "out" / "results.json").is_file()
    assert "| mine | missing | 1 |" in done.stdout


def test_what_cannot_be_is_one_line_and_code_2(world, tmp_path):
    done = kinetune("evaluate", tmp_path / "nowhere", "--no-genre", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "nowhere: no such folder" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize(
    ("systems", "scoring", "words"),
    [
        (["noise"], {}, "'noise' can't be a label"),
        (["a"], {"against": "x"}, "no row 'x' to test against"),
        (["a"], {"embeddings": ("x",), "genre": False}, "unknown embedding 'x'"),
        (["a"], {"seed": -1}, "the seed must be 0 or more"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(
    world, tmp_path, systems, scoring, words
):
    with pytest.raises(ConfigError, match=words):
        evaluate(
            EvaluateRequest(
                dict.fromkeys(systems, world.system), tmp_path / "out",
                scoring=ScoringOptions(**scoring),
            )
        )  # fmt: skip
    assert not list(tmp_path.rglob("results.*"))


def test_a_label_is_the_folders_name_unless_given(world, tmp_path):
    assert list(labelled_folders(["c=x", "d=e=f"])) == ["c", "d"]
    assert labelled_folders(["d=e=f"])["d"] == Path("e=f")
    with pytest.raises(ConfigError, match="--also must be LABEL=FOLDER, found 'x'"):
        labelled_folders(["x"])
    with pytest.raises(ConfigError, match="two systems are called 'a'"):
        labelled_folders(["a=x", "a=y"])
    done = evaluated(world.system, "--also", f"system={world.reference}", "--out", tmp_path)
    assert_one_clear_line(done)
    assert "two systems are called 'system'" in done.stderr
