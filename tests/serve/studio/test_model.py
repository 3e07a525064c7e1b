"""The studio with the model: key and chords, progress, and the same on the command line."""

import re

import numpy as np
import soundfile

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import (
    count_takes,
    drag,
    drop,
    export,
    files,
    make,
    run_commands,
    save,
    wait_for_job,
)

pytestmark = NEEDS_CHROMIUM


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
    assert count_takes(page) == 2
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


def test_key_and_chords_are_hidden_for_a_model_that_reads_none(page, studio):
    """They stay set, for the composer, but are no part of the request and the command."""
    page.route(
        "**/v1/models",
        lambda route: route.fulfill(
            json=[{"name": "runs/mine", "settings": {"reads_harmony": False}}]
        ),
    )
    page.goto(studio.url)
    page.click("#example")
    page.wait_for_selector("#make:enabled")
    # The lists are filled and the model is known at once.
    page.wait_for_selector("#genre option >> nth=1", state="attached")
    assert not page.is_visible("#key")
    page.select_option("#engine", "composer")
    page.select_option("#key", "A minor")
    assert " --key 'A minor'" in page.input_value("#command")
    page.select_option("#engine", "diffusion")
    command = page.input_value("#command")
    assert command.endswith(" --model runs/mine"), command


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
