"""The dancer in three dimensions: beats, camera, and in step with the sound."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.motion.io.formats import read_motion, write_bvh
from tests.chromium import NEEDS_CHROMIUM
from tests.conftest import REPOSITORY, swaying_clip
from tests.serve.studio.steps import drop, tab_to, until

pytestmark = NEEDS_CHROMIUM


def test_beats_flash_and_bars_count(page, dance):
    """Beats at 0, 0.5, 1 ... s: 2.5 s is the second beat of the second bar."""
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0")
    page.keyboard.press("Tab")
    page.focus("#line")
    ring = "window.kinetune.stage.figures[0].ring.material"
    for keys, time_s, counter, opacity, colour in (
        (["Home", "Shift+ArrowRight", "Shift+ArrowRight"], 2.0, "2.1", 1.0, "d6602f"),
        (["ArrowRight"] * 5, 2.5, "2.2", 1.0, "2f7fd6"),
        (["ArrowRight"], 2.6, "2.2", 0.15 + 0.85 * np.exp(-0.7), "2f7fd6"),
    ):
        for key in keys:
            page.keyboard.press(key)
        until(page, f"Math.abs(window.kinetune.stage.time - {time_s}) < 1e-6")
        assert page.text_content("#counter") == counter
        bar, beat = counter.split(".")
        text = page.get_attribute("#line", "aria-valuetext")
        assert text == f"{time_s:.1f} s, bar {bar}, beat {beat}"
        assert page.evaluate(f"{ring}.opacity") == pytest.approx(opacity, abs=0.01)
        assert page.evaluate(f"{ring}.color.getHexString()") == colour


def test_the_camera_follows_the_dancer_and_is_turned_by_a_drag(page, dance, tmp_path):
    clip = read_motion(dance)
    path_m = np.linspace(0.0, 3.0, clip.frame_count)[:, None] * [1.0, 0.0, 0.0]
    write_bvh(tmp_path / "walk.bvh", replace(clip, root_m=clip.root_m + path_m))
    drop(page, tmp_path / "walk.bvh")
    page.focus("#line")
    page.keyboard.press("End")
    follows = "Math.abs(s.controls.target.x - s.pelvises[0][0])"
    until(page, f"(s => s.time > 5.9 && {follows} < 0.02)(window.kinetune.stage)")
    assert page.evaluate("window.kinetune.stage.pelvises[0][0]") == pytest.approx(3.0, abs=0.1)
    azimuth = "window.kinetune.stage.controls.getAzimuthalAngle()"
    before, box = page.evaluate(azimuth), page.locator("#view").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["height"] / 4, y, steps=5)
    page.mouse.up()
    # A drag by the height of the view is a whole turn.
    until(page, f"Math.abs({azimuth} - {before} - Math.PI / 2) < 0.4")


def settled(page, expression: str) -> list[float]:
    """Return the numbers of an expression once they are the same from one frame to the next."""
    frame = "(draw) => requestAnimationFrame(() => requestAnimationFrame(draw))"
    look = f"new Promise({frame}).then(() => {expression})"
    before, after = page.evaluate(look), page.evaluate(look)
    while after != pytest.approx(before, abs=1e-6):
        before, after = after, page.evaluate(look)
    return after


def test_the_keys_turn_the_view_and_change_its_distance(page, dance):
    drop(page, dance)
    tab_to(page, "view")
    controls = "window.kinetune.stage.controls"
    seen = f"(c => [c.getAzimuthalAngle(), c.getPolarAngle(), c.getDistance()])({controls})"
    about, down, far_m = settled(page, seen)
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    assert settled(page, seen) == pytest.approx([about + 0.3, down - 0.1, 0.9 * far_m], abs=0.03)


def test_the_dancer_is_drawn_where_the_sound_is(page, dance, tmp_path):
    """Within 20 ms: a walk at 0.5 m/s tells the time of the picture, the samples their own."""
    clip = swaying_clip(fps=30.0, duration_s=30.0)
    times_s = np.arange(clip.frame_count) / clip.fps
    root_m = np.stack([0.5 * times_s, np.full_like(times_s, 0.9), 0.0 * times_s], axis=1)
    write_bvh(tmp_path / "walk.bvh", replace(clip, root_m=root_m))
    # As few pixels as a phone's: they are drawn in software here.
    page.set_viewport_size({"width": 360, "height": 640})
    drop(page, tmp_path / "walk.bvh")
    # Other programs delay the sound's blocks: the least of three stretches is the page's own.
    assert min(median_offset_ms(page) for _ in range(3)) < 20.0


def median_offset_ms(page) -> float:
    """Play a while; return the median distance of picture and sound."""
    script = (REPOSITORY / "tools" / "studio_offsets.js").read_text(encoding="utf-8")
    frames = page.evaluate(script, {"seconds": 8.0, "frames": 40, "speed_m_s": 0.5})
    assert len(frames) > 5
    pictures_s = np.array([frame["picture"] for frame in frames])
    assert np.all(np.diff(pictures_s) > 0.0), "the dancer walks"
    offsets_ms = 1000.0 * (pictures_s - [frame["sound"] for frame in frames])
    return float(np.median(np.abs(offsets_ms)))
