"""The studio in Chromium, for the tools that measure it and take its pictures.

Needs kinetune[test] and Chromium.
"""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

_ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required",
              "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # fmt: skip
_DROP = Path(__file__).with_name("drop_files.js").read_text(encoding="utf-8")
PATIENCE_MS = 600_000


@contextmanager
def studio(data: Path) -> Iterator[str]:
    """Run ``kinetune studio`` with its files in a folder; yield the address of its page."""
    command = [sys.executable, "-m", "kinetune", "studio", "--no-browser", "--data", str(data)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline() if server.stdout else ""
        if not line:
            sys.exit("the studio did not start")
        yield line.split()[0]
    finally:
        server.terminate()
        server.wait()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser that renders in software."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


def drop(page: Page, paths: Sequence[Path]) -> None:
    """Drop motion files on the page, and wait until the dancer stands there."""
    files = [[base64.b64encode(path.read_bytes()).decode(), path.name] for path in paths]
    page.evaluate(_DROP, files)
    page.locator("#name", has_text=f"{paths[0].name}: ").wait_for()
    page.wait_for_selector("#make:enabled")


def press_and_wait(page: Page, button: str) -> None:
    """Press a button that starts a job, and wait for the end of the job."""
    page.click(button)
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#stop", state="hidden")


def drag(page: Page, start: float, end: float, height: float = 0.4) -> None:
    """Drag on the time line between two shares of its length, at a share of its height."""
    box = page.locator("#line").bounding_box()
    assert box is not None
    # Between the lanes of the beats above and of the sections below.
    width, y = box["width"] - 20, box["y"] + 26 + height * (box["height"] - 42)
    page.mouse.move(box["x"] + 10 + start * width, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + end * width, y, steps=5)
    page.mouse.up()
