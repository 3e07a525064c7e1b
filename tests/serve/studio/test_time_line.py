"""Marks, energy and beats on the time line; the studio by the keyboard alone."""

import numpy as np
import pytest

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import (
    count_takes,
    drag,
    drop,
    say,
    settings,
    tab_to,
    until,
    wait_for_job,
)

pytestmark = NEEDS_CHROMIUM


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
    assert count_takes(page) == 2
    tab_to(page, "export")
    page.keyboard.press("Enter")
    wait_for_job(page)
    assert say(page).startswith("In the list of files")
