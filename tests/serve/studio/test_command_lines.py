"""The command lines that the studio shows make the same bytes."""

import zipfile
from pathlib import Path

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import (
    count_takes,
    drag,
    drop,
    export,
    make,
    run_commands,
    save,
    wait_for_job,
)

pytestmark = NEEDS_CHROMIUM


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
    assert count_takes(page) == 2
    assert page.is_disabled("#add")
    page.check("input[value=energy]")
    drag(page, 4.1 / 6, 5.9 / 6, height=0.0)
    page.check("input[value=select]")
    drag(page, 4.05 / 6, 5.95 / 6)
    page.click("#again")
    wait_for_job(page)
    assert count_takes(page) == 3
    page.select_option("#pack", "unity")
    export(page)
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
