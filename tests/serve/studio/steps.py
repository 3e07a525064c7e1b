"""What a user does with the studio, as steps of a test."""

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chromium import strict_page
from tests.conftest import REPOSITORY

# That a request was refused, as some tests want, is no fault of the page.
REFUSED = "status of 422"
DROP = (REPOSITORY / "tools" / "drop_files.js").read_text(encoding="utf-8")
# Counts the jobs that begin and those that are dealt with, and keeps what the page says of their
# progress: some are over before a test can look. As a job ends, its takes are still fetched and
# decoded; the page says that it is done once they, or the files, are in their list.
WATCH = """
document.addEventListener("DOMContentLoaded", () => {
  window.watched = {begun: 0, ended: 0, progress: []};
  const stop = document.getElementById("stop");
  new MutationObserver(() => { if (!stop.hidden) watched.begun += 1; })
    .observe(stop, {attributeFilter: ["hidden"]});
  const said = document.getElementById("status"), bar = document.getElementById("progress");
  new MutationObserver(() => {
    watched.progress.push([said.textContent, bar.value]);
    if (stop.hidden) watched.ended = watched.begun;
  }).observe(said, {childList: true, characterData: true, subtree: true});
});
"""


@contextmanager
def studio_page(browser, server) -> Iterator[Any]:
    """Yield an empty page for the studio: watched, with time for what a busy machine does."""
    with strict_page(
        browser, local=server.url, excused=REFUSED, viewport={"width": 1280, "height": 800}
    ) as page:
        page.add_init_script(WATCH)
        page.set_default_timeout(300_000)
        yield page


def drop(page, *paths: Path) -> None:
    """Drop files on the page, as a mouse does."""
    files = [[base64.b64encode(path.read_bytes()).decode(), path.name] for path in paths]
    page.evaluate(DROP, files)
    page.wait_for_selector("#make:enabled")


def say(page) -> str:
    return page.text_content("#status")


def until(page, expression: str, seconds: float = 300.0) -> None:
    """Wait for an expression; the page's own policy forbids the library's way to do it."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def wait_for_job(page) -> None:
    """Wait until a job that has not been waited for is done and the page shows what it made."""
    until(page, "watched.ended > (watched.waited || 0)")
    page.evaluate("watched.waited = watched.ended")
    assert page.get_attribute("#status", "class") != "error", say(page)


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


def count_takes(page) -> int:
    return page.locator("input[name=take]").count()


def export(page, **choices: str) -> None:
    """Choose what to take away, with the notes, and wait for it."""
    for name, value in choices.items():
        page.select_option(f"#{name}", value)
    if page.is_visible("#notes"):
        page.check("#notes")
    page.click("#export")
    wait_for_job(page)


def save(page, name: str, folder: Path) -> Path:
    """Download a file of the list."""
    with page.expect_download() as download:
        page.locator("#files a", has_text=name).first.click()
    download.value.save_as(folder / name)
    return folder / name


def files(page) -> set[str]:
    return set(page.locator("#files a").all_text_contents())


def run_commands(page, dances: list[Path], folder: Path) -> str:
    """Run what the page shows as command lines, in a folder with the dances; return it."""
    command = page.input_value("#command")
    folder.mkdir()
    for dance in dances:
        shutil.copy(dance, folder)
    shell = f'kinetune() {{ "{sys.executable}" -m kinetune "$@"; }}\n{command}'
    # As many threads as the server has: a network's last bits depend on them.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euc", shell], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return command


def tab_to(page, name: str) -> None:
    """Press the tabulator key until an element has the focus."""
    for _ in range(80):
        if page.evaluate("document.activeElement.id") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the tabulator key does not reach {name}")
