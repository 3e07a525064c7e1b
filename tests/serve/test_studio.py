"""The studio in a real browser: the whole way from a dropped file to its files."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.serve.conftest import Server

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("studio") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, studio):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(120_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    # Offline: whatever is not this server would be a failure.
    page.on("request", lambda request: request.url.startswith((studio.url, "blob:", "data:"))
            or problems.append(request.url))  # fmt: skip
    page.goto(studio.url)
    yield page
    assert problems == []
    context.close()


def drop(page, path: Path) -> None:
    """Drop a file on the page, as a mouse does."""
    import base64

    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([data, name]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name));
            document.getElementById("stage").dispatchEvent(
                new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        [data, path.name],
    )
    page.wait_for_selector("#make:enabled")


def say(page) -> str:
    return page.text_content("#status")


def until(page, expression: str, seconds: float = 60.0) -> None:
    """Wait for an expression; the page's own policy forbids the library's way to do it."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def wait_for_job(page) -> None:
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#stop", state="hidden")


def drag(page, start: float, end: float) -> None:
    """Drag on the time line between two shares of its length."""
    box = page.locator("#line").bounding_box()
    width, y = box["width"] - 20, box["y"] + 80
    page.mouse.move(box["x"] + 10 + start * width, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + end * width, y, steps=5)
    page.mouse.up()


def settings(page) -> dict:
    return page.evaluate("window.kinetune.history.now")


def test_a_dropped_dance_becomes_music_that_can_be_changed_and_taken_away(page, dance, tmp_path):
    drop(page, dance)
    assert "dance.bvh: BVH, 6.0 s" in page.text_content("#name")
    assert page.locator("input[name=reading]").count() >= 1
    page.select_option("#genre", "house")
    page.select_option("#takes", "3")
    page.click("#make")
    wait_for_job(page)
    page.locator("input[name=take]").nth(2).wait_for()
    assert page.locator("input[name=take]").count() == 3
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.3")
    page.locator("input[name=take]").nth(1).check()
    before = page.evaluate("window.kinetune.player.position")
    until(page, f"window.kinetune.player.position > {before} + 0.2")
    page.click("#play")
    drag(page, 0.4, 0.6)
    page.click("#again")
    wait_for_job(page)
    page.locator("input[name=take]").nth(3).wait_for()
    assert page.locator("input[name=take]").count() == 4
    with page.expect_download() as download:
        page.locator("#files a", has_text="edit.wav").click()
    download.value.save_as(tmp_path / "edit.wav")
    import soundfile

    assert soundfile.info(tmp_path / "edit.wav").duration == pytest.approx(6.0, abs=0.05)
    page.click("#film")
    wait_for_job(page)
    page.locator("#files a", has_text=".mp4").wait_for()


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


def test_the_picture_keeps_up_with_the_sound(page, dance):
    """The frame that is shown is that of the audio clock, within 20 ms."""
    drop(page, dance)
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.2")
    offsets = page.evaluate(
        """async () => {
            const {player, stage} = window.kinetune, offsets = [];
            for (let k = 0; k < 60; k++) {
                await new Promise(requestAnimationFrame);
                offsets.push(stage.time - player.position);
            }
            return offsets;
        }"""
    )
    offsets.sort()
    assert abs(offsets[len(offsets) // 2]) < 0.020


def test_the_keyboard_alone_is_enough(page):
    page.focus("#example")
    page.keyboard.press("Enter")
    page.wait_for_selector("#make:enabled")
    page.focus("#line")
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


def test_a_damaged_file_is_named_in_one_line(page, tmp_path):
    path = tmp_path / "bad.bvh"
    path.write_text("HIERARCHY\nnothing")
    page.set_input_files("#file", path)
    page.wait_for_selector("#status.error")
    assert say(page).startswith("bad.bvh: ")
    page.wait_for_selector("#drop", state="visible")


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(page, dark):
    """WCAG AA: 4.5 to 1."""
    if dark != (page.get_attribute("#theme", "aria-pressed") == "true"):
        page.click("#theme")
    ratios = page.evaluate(
        """() => {
            const style = getComputedStyle(document.documentElement);
            const light = (name) => {
                const hex = style.getPropertyValue("--" + name).trim().slice(1);
                const [r, g, b] = [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255)
                    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ratio = (a, b) => {
                const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
                return (high + 0.05) / (low + 0.05);
            };
            return ["text", "soft", "accent", "mark"].flatMap((name) =>
                [ratio(name, "bg"), ratio(name, "panel")]).concat(ratio("accent", "on-accent"));
        }"""
    )
    assert min(ratios) >= 4.5, ratios


def test_a_phones_width_needs_no_sideways_scrolling(browser, studio):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(studio.url)
    page.wait_for_selector("#choose")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
