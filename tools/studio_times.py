"""How long a newcomer waits in the studio, and how far the picture is from the sound.

    python tools/studio_times.py [--dance FILE] [--engines diffusion composer]

Starts ``kinetune studio``, opens its page in Chromium, gives it a dance (by default one of 20 s as
BVH), makes one take with each engine, and plays it. Prints Markdown: seconds from the start of the
command, and the offset of the frame that is shown from the audio clock over four seconds of
playing. Needs kinetune[test] and Chromium.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from kinetune.example import example_dance
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion, write_motion

_ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required",
              "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # fmt: skip
_OFFSETS = """async () => {
    const {player, stage} = window.kinetune, offsets = [], begin = performance.now();
    while (performance.now() - begin < 4000) {
        await new Promise(requestAnimationFrame);
        offsets.push(1000 * (stage.time - player.position));
    }
    return offsets;
}"""


def main() -> None:
    """Go the newcomer's way and print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dance", type=Path)
    parser.add_argument("--engines", nargs="+", default=["diffusion", "composer"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dance = options.dance or own_dance(Path(folder))
        began = time.monotonic()
        server = subprocess.Popen(
            [sys.executable, "-m", "kinetune", "studio", "--no-browser",
             "--data", str(Path(folder) / "data")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            url = server.stdout.readline().split()[0] if server.stdout else ""
            rows = [("the studio listens", time.monotonic() - began)]
            rows += in_browser(url, dance, options.engines, began)
        finally:
            server.terminate()
            server.wait()
    print("| step | s |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value:.1f} |")


def own_dance(folder: Path) -> Path:
    """Write the bundled dance, there and back until 20 s are full, as BVH."""
    clip = read_motion(example_dance())
    there_and_back = np.r_[0 : clip.frame_count, clip.frame_count - 1 : -1 : -1]
    frames = np.resize(there_and_back, round(20.0 * clip.fps))
    path = folder / "mine.bvh"
    write_motion(
        path,
        MotionClip(clip.rotations[frames], clip.root_m[frames], clip.fps, "mine", clip.source),
    )
    return path


def in_browser(url: str, dance: Path, engines: list[str], began: float) -> list[tuple[str, float]]:
    """Return the steps in the page with the seconds at which each is done."""
    rows: list[tuple[str, float]] = []
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=_ARGUMENTS)
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(url)
        rows.append(("the page is open", time.monotonic() - began))
        page.set_input_files("#file", dance)
        page.wait_for_selector("#make:enabled")
        rows.append(("the dancer stands there, with readings", time.monotonic() - began))
        page.select_option("#takes", "1")
        for engine in engines:
            page.select_option("#engine", engine)
            waited = time.monotonic()
            wait_for_sound(page)
            rows.append(
                (f"music by the {engine} is heard, from the click on", time.monotonic() - waited)
            )
        offsets = np.array(page.evaluate(_OFFSETS))
        browser.close()
    frames = f"{len(offsets)} frames"
    rows.append((f"picture behind the sound, median of {frames}, ms", float(np.median(-offsets))))
    rows.append(("the same, 95 %, ms", float(np.percentile(np.abs(offsets), 95))))
    return rows


def wait_for_sound(page: Page) -> None:
    """Make a take and play it."""
    page.click("#make")
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#stop", state="hidden")
    page.locator("input[name=take]").first.wait_for()
    if page.text_content("#play") == "Pause":
        return
    page.click("#play")
    while page.evaluate("window.kinetune.player.position") < 0.1:
        page.wait_for_timeout(50)


if __name__ == "__main__":
    main()
