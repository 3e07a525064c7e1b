"""Motion files on the command line: folders, mappings, and missing values."""

import json
from pathlib import Path

import numpy as np
import pytest

from kinetune.cli.terminal.options import read_options
from kinetune.errors import ConfigError, MotionError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.io.formats import write_motion
from kinetune.tasks.requests.motion_files import MotionPath, find_motions
from kinetune.tasks.requests.output_paths import sound_paths
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.conftest import swaying_clip
from tests.motion.glb_writer import gltf_of

STRANGE = [f"bone {n}" for n in range(24)]


def dance(seed=0):
    return swaying_clip(fps=30.0, duration_s=2.0, seed=seed)


@pytest.fixture
def folder(tmp_path):
    """One dance of every kind, a damaged one, and what is no motion at all."""
    folder = tmp_path / "takes"
    (folder / "deeper").mkdir(parents=True)
    write_motion(folder / "a.bvh", dance(0))
    (folder / "b.GLB").write_bytes(gltf_of(dance(1)).glb())
    np.save(folder / "c.npy", kinematics.joint_positions(dance(2))[:, :22])
    (folder / "d.bvh").write_text("HIERARCHY\nnonsense")
    write_motion(folder / "deeper" / "e.bvh", dance(3))
    (folder / "notes.txt").write_text("HIERARCHY")
    (folder / ".hidden.bvh").write_text("HIERARCHY")
    return folder


def test_a_folder_means_the_motion_files_right_in_it(folder):
    named = folder / "deeper" / "e.bvh"
    found = find_motions([named, folder, folder])
    names = ("a.bvh", "b.GLB", "c.npy", "d.bvh")
    assert [motion.path for motion in found] == [named, *(folder / name for name in names)]


def test_recursive_keeps_subfolders_in_the_output(folder, tmp_path):
    found = find_motions([folder], recursive=True)
    assert MotionPath(folder / "deeper" / "e.bvh", Path("deeper")) in found
    assert len(found) == 5
    assert tmp_path / "out" / "deeper" / "e.ogg" in sound_paths(
        found, tmp_path / "out", suffix=".ogg"
    )


def test_a_folder_without_motion_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="no motion files"):
        find_motions([tmp_path])


@pytest.mark.slow
def test_a_folder_is_generated_from_with_a_report(folder, tmp_path, tiny_model):
    done = kinetune("generate", folder, "-o", tmp_path / "out", "--model", tiny_model)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "3 of 4 made"
    for name in ("a", "b", "c"):
        assert sum(line.startswith(str(tmp_path / "out" / f"{name}.wav")) for line in lines) == 1
    assert "1 of 4 failed:" in done.stderr
    assert "d.bvh" in done.stderr.strip().splitlines()[-1]
    assert "c.npy: holds no rate, taken as 20 frames a second" in done.stderr
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["a.json", "a.wav", "b.json", "b.wav", "c.json", "c.wav"]


def test_a_folder_of_one_damaged_file_is_still_a_batch(tmp_path, tiny_model):
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "a.bvh").write_text("HIERARCHY")
    done = kinetune("generate", tmp_path / "takes", "--model", tiny_model, cwd=tmp_path)
    assert done.returncode == 1
    assert "1 of 1 failed:" in done.stderr


def test_the_rate_changes_how_long_the_music_is(folder, tmp_path, tiny_model):
    lengths = []
    for options in ([], ["--fps", 30]):
        done = kinetune(
            "generate", folder / "c.npy", "-o", tmp_path / "c.wav", "--model", tiny_model,
            "--json", "--force", *options,
        )  # fmt: skip
        assert done.stderr == ""
        lengths.append(json.loads(done.stdout)[0]["duration_s"])
    assert lengths == pytest.approx([3.0, 2.0], abs=0.05)


def test_a_mapping_makes_a_strange_rig_dance(tmp_path, tiny_model):
    strange, mapping = tmp_path / "a.glb", tmp_path / "map.toml"
    strange.write_bytes(gltf_of(dance(), names=STRANGE).glb())
    done = kinetune("generate", strange, "--model", tiny_model, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "--make-mapping" in done.stderr
    done = kinetune("inspect", strange, "--make-mapping", mapping)
    assert done.stdout.startswith(f"{mapping}: 0 of the 24 SMPL joints matched")
    assert_one_clear_line(kinetune("inspect", strange, "--make-mapping", mapping))
    text = mapping.read_text()
    for joint, name in enumerate(skeleton.JOINT_NAMES):
        text = text.replace(f'# {name} = ""', f'{name} = "bone {joint}"')
    mapping.write_text(text)
    done = kinetune("inspect", strange, "--mapping", mapping)
    assert "glTF, 24 joints" in done.stdout
    done = kinetune(
        "generate", strange, "--mapping", mapping, "-o", tmp_path / "a.wav", "--model", tiny_model
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.wav").is_file()


def test_a_mapping_that_misses_a_leg_is_one_line_before_any_work(tmp_path, tiny_model):
    write_motion(tmp_path / "a.bvh", dance())
    joints = [name for name in skeleton.JOINT_NAMES if "left_knee" not in name]
    lines = [f'{name} = "{name}"' for name in joints]
    (tmp_path / "map.toml").write_text("\n".join(["[joints]", *lines]))
    for verb, *more in (("generate", "--model", tiny_model), ("inspect",)):
        done = kinetune(
            verb, tmp_path / "a.bvh", "--mapping", tmp_path / "map.toml", *more, cwd=tmp_path
        )
        assert_one_clear_line(done)
        assert "expected left_knee" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bvh", "map.toml"]


def test_an_animation_is_named_or_told(tmp_path):
    (tmp_path / "a.glb").write_bytes(gltf_of(dance()).glb())
    done = kinetune("inspect", tmp_path / "a.glb", "--animation", "waltz")
    assert_one_clear_line(done)
    assert "no animation 'waltz'; it holds dance" in done.stderr
    done = kinetune("inspect", tmp_path / "a.glb", "--animation", "dance", "--json")
    assert json.loads(done.stdout)["format"] == "glTF"


def test_inspect_reports_assumptions(folder):
    done = kinetune("inspect", folder / "c.npy")
    assert "note          " in done.stdout
    assert "20 frames a second" in done.stdout
    assert json.loads(kinetune("inspect", folder / "a.bvh", "--json").stdout)["note"] == ""


@pytest.mark.parametrize("fps", [0.0, -1.0, 2000.0, float("nan")])
def test_an_impossible_rate_is_refused(fps):
    with pytest.raises(MotionError, match="--fps: expected 5 to 1000"):
        read_options(None, None, fps)
