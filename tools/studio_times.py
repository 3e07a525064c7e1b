"""How long a newcomer waits in the studio, and how far the picture is from the sound.

    python tools/studio_times.py [--dance FILE] [--engines diffusion composer] [--takes 3]
                                 [--seconds 10] [--window 1280x800]

Starts ``kinetune studio``, which the last line of ``make demo`` names, opens its page in Chromium,
drops a dance on it (by default one of 20 s as BVH), makes music with each engine and as many takes
as the page proposes, and plays it. Then plays a walk, whose place tells the time of the picture,
with a sound whose samples tell theirs (tools/studio_offsets.js). Prints Markdown: seconds from the
start of the command, and how far the picture was from the audio clock. Needs kinetune[test] and
Chromium.
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

# Walks so fast in the dance that tells the time of the picture.
_SPEED_M_S = 0.5
_OFFSETS = Path(__file__).with_name("studio_offsets.js")


def main() -> None:
    """Go the newcomer's way and print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dance", type=Path)
    parser.add_argument("--engines", nargs="+", default=["diffusion", "composer"])
    parser.add_argument("--takes", help="instead of what the page proposes")
    parser.add_argument("--seconds", type=float, default=10.0, help="of playing for the offsets")
    parser.add_argument("--window", default="1280x800", help="size of the page, pixels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dance = options.dance or own_dance(Path(folder))
        began = time.monotonic()
        with studio(Path(folder) / "data") as url:
            print("| step | s |\n|---|---|", flush=True)
            tell("the studio listens", began)
            width, height = map(int, options.window.split("x"))
            with chromium() as browser:
                page = browser.new_page(viewport={"width": width, "height": height})
                page.set_default_timeout(PATIENCE_MS)
                newcomer(page, url, dance, options, began)
                drop(page, [walk(Path(folder), options.seconds + 2.0)])
                frames = page.evaluate(
                    _OFFSETS.read_text(encoding="utf-8"),
                    {"seconds": options.seconds, "speed_m_s": _SPEED_M_S},
                )
    print(f"\n{offset_table(frames, options.seconds)}")
    print(f"\nLoad of the machine over the last five minutes: {os.getloadavg()[1]:.0f}")


def tell(step: str, began: float) -> None:
    """Print how long a step took."""
    print(f"| {step} | {time.monotonic() - began:.1f} |", flush=True)


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


def walk(folder: Path, duration_s: float) -> Path:
    """Write the first pose of the bundled dance, moved along x at a constant speed, as BVH."""
    clip = read_motion(example_dance())
    times_s = np.arange(round(duration_s * clip.fps)) / clip.fps
    root_m = clip.root_m[0] + np.outer(_SPEED_M_S * times_s, [1.0, 0.0, 0.0])
    rotations = np.repeat(clip.rotations[:1], len(times_s), axis=0)
    path = folder / "walk.bvh"
    write_motion(path, MotionClip(rotations, root_m, clip.fps, "walk", clip.source))
    return path


def newcomer(page: Page, url: str, dance: Path, options: argparse.Namespace, began: float) -> None:
    """Go through the page, and print the seconds at which each step is done."""
    page.goto(url)
    tell("the page is open", began)
    drop(page, [dance])
    tell("the dancer stands there, with readings", began)
    if options.takes:
        page.select_option("#takes", options.takes)
    for engine in options.engines:
        page.select_option("#engine", engine)
        waited, before = time.monotonic(), page.locator("input[name=take]").count()
        wait_for_sound(page)
        takes = page.locator("input[name=take]").count() - before
        tell(f"{takes} takes by the {engine}, the best is heard, from the click on", waited)


def offset_table(frames: list[dict[str, float]], seconds: float) -> str:
    """Return a table of how far the picture is behind the sound, ms."""
    lines = [
        f"Picture behind the audio clock in {len(frames)} frames of {seconds:g} s, ms:",
        "",
        "| the frame is | median | 95 % | most |",
        "|---|---|---|---|",
    ]
    for key, name in (("sound", "drawn by the page"), ("finished", "finished by the graphics")):
        behind_ms = 1000.0 * np.array([frame[key] - frame["picture"] for frame in frames])
        cells = (np.median(behind_ms), np.percentile(behind_ms, 95), behind_ms.max())
        lines.append(f"| {name} | " + " | ".join(f"{value:.1f}" for value in cells) + " |")
    return "\n".join(lines)


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
