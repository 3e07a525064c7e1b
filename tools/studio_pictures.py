"""Take the pictures of the studio that the guide shows.

    python tools/studio_pictures.py [--folder docs/guide] [--engine diffusion]

Starts ``kinetune studio``, goes the user's way in Chromium with the bundled dance and with a group
of two, and writes studio.png, studio-takes.png, studio-dark.png, studio-group.png and
studio-phone.png to a folder.
Needs kinetune[test] and Chromium.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page
from studio_page import PATIENCE_MS, chromium, drag, drop, press_and_wait, studio

from kinetune.example import example_dance
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import read_motion, write_motion

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide"


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=GUIDE)
    parser.add_argument("--engine", choices=["diffusion", "composer"], default="diffusion")
    options = parser.parse_args()
    target = options.folder
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dance, partner = dances(folder)
        with studio(folder / "data") as url, chromium() as browser:
            page = opened(browser, url)
            drop(page, [dance])
            one_dance(page, target, options.engine)
            page = opened(browser, url)
            drop(page, [dance, partner])
            group(page, target)


def opened(browser: Browser, url: str) -> Page:
    """Return a new page of the studio."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def dances(folder: Path) -> tuple[Path, Path]:
    """Write the bundled dance as BVH, and a partner to the side who is a bar ahead."""
    clip = read_motion(example_dance())
    paths = folder / "dance.bvh", folder / "partner.bvh"
    write_motion(paths[0], clip)
    ahead = cut(clip, 2.4, clip.duration_s)
    write_motion(paths[1], replace(ahead, root_m=ahead.root_m + np.array([1.6, 0.0, 0.0])))
    return paths


def one_dance(page: Page, target: Path, engine: str) -> None:
    """Music in a key, with marks; in light, in dark with its files, and on a phone."""
    page.select_option("#engine", engine)
    page.select_option("#genre", label="house")
    page.fill("#prompt", "warm rhodes chords, congas, not too busy")
    page.fill("#chords", "Am F C G")
    page.select_option("#key", "A minor")
    page.select_option("#takes", "3")
    press_and_wait(page, "#make")
    page.locator("input[name=take]").first.wait_for()
    page.check("input[value=energy]")
    drag(page, 0.6, 0.8, height=0.1)
    page.check("input[value=accent]")
    drag(page, 0.33, 0.33)
    page.check("input[value=select]")
    drag(page, 0.52, 0.7)
    seek(page, 3.2)
    picture(page, target / "studio.png", "#make")
    picture(page, target / "studio-takes.png", "#again")
    page.select_option("#pack", "godot")
    press_and_wait(page, "#export")
    page.click("#theme")
    picture(page, target / "studio-dark.png", "#command")
    page.click("#theme")
    page.set_viewport_size({"width": 360, "height": 1450})
    picture(page, target / "studio-phone.png", "#open")
    page.set_viewport_size({"width": 1280, "height": 860})


def group(page: Page, target: Path) -> None:
    """Two dancers with one composed piece."""
    page.get_by_label("All as one group").check()
    page.wait_for_selector("#apart", state="visible")
    page.select_option("#engine", "composer")
    page.select_option("#genre", label="locking")
    press_and_wait(page, "#make")
    page.locator("input[name=take]").first.wait_for()
    seek(page, 4.4)
    picture(page, target / "studio-group.png", "#dances")


def seek(page: Page, time_s: float) -> None:
    """Go to a time, with the keys."""
    page.focus("#line")
    page.keyboard.press("Home")
    for key, step_s in (("Shift+ArrowRight", 1.0), ("ArrowRight", 0.1)):
        while time_s > step_s - 1e-6:
            page.keyboard.press(key)
            time_s -= step_s
    page.evaluate("document.activeElement.blur()")


def picture(page: Page, path: Path, shown: str) -> None:
    """Take a picture in which an element is seen, once the camera stands still."""
    page.locator(shown).scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main()
