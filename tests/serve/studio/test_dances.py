"""Files of all formats, several dances, and groups in the studio."""

import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kinetune.motion.io.formats import read_motion, write_motion
from kinetune.motion.kinematics import joint_positions
from tests.chromium import NEEDS_CHROMIUM
from tests.motion.glb_writer import gltf_of
from tests.motion.io.gltf.test_animation import VRM
from tests.motion.io.test_fbx import EXPORT
from tests.serve.studio.steps import count_takes, drop, files, make, run_commands, save, say, until

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def every_format(dance, tmp_path) -> dict[str, Path]:
    """One dance as a file of each kind, by its name; FBX where Blender is installed."""
    clip = read_motion(dance)
    held = {"smpl_poses": clip.axis_angle.reshape(-1, 72), "smpl_trans": clip.root_m}
    paths = {
        "BVH": dance, "glTF": tmp_path / "a.glb", "VRM": tmp_path / "b.vrm",
        "AIST++": tmp_path / "c.pkl", "AMASS": tmp_path / "d.npz", "positions": tmp_path / "e.npy",
    }  # fmt: skip
    paths["glTF"].write_bytes(gltf_of(clip).glb())
    humanoid = gltf_of(clip, names=[f"bone {n}" for n in range(24)])
    bones = {bone: {"node": node} for bone, node in VRM.items()}
    humanoid.json["extensions"] = {"VRMC_vrm": {"humanoid": {"humanBones": bones}}}
    paths["VRM"].write_bytes(humanoid.glb())
    paths["AIST++"].write_bytes(pickle.dumps({**held, "smpl_scaling": np.ones(1)}))
    write_motion(paths["AMASS"], clip)
    np.save(paths["positions"], joint_positions(clip))
    if blender := shutil.which("blender"):
        paths["FBX"] = tmp_path / "f.fbx"
        script = tmp_path / "export.py"
        script.write_text(EXPORT)
        command = [blender, "-b", "-P", script, "--", paths["glTF"], paths["FBX"]]
        subprocess.run(command, check=True, capture_output=True)
    return paths


def test_a_dance_of_every_format_can_be_dropped(page, every_format):
    for name, path in every_format.items():
        drop(page, path)
        until(page, f"document.getElementById('name').textContent.startsWith('{path.name}')")
        # Files without a frame rate: AIST++ has 60 frames a second, bare joint positions 20.
        expected = {"AIST++": "3.0 s", "positions": "9.0 s"}.get(name, "6.0 s")
        assert expected in page.text_content("#name"), name
        (pelvis,) = page.evaluate("window.kinetune.stage.pelvises")
        assert 0.7 < pelvis[1] < 1.1, "the dancer stands on the floor"


def test_several_dances_become_one_group_with_one_piece(page, dance, partner, tmp_path):
    drop(page, dance, partner)
    until(page, "document.querySelectorAll('input[name=dance]').length === 3")
    assert "dance.bvh: BVH" in page.text_content("#name")
    assert not page.is_visible("#apart")
    page.get_by_label("All as one group").check()
    until(page, "document.getElementById('name').textContent.includes(' + ')")
    # Both stand where their files have them, two metres apart.
    first, second = page.evaluate("window.kinetune.stage.pelvises")
    assert second[0] - first[0] == pytest.approx(2.0, abs=1e-3)
    page.click("#apart")
    first, second = page.evaluate("window.kinetune.stage.pelvises")
    assert second[0] - first[0] == pytest.approx(1.3, abs=0.1)
    page.select_option("#engine", "composer")
    make(page, genre="house", takes="1")
    sound = save(page, "dance-together.wav", tmp_path).read_bytes()
    recipe = save(page, "dance-together.json", tmp_path).read_bytes()
    assert {"dance.bvh", "partner.bvh"} <= files(page)
    work = tmp_path / "work"
    command = run_commands(page, [dance, partner], work)
    assert command.startswith("kinetune generate dance.bvh partner.bvh --together ")
    assert (work / "dance-together.wav").read_bytes() == sound
    assert (work / "dance-together.json").read_bytes() == recipe
    # Each dance keeps its own settings and takes.
    page.get_by_label("partner.bvh", exact=True).check()
    assert count_takes(page) == 0
    assert "4.0 s" in page.text_content("#name")
    page.get_by_label("All as one group").check()
    assert count_takes(page) == 1


def test_dancers_at_one_place_are_put_side_by_side(page, dance, tmp_path):
    second = shutil.copy(dance, tmp_path / "same.bvh")
    drop(page, dance, Path(second))
    page.get_by_label("All as one group").check()
    until(page, "document.getElementById('name').textContent.includes(' + ')")
    assert page.get_attribute("#apart", "aria-pressed") == "true"
    first, other = page.evaluate("window.kinetune.stage.pelvises")
    assert other[0] - first[0] == pytest.approx(1.3, abs=1e-3)
    page.click("#apart")
    first, other = page.evaluate("window.kinetune.stage.pelvises")
    assert other == pytest.approx(first, abs=1e-6)


LEAVING_IS_ASKED = """() => {
    const event = new Event("beforeunload", {cancelable: true});
    window.dispatchEvent(event);
    return event.defaultPrevented;
}"""


def test_a_dance_that_was_opened_before_stays_with_its_takes(page, dance, partner):
    """Whoever leaves the page with takes is asked."""
    drop(page, dance)
    assert not page.evaluate(LEAVING_IS_ASKED)
    page.select_option("#engine", "composer")
    make(page, takes="1")
    assert page.evaluate(LEAVING_IS_ASKED)
    drop(page, partner)
    until(page, "document.getElementById('name').textContent.includes('partner')")
    assert count_takes(page) == 0
    assert page.locator("#dance-list label").all_text_contents() == ["dance.bvh", "partner.bvh"]
    page.get_by_label("dance.bvh", exact=True).check()
    assert count_takes(page) == 1


def test_a_damaged_file_is_named_in_one_line(page, tmp_path):
    path = tmp_path / "bad.bvh"
    path.write_text("HIERARCHY\nnothing")
    page.set_input_files("#file", path)
    page.wait_for_selector("#status.error")
    assert say(page).startswith("bad.bvh: ")
    page.wait_for_selector("#drop", state="visible")
