"""The studio in a real browser: the whole way from a dropped file to its files."""

import itertools
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kinetune.motion.io.formats import read_motion, write_bvh, write_motion
from kinetune.motion.kinematics import joint_positions
from tests.chromium import NEEDS_CHROMIUM, chromium
from tests.conftest import REPOSITORY, swaying_clip
from tests.motion.glb_writer import gltf_of
from tests.motion.io.gltf.test_animation import VRM
from tests.motion.io.test_fbx import EXPORT
from tests.serve.conftest import Server

pytest.importorskip("playwright.sync_api")

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("studio") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with chromium(["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]) as started:
        yield started


@pytest.fixture
def page(browser, studio):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.set_default_timeout(300_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        # That a request was refused, as some tests want, is no fault of the page.
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "status of 422" not in message.text
            else None
        ),
    )
    # Offline: whatever is not this server would be a failure.
    page.on("request", lambda request: request.url.startswith((studio.url, "blob:", "data:"))
            or problems.append(request.url))  # fmt: skip
    page.goto(studio.url)
    yield page
    assert problems == []
    context.close()


def drop(page, *paths: Path) -> None:
    """Drop files on the page, as a mouse does."""
    import base64

    files = [[base64.b64encode(path.read_bytes()).decode(), path.name] for path in paths]
    page.evaluate(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [data, name] of files) {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                transfer.items.add(new File([bytes], name));
            }
            document.getElementById("stage").dispatchEvent(
                new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        files,
    )
    page.wait_for_selector("#make:enabled")


def say(page) -> str:
    return page.text_content("#status")


def until(page, expression: str, seconds: float = 300.0) -> None:
    """Wait for an expression; the page's own policy forbids the library's way to do it."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


# Counts the jobs that begin, and what the page says of their progress: some are over before a
# test can look.
WATCH = """
document.addEventListener("DOMContentLoaded", () => {
  window.watched = {begun: 0, ended: 0, progress: []};
  const stop = document.getElementById("stop");
  new MutationObserver(() => { watched[stop.hidden ? "ended" : "begun"] += 1; })
    .observe(stop, {attributeFilter: ["hidden"]});
  const said = document.getElementById("status"), bar = document.getElementById("progress");
  new MutationObserver(() => watched.progress.push([said.textContent, bar.value]))
    .observe(said, {childList: true, characterData: true, subtree: true});
});
"""


def wait_for_job(page) -> None:
    """Wait until a job that has not been waited for has begun, and none is running."""
    until(page, "watched.begun > (watched.waited || 0) && document.getElementById('stop').hidden")
    page.evaluate("watched.waited = watched.begun")


def drag(page, start: float, end: float, height: float = 0.4) -> None:
    """Drag on the time line between two shares of its length, at a share of its height."""
    page.locator("#line").scroll_into_view_if_needed()
    box = page.locator("#line").bounding_box()
    # Between the lanes of the beats above and of the sections below.
    width, y = box["width"] - 20, box["y"] + 26 + height * (box["height"] - 42)
    page.mouse.move(box["x"] + 10 + start * width, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + end * width, y, steps=5)
    page.mouse.up()


def settings(page) -> dict:
    return page.evaluate("window.kinetune.history.now")


def make(page, **choices: str) -> None:
    """Choose in lists and make music."""
    for name, value in choices.items():
        page.select_option(f"#{name}", value)
    page.click("#make")
    wait_for_job(page)
    page.locator("input[name=take]").first.wait_for()


def save(page, name: str, folder: Path) -> Path:
    """Download a file of the list."""
    with page.expect_download() as download:
        page.locator("#files a", has_text=name).first.click()
    download.value.save_as(folder / name)
    return folder / name


def files(page) -> set[str]:
    return set(page.locator("#files a").all_text_contents())


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


def test_the_whole_way_from_a_dropped_dance_to_what_is_taken_away(page, dance, tmp_path):
    drop(page, dance)
    assert "dance.bvh: BVH, 6.0 s" in page.text_content("#name")
    page.locator("input[name=reading]").last.check()
    page.locator("input[name=reading]").first.check()
    page.select_option("#engine", "composer")
    page.fill("#chords", "Am F C G")
    make(page, genre="house", genre2="krump", takes="3")
    assert page.locator("input[name=take]").count() == 3
    assert "3 takes" in say(page)
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.3")
    page.locator("input[name=take]").nth(1).check()
    before = page.evaluate("window.kinetune.player.position")
    until(page, f"window.kinetune.player.position > {before} + 0.2")
    # Without a gap: all takes run in step all the time, one is heard.
    gains = "window.kinetune.player.voices.map(({gain}) => gain.gain.value)"
    until(page, f"(g => g[0] < 0.01 && g[1] > 0.99 && g[2] === 0)({gains})")
    page.click("#play")
    drag(page, 0.4, 0.6)
    page.click("#again")
    wait_for_job(page)
    page.locator("input[name=take]").nth(3).wait_for()
    page.check("input[value=accent]")
    drag(page, 0.25, 0.25)
    assert len(settings(page)["accents"]) == 1
    page.click("#undo")
    assert settings(page)["accents"] == []
    export(page, format="flac", stems="mastered", layers="2")
    assert {"dance-2-edit.flac", "dance-2-edit-stems.zip", "dance-2-edit.mid"} <= files(page)
    assert {"dance-2-edit-layers.zip", "dance-2-edit.beats.csv", "dance-2-edit.json"} <= files(page)
    for name in ("dance-2-edit.wav", "dance-2-edit.flac"):
        sound = soundfile.info(save(page, name, tmp_path))
        assert sound.duration == pytest.approx(6.0, abs=0.05)
    with zipfile.ZipFile(save(page, "dance-2-edit-stems.zip", tmp_path)) as archive:
        assert "dance-2-edit-stems/kick.wav" in archive.namelist() or archive.testzip() is None
    page.click("#film")
    wait_for_job(page)
    page.locator("#files a", has_text=".mp4").wait_for()


def export(page, **choices: str) -> None:
    """Choose what to take away, with the notes, and wait for it."""
    for name, value in choices.items():
        page.select_option(f"#{name}", value)
    if page.is_visible("#notes"):
        page.check("#notes")
    page.click("#export")
    wait_for_job(page)


def test_the_model_plays_in_a_key_and_is_redone_as_on_the_command_line(page, dance, tmp_path):
    drop(page, dance)
    page.select_option("#key", "A minor")
    page.fill("#chords", "Am F C G")
    make(page, genre="house", takes="1")
    assert not page.is_visible("#stems"), "only composed music has stems"
    shown = page.input_value("#bpm")
    assert page.text_content("input[name=take] ~ small") == f"A minor, {shown} bpm"
    chords = save(page, "dance.chords.txt", tmp_path).read_text().split()[2::3]
    assert chords[:3] == ["Am", "F", "C"]
    drag(page, 0.4, 0.6)
    page.click("#again")
    wait_for_job(page)
    page.locator("input[name=take]").nth(1).wait_for()
    export(page, format="ogg")
    assert {"dance-edit.wav", "dance-edit.ogg", "dance-edit.mid"} <= files(page)
    made = {
        name: save(page, name, tmp_path).read_bytes()
        for name in ("dance-edit.wav", "dance-edit.json", "dance-edit.ogg")
    }
    work = tmp_path / "work"
    command = run_commands(page, [dance], work)
    assert " --key 'A minor' --chords 'Am F C G'" in command
    assert (work / "dance-edit.wav").read_bytes() == made["dance-edit.wav"]
    assert (work / "dance-edit.json").read_bytes() == made["dance-edit.json"]
    again = soundfile.read(work / "away" / "dance-edit.ogg")[0]
    np.testing.assert_array_equal(again, soundfile.read(tmp_path / "dance-edit.ogg")[0])


def test_key_and_chords_are_hidden_for_a_model_that_reads_none(browser, studio):
    """They stay set, for the composer, but are no part of the request and the command."""
    page = browser.new_page()
    page.add_init_script(WATCH)
    page.route(
        "**/v1/models",
        lambda route: route.fulfill(
            json=[{"name": "runs/mine", "settings": {"reads_harmony": False}}]
        ),
    )
    page.goto(studio.url)
    page.click("#example")
    page.wait_for_selector("#make:enabled", timeout=60_000)
    assert not page.is_visible("#key")
    page.select_option("#engine", "composer")
    page.select_option("#key", "A minor")
    assert " --key 'A minor'" in page.input_value("#command")
    page.select_option("#engine", "diffusion")
    command = page.input_value("#command")
    assert command.endswith(" --model runs/mine"), command
    page.context.close()


def test_the_command_lines_make_the_same_bytes(page, dance, tmp_path):
    drop(page, dance)
    page.select_option("#engine", "composer")
    page.fill("#chords", "Dm7 G7 C Am")
    page.select_option("#key", "C major")
    page.check("input[value=energy]")
    drag(page, 0.1, 0.5, height=0.2)
    page.check("input[value=accent]")
    drag(page, 0.25, 0.25)
    page.fill("#seed", "4")
    make(page, genre2="locking", takes="1")
    sound = save(page, "dance.wav", tmp_path).read_bytes()
    recipe = save(page, "dance.json", tmp_path).read_bytes()
    work = tmp_path / "again"
    command = run_commands(page, [dance], work)
    assert "--score score.toml" in command
    assert "--key 'C major' --chords 'Dm7 G7 C Am'" in command
    assert (work / "dance.wav").read_bytes() == sound
    assert (work / "dance.json").read_bytes() == recipe
    assert (work / "away" / "dance.wav").read_bytes() == sound


def run_commands(page, dances: list[Path], folder: Path) -> str:
    """Run what the page shows as command lines, in a folder with the dances; return it."""
    command = page.input_value("#command")
    folder.mkdir()
    for dance in dances:
        shutil.copy(dance, folder)
    shell = f'kinetune() {{ "{sys.executable}" -m kinetune "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-euc", shell], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return command


def test_marks_and_energy_are_added_to_a_take_as_on_the_command_line(page, dance, tmp_path):
    """An accent, then a stretch with its energy; then a pack of the take."""
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0")
    page.keyboard.press("Tab")
    page.select_option("#engine", "composer")
    make(page, genre="house", takes="1")
    assert page.is_disabled("#add"), "the take has all marks"
    page.check("input[value=accent]")
    drag(page, 1.5 / 6, 1.5 / 6)
    page.click("#add")
    wait_for_job(page)
    page.locator("input[name=take]").nth(1).wait_for()
    assert page.is_disabled("#add")
    page.check("input[value=energy]")
    drag(page, 4.1 / 6, 5.9 / 6, height=0.0)
    page.check("input[value=select]")
    drag(page, 4.05 / 6, 5.95 / 6)
    page.click("#again")
    wait_for_job(page)
    page.locator("input[name=take]").nth(2).wait_for()
    page.select_option("#pack", "unity")
    export(page)
    page.locator("#files a", has_text="dance-edit-edit-unity.zip").wait_for()
    with zipfile.ZipFile(save(page, "dance-edit-edit-unity.zip", tmp_path)) as archive:
        pack = {Path(name).name: archive.read(name) for name in archive.namelist()}
    sound = save(page, "dance-edit-edit.wav", tmp_path).read_bytes()
    recipe = save(page, "dance-edit-edit.json", tmp_path).read_bytes()
    page.click("text=Clear marks")
    assert page.input_value("#command").startswith("kinetune generate"), "as set for this take"
    work = tmp_path / "work"
    command = run_commands(page, [dance], work)
    assert " --accent 1.5" in command
    assert " --energy 2.5" in command
    assert (work / "dance-edit-edit.wav").read_bytes() == sound
    assert (work / "dance-edit-edit.json").read_bytes() == recipe
    assert (work / "away" / "dance-edit-edit.wav").read_bytes() == sound
    folder = work / "away" / "dance-edit-edit-unity"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == pack


@pytest.fixture
def partner(dance, tmp_path) -> Path:
    """A second dancer, four seconds long and two metres to the side."""
    clip = swaying_clip(fps=30.0, duration_s=4.0)
    write_bvh(tmp_path / "partner.bvh", replace(clip, root_m=clip.root_m + [2.0, 0.0, 0.0]))
    return tmp_path / "partner.bvh"


def prompt(page, text: str) -> str:
    """Write a prompt; return what the page says that is understood of it."""
    page.evaluate("document.getElementById('prompt-reading').textContent = ''")
    page.fill("#prompt", text)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('prompt-reading').textContent")
    return page.text_content("#prompt-reading")


def test_a_prompt_is_followed_as_on_the_command_line(page, dance, tmp_path):
    drop(page, dance)
    page.select_option("#engine", "composer")
    said = prompt(page, "dark house, o'purple;  a rubber bass, no piano")
    assert said.startswith("Understood: minor, dark, house, rubber bass, no piano; not understood")
    make(page, takes="1")
    sound = save(page, "dance.wav", tmp_path).read_bytes()
    recipe = save(page, "dance.json", tmp_path).read_bytes()
    read = json.loads(recipe)["kinetune"]["request"]["options"]["prompt"]
    assert read["text"] == "dark house, o'purple; a rubber bass, no piano"
    assert "bass:rubber" in read["requested"]
    work = tmp_path / "work"
    command = run_commands(page, [dance], work)
    assert " --prompt 'dark house, o'\\''purple; a rubber bass, no piano'" in command
    assert (work / "dance.wav").read_bytes() == sound
    assert (work / "dance.json").read_bytes() == recipe
    page.click("#undo")
    assert settings(page)["prompt"] == ""
    assert page.input_value("#prompt") == ""
    assert " --prompt" not in page.input_value("#command").splitlines()[1]


def test_a_prompt_that_can_not_be_followed_is_explained_at_its_field(page, dance):
    drop(page, dance)
    said = prompt(page, "busy disco with strings")
    assert said == (
        "Understood: busy, waacking, strings. The model does not follow: busy, strings. "
        "The engine Composer does."
    )
    page.select_option("#engine", "composer")
    until(page, "!document.getElementById('prompt-reading').textContent.includes('model')")
    assert page.text_content("#prompt-reading") == "Understood: busy, waacking, strings."
    page.fill("#prompt", "strings " * 400)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('prompt').getAttribute('aria-invalid') === 'true'")
    said = page.text_content("#prompt-reading")
    assert said == "the prompt has 3199 characters; expected 2000 or fewer"


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
    assert page.locator("input[name=take]").count() == 0
    assert "4.0 s" in page.text_content("#name")
    page.get_by_label("All as one group").check()
    page.locator("input[name=take]").first.wait_for()


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


def test_energy_is_drawn_bar_by_bar_and_undone(page, dance):
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0")
    page.keyboard.press("Tab")
    page.check("input[value=energy]")
    drag(page, 0.05, 0.4, height=0.0)
    assert settings(page)["curve"] == [
        {"start": 0, "end": 2, "energy": 2.5},
        {"start": 2, "end": 4, "energy": 2.5},
    ]
    drag(page, 0.4, 0.4, height=0.5)
    assert settings(page)["curve"] == [{"start": 0, "end": 2, "energy": 2.5}]
    page.focus("#line")
    page.keyboard.press("Home")
    page.keyboard.press("-")
    assert settings(page)["curve"] == [{"start": 0, "end": 2, "energy": 2}]
    for _ in range(2):
        page.click("#undo")
    assert len(settings(page)["curve"]) == 2
    command = page.input_value("#command")
    assert "[[sections]]\nstart_s = 0\nend_s = 4\nenergy = 2.5\n" in command


def test_beats_flash_and_bars_count(page, dance):
    """Beats at 0, 0.5, 1 ... s: 2.5 s is the second beat of the second bar."""
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0")
    page.keyboard.press("Tab")
    page.focus("#line")
    ring = "window.kinetune.stage.figures[0].ring.material"
    for keys, time_s, counter, opacity, colour in (
        (["Home", "Shift+ArrowRight", "Shift+ArrowRight"], 2.0, "2.1", 1.0, "d6602f"),
        (["ArrowRight"] * 5, 2.5, "2.2", 1.0, "2f7fd6"),
        (["ArrowRight"], 2.6, "2.2", 0.15 + 0.85 * np.exp(-0.7), "2f7fd6"),
    ):
        for key in keys:
            page.keyboard.press(key)
        until(page, f"Math.abs(window.kinetune.stage.time - {time_s}) < 1e-6")
        assert page.text_content("#counter") == counter
        bar, beat = counter.split(".")
        text = page.get_attribute("#line", "aria-valuetext")
        assert text == f"{time_s:.1f} s, bar {bar}, beat {beat}"
        assert page.evaluate(f"{ring}.opacity") == pytest.approx(opacity, abs=0.01)
        assert page.evaluate(f"{ring}.color.getHexString()") == colour


def test_the_camera_follows_the_dancer_and_is_turned_by_a_drag(page, dance, tmp_path):
    clip = read_motion(dance)
    path_m = np.linspace(0.0, 3.0, clip.frame_count)[:, None] * [1.0, 0.0, 0.0]
    write_bvh(tmp_path / "walk.bvh", replace(clip, root_m=clip.root_m + path_m))
    drop(page, tmp_path / "walk.bvh")
    page.focus("#line")
    page.keyboard.press("End")
    follows = "Math.abs(s.controls.target.x - s.pelvises[0][0])"
    until(page, f"(s => s.time > 5.9 && {follows} < 0.02)(window.kinetune.stage)")
    assert page.evaluate("window.kinetune.stage.pelvises[0][0]") == pytest.approx(3.0, abs=0.1)
    azimuth = "window.kinetune.stage.controls.getAzimuthalAngle()"
    before, box = page.evaluate(azimuth), page.locator("#view").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["height"] / 4, y, steps=5)
    page.mouse.up()
    # A drag by the height of the view is a whole turn.
    until(page, f"Math.abs({azimuth} - {before} - Math.PI / 2) < 0.4")


def test_the_keys_turn_the_view_and_change_its_distance(page, dance):
    drop(page, dance)
    tab_to(page, "view")
    controls = "window.kinetune.stage.controls"
    seen = f"(c => [c.getAzimuthalAngle(), c.getPolarAngle(), c.getDistance()])({controls})"
    page.wait_for_timeout(500)
    about, down, far_m = page.evaluate(seen)
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    after = page.evaluate(seen)
    assert after == pytest.approx([about + 0.3, down - 0.1, 0.9 * far_m], abs=0.03)


def test_a_loop_of_two_bars_plays_over_and_over(page, dance):
    drop(page, dance)
    page.fill("#bpm", "120")
    page.keyboard.press("Tab")
    page.select_option("#engine", "composer")
    make(page, loop="2", takes="1")
    assert page.evaluate("window.kinetune.player.duration") == pytest.approx(4.0, abs=1e-3)
    assert "--loop-bars 2" in page.input_value("#command")
    page.focus("#line")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.click("#play")
    until(page, "window.kinetune.player.position < 1.0")
    assert page.evaluate("window.kinetune.player.playing")


def test_the_selection_is_repeated(page, dance):
    drop(page, dance)
    drag(page, 0.5, 0.6)
    page.click("#loop-region")
    page.click("#play")
    seen = []
    for _ in range(20):
        page.wait_for_timeout(100)
        seen.append(page.evaluate("window.kinetune.player.position"))
    assert min(seen) >= 3.0 - 0.05
    assert max(seen) <= 3.6 + 0.05
    assert any(after < before for before, after in itertools.pairwise(seen))


def test_marks_are_set_undone_and_written_as_a_command(page, dance):
    drop(page, dance)
    page.check("input[value=silence]")
    drag(page, 0.5, 0.7)
    silence = settings(page)["silences"][0]
    assert silence["start"] == pytest.approx(3.0, abs=0.05)
    assert silence["end"] == pytest.approx(4.2, abs=0.05)
    page.check("input[value=accent]")
    drag(page, 0.25, 0.25)
    assert settings(page)["accents"][0] == pytest.approx(1.5, abs=0.05)
    command = page.input_value("#command")
    assert "--accent 1.5" in command
    assert "--silence 3" in command
    page.keyboard.press("Control+z")
    assert settings(page)["accents"] == []
    page.click("#undo")
    assert settings(page)["silences"] == []
    page.click("#redo")
    assert settings(page)["silences"] == [silence]


def test_a_reading_is_chosen_shifted_and_tapped(page, dance):
    drop(page, dance)
    count = page.locator("input[name=reading]").count()
    page.locator("input[name=reading]").nth(count - 1).check()
    assert settings(page)["reading"] == count
    page.fill("#bpm", "120")
    page.keyboard.press("Tab")
    page.check("input[value=beats]")
    page.fill("#first", "0.5")
    page.keyboard.press("Tab")
    drag(page, 0.2, 0.2 + 0.25 / 6.0)
    assert settings(page)["first"] == pytest.approx(0.75, abs=0.02)
    page.click("#tap")
    times_s = []
    for _ in range(6):
        times_s.append(page.evaluate("performance.now() / 1000"))
        page.keyboard.press("Space")
        page.wait_for_timeout(500)
    step_s = np.polyfit(range(6), times_s, 1)[0]
    assert settings(page)["bpm"] == pytest.approx(60.0 / step_s, rel=0.1)


def test_the_dancer_is_drawn_where_the_sound_is(page, dance, tmp_path):
    """Within 20 ms: a walk at 0.5 m/s tells the time of the picture, the samples their own."""
    clip = swaying_clip(fps=30.0, duration_s=30.0)
    times_s = np.arange(clip.frame_count) / clip.fps
    root_m = np.stack([0.5 * times_s, np.full_like(times_s, 0.9), 0.0 * times_s], axis=1)
    write_bvh(tmp_path / "walk.bvh", replace(clip, root_m=root_m))
    # As few pixels as a phone's: they are drawn in software here.
    page.set_viewport_size({"width": 360, "height": 640})
    drop(page, tmp_path / "walk.bvh")
    # Other programs delay the sound's blocks: the least of three stretches is the page's own.
    assert min(median_offset_ms(page) for _ in range(3)) < 20.0


def median_offset_ms(page) -> float:
    """Play a while; return the median distance of picture and sound."""
    script = (REPOSITORY / "tools" / "studio_offsets.js").read_text(encoding="utf-8")
    frames = page.evaluate(script, {"seconds": 8.0, "frames": 40, "speed_m_s": 0.5})
    assert len(frames) > 5
    pictures_s = np.array([frame["picture"] for frame in frames])
    assert np.all(np.diff(pictures_s) > 0.0), "the dancer walks"
    offsets_ms = 1000.0 * (pictures_s - [frame["sound"] for frame in frames])
    return float(np.median(np.abs(offsets_ms)))


def test_until_there_is_music_a_click_is_heard_on_each_beat(page, dance):
    """Beats at 0.25, 0.75, 1.25 ... s; the first of a bar is higher."""
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0.25")
    page.keyboard.press("Tab")
    assert page.get_attribute("#click", "aria-pressed") == "true"
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.3")
    assert page.evaluate("window.kinetune.player.clicks.length") == 1
    rate, samples = page.evaluate(
        "(({click}) => [click.sampleRate, [...click.getChannelData(0)]])(window.kinetune.player)"
    )
    sound = np.array(samples)
    assert len(sound) / rate == pytest.approx(6.0, abs=0.05)
    loud = np.flatnonzero(np.abs(sound) > 1e-3)
    onsets_s = loud[np.diff(loud, prepend=-rate) > 0.1 * rate] / rate
    np.testing.assert_allclose(onsets_s, 0.25 + 0.5 * np.arange(12), atol=0.002)
    for beat, tone_hz in ((0, 1600.0), (1, 1000.0), (4, 1600.0)):
        start = round((0.25 + 0.5 * beat) * rate)
        part = sound[start : start + round(0.04 * rate)]
        spectrum = np.abs(np.fft.rfft(part, 16 * len(part)))
        peak_hz = np.argmax(spectrum) * rate / (16 * len(part))
        assert peak_hz == pytest.approx(tone_hz, rel=0.05)
    page.focus("#line")
    page.keyboard.press("c")
    assert page.get_attribute("#click", "aria-pressed") == "false"
    assert page.evaluate("window.kinetune.player.clicks.length") == 0


def test_music_takes_the_place_of_the_click(page, dance):
    drop(page, dance)
    page.select_option("#engine", "composer")
    make(page, takes="1")
    assert page.get_attribute("#click", "aria-pressed") == "false"
    page.click("#click")
    page.click("#play")
    playing = "(({voices, clicks}) => [voices.length, clicks.length])(window.kinetune.player)"
    assert page.evaluate(playing) == [1, 1]


def test_music_made_once_more_is_new_and_the_takes_before_it_stay(page, dance, tmp_path):
    """The second time with the next seed; each take keeps its own command and files."""
    drop(page, dance)
    page.select_option("#engine", "composer")
    make(page, takes="1")
    first = save(page, "dance.wav", tmp_path).read_bytes()
    page.click("#make")
    wait_for_job(page)
    page.locator("input[name=take]").nth(1).wait_for()
    names = page.locator("#take-list label").evaluate_all(
        "(all) => all.map((e) => e.childNodes[1].data)"
    )
    assert names == ["Take B", "Take A"]
    assert page.input_value("#seed") == "1"
    assert " --seed 1" in page.input_value("#command").splitlines()[0]
    assert save(page, "dance.wav", tmp_path).read_bytes() != first
    page.locator("input[name=take]").nth(1).check()
    assert save(page, "dance.wav", tmp_path).read_bytes() == first
    # A loop is of another length: it is played by itself.
    make(page, loop="1", takes="1")
    length = "window.kinetune.player.duration"
    assert page.evaluate(length) < 4.0
    page.locator("input[name=take]").nth(2).check()
    assert page.evaluate(length) == pytest.approx(6.0, abs=0.05)


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
    assert page.locator("input[name=take]").count() == 0
    assert page.locator("#dance-list label").all_text_contents() == ["dance.bvh", "partner.bvh"]
    page.get_by_label("dance.bvh", exact=True).check()
    assert page.locator("input[name=take]").count() == 1


def test_the_progress_of_all_takes_is_one_with_the_time_that_is_left(page, dance):
    drop(page, dance)
    page.select_option("#takes", "3")
    page.click("#make")
    wait_for_job(page)
    seen = page.evaluate("watched.progress")
    values = [value for text, value in seen if "denoising" in text]
    assert values == sorted(values)
    assert sum(0.0 < value < 1.0 for value in values) > 3
    left = [int(found[1]) for text, _ in seen if (found := re.search(r"%, (\d+) s left$", text))]
    assert len(left) > 3
    assert left[-1] < max(left)


def tab_to(page, name: str) -> None:
    """Press the tabulator key until an element has the focus."""
    for _ in range(80):
        if page.evaluate("document.activeElement.id") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the tabulator key does not reach {name}")


def test_the_keyboard_alone_is_enough(page):
    tab_to(page, "example")
    page.keyboard.press("Enter")
    page.wait_for_selector("#make:enabled")
    tab_to(page, "engine")
    page.keyboard.press("ArrowDown")
    tab_to(page, "takes")
    page.keyboard.press("ArrowUp")
    tab_to(page, "make")
    page.keyboard.press("Enter")
    wait_for_job(page)
    tab_to(page, "line")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("window.kinetune.player.position") == pytest.approx(1.0, abs=1e-6)
    page.keyboard.press("[")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("]")
    page.keyboard.press("s")
    assert settings(page)["silences"] == [
        {"start": pytest.approx(1.0), "end": pytest.approx(6.0, abs=1e-6)}
    ]
    page.keyboard.press(" ")
    until(page, "window.kinetune.player.playing")
    page.keyboard.press(" ")
    tab_to(page, "again")
    page.keyboard.press("Enter")
    wait_for_job(page)
    page.locator("input[name=take]").nth(1).wait_for()
    tab_to(page, "export")
    page.keyboard.press("Enter")
    wait_for_job(page)
    assert say(page).startswith("In the list of files")


def test_a_damaged_file_is_named_in_one_line(page, tmp_path):
    path = tmp_path / "bad.bvh"
    path.write_text("HIERARCHY\nnothing")
    page.set_input_files("#file", path)
    page.wait_for_selector("#status.error")
    assert say(page).startswith("bad.bvh: ")
    page.wait_for_selector("#drop", state="visible")


# Contrast of every text that is seen with what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
    const number = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = number(getComputedStyle(at).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const seen = (element) => element.checkVisibility() && !element.disabled
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")].filter(seen).map((element) => {
        const [low, high] = [light(number(getComputedStyle(element).color)), light(behind(element))]
            .sort((x, y) => x - y);
        return [(high + 0.05) / (low + 0.05), element.tagName + element.textContent.slice(0, 40)];
    });
}"""
# Contrast of what is drawn on the time line with its background, and of the edges of controls with
# what is around them (WCAG 2.2, 1.4.11).
DRAWN = ["wave", "energy", "beat", "bar", "mark", "curve", "head", "accent"]
EDGES = """(drawn) => {
    const probe = document.body.appendChild(document.createElement("i"));
    const seen = (name) => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
    };
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const controls = [...document.querySelectorAll("button, select, textarea, input[type=number]")]
        .filter((element) => element.checkVisibility() && !element.disabled);
    const found = [
        ...drawn.map((name) => [ratio(seen(name), seen("panel")), name]),
        ...controls.map((element) => [
            ratio(getComputedStyle(element).borderColor,
                  seen(element.closest("fieldset, #stage") ? "panel" : "bg")), element.outerHTML]),
    ];
    probe.remove();
    return found;
}"""
AXE = REPOSITORY / "studio/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def full(browser, studio):
    """A page with a dance, a take, a selection and marks; for looking at it."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(WATCH)
    page.set_default_timeout(300_000)
    page.goto(studio.url)
    page.click("#example")
    page.wait_for_selector("#make:enabled")
    page.select_option("#engine", "composer")
    make(page, takes="3", genre2="house")
    drag(page, 0.4, 0.6)
    yield page
    page.context.close()


def look(page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    if dark != (page.get_attribute("#theme", "aria-pressed") == "true"):
        page.click("#theme")


# What of the page's parts is cut off, or wider than what it stands in; a list whose longest entry
# has no room; scrolling areas are allowed to be higher than what is seen of them.
CUT_OFF = """() => {
    const name = (element) => element.id || element.outerHTML.slice(0, 60);
    const clips = (element) => getComputedStyle(element).overflowX !== "visible";
    const scroller = (element) => {
        for (let at = element.parentElement; at; at = at.parentElement) if (clips(at)) return at;
        return document.documentElement;
    };
    const needed = (list) => {
        const copy = list.cloneNode(true);
        Object.assign(copy.style, {width: "max-content", position: "absolute", minWidth: 0});
        list.parentElement.append(copy);
        const {width} = copy.getBoundingClientRect();
        copy.remove();
        return width;
    };
    const elements = [...document.querySelectorAll("header *, aside *, #time *")]
        .filter((element) => element.checkVisibility());
    const outside = elements.filter((element) => {
        const box = element.getBoundingClientRect(), around = scroller(element);
        const left = around.getBoundingClientRect().left + around.clientLeft;
        return box.left < left - 0.5 || box.right > left + around.clientWidth + 0.5;
    });
    const overfull = elements.filter((element) => !/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)
        && getComputedStyle(element).display !== "inline"
        && element.scrollWidth > element.clientWidth + 1);
    const lists = elements.filter((element) => element.tagName === "SELECT"
        && needed(element) > element.getBoundingClientRect().width + 0.5);
    const short = elements.filter((element) => /^(BUTTON|LABEL|LEGEND|P)$/.test(element.tagName)
        && element.scrollHeight > element.clientHeight + 1);
    return {count: elements.length, outside: outside.map(name), overfull: overfull.map(name),
            lists: lists.map(name), short: short.map(name)};
}"""


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off(full, dark, width):
    look(full, dark, width)
    found = full.evaluate(CUT_OFF)
    assert found.pop("count") > 80
    assert found == {"outside": [], "overfull": [], "lists": [], "short": []}


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(full, dark, width):
    """WCAG AA: 4.5 to 1."""
    look(full, dark, width)
    found = full.evaluate(CONTRASTS)
    assert len(found) > 60
    assert [text for ratio, text in found if ratio < 4.5] == []


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_drawn_and_the_edges_of_controls_are_seen(full, dark):
    """WCAG AA: 3 to 1."""
    look(full, dark, 1280)
    found = full.evaluate(EDGES, DRAWN)
    assert len(found) > 30
    assert [text for ratio, text in found if ratio < 3.0] == []


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: cd studio && npm ci")
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_against_wcag_aa(full, dark, width):
    look(full, dark, width)
    full.evaluate(AXE.read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = full.evaluate("(tags) => axe.run({runOnly: tags})", tags)
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 15


def test_a_phones_width_needs_no_sideways_scrolling(full):
    look(full, False, 360)
    assert full.evaluate("document.documentElement.scrollWidth") <= 360
    small = full.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, summary")]
            .filter((element) => element.checkVisibility())
            .map((element) => [element.closest("label") ?? element].map((e) =>
                [e.getBoundingClientRect().height, e.outerHTML.slice(0, 60)])[0])
            .filter(([height]) => height < 24)"""
    )
    assert small == [], "WCAG 2.2 AA: targets of 24 pixels"
