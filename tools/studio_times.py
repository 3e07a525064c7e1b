"""How long a newcomer waits in the studio, and how far the picture is from the sound.

    python tools/studio_times.py [--dance FILE] [--engines diffusion composer] [--takes 3]

Starts ``kinetune studio``, which the last line of ``make demo`` names, opens its page in Chromium,
drops a dance on it (by default one of 20 s as BVH), makes music with each engine and as many takes
as the page proposes, and plays it. Prints Markdown: seconds from the start of the command, and the
offset of the frame that is shown from the audio clock over four seconds of playing. Needs
kinetune[test] and Chromium.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page
from studio_page import PATIENCE_MS, chromium, drop, press_and_wait, studio

from kinetune.example import example_dance
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion, write_motion

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
    parser.add_argument("--takes", help="instead of what the page proposes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dance = options.dance or own_dance(Path(folder))
        began = time.monotonic()
        with studio(Path(folder) / "data") as url:
            rows = [("the studio listens", time.monotonic() - began)]
            rows += in_browser(url, dance, options, began)
    print("| step | s |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value:.1f} |")
    print(f"\nLoad of the machine over the last five minutes: {os.getloadavg()[1]:.0f}")


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


def in_browser(
    url: str, dance: Path, options: argparse.Namespace, began: float
) -> list[tuple[str, float]]:
    """Return the steps in the page with the seconds at which each is done."""
    rows: list[tuple[str, float]] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        rows.append(("the page is open", time.monotonic() - began))
        drop(page, [dance])
        rows.append(("the dancer stands there, with readings", time.monotonic() - began))
        if options.takes:
            page.select_option("#takes", options.takes)
        for engine in options.engines:
            page.select_option("#engine", engine)
            waited = time.monotonic()
            wait_for_sound(page)
            takes = page.locator("input[name=take]").count()
            name = f"{takes} takes by the {engine}, the best is heard, from the click on"
            rows.append((name, time.monotonic() - waited))
        offsets = np.array(page.evaluate(_OFFSETS))
    frames = f"{len(offsets)} frames"
    rows.append((f"picture behind the sound, median of {frames}, ms", float(np.median(-offsets))))
    rows.append(("the same, 95 %, ms", float(np.percentile(np.abs(offsets), 95))))
    return rows


def wait_for_sound(page: Page) -> None:
    """Make music and play it."""
    press_and_wait(page, "#make")
    page.locator("input[name=take]").first.wait_for()
    if page.text_content("#play") == "Pause":
        return
    page.click("#play")
    while page.evaluate("window.kinetune.player.position") < 0.1:
        page.wait_for_timeout(50)


if __name__ == "__main__":
    main()
