"""The whole way from a dropped file to what is taken away."""

import zipfile

import pytest
import soundfile

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import (
    count_takes,
    drag,
    drop,
    export,
    files,
    make,
    save,
    say,
    settings,
    until,
    wait_for_job,
)

pytestmark = NEEDS_CHROMIUM


def test_the_whole_way_from_a_dropped_dance_to_what_is_taken_away(page, dance, tmp_path):
    drop(page, dance)
    assert "dance.bvh: BVH, 6.0 s" in page.text_content("#name")
    page.locator("input[name=reading]").last.check()
    page.locator("input[name=reading]").first.check()
    page.select_option("#engine", "composer")
    page.fill("#chords", "Am F C G")
    make(page, genre="house", genre2="krump", takes="3")
    assert count_takes(page) == 3
    assert "3 takes" in say(page)
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.3")
    page.locator("input[name=take]").nth(1).check()
    before = page.evaluate("window.kinetune.player.position")
    until(page, f"window.kinetune.player.position > {before} + 0.2")
    # Without a gap: all takes run in step all the time, one is heard.
    gains = "window.kinetune.player.voices.map(({gain}) => gain.gain.value)"
    until(page, f"(g => g[0] < 0.01 && g[1] > 0.99 && g[2] === 0)({gains})")
    page.click("#play")
    drag(page, 0.4, 0.6)
    page.click("#again")
    wait_for_job(page)
    assert count_takes(page) == 4
    page.check("input[value=accent]")
    drag(page, 0.25, 0.25)
    assert len(settings(page)["accents"]) == 1
    page.click("#undo")
    assert settings(page)["accents"] == []
    export(page, format="flac", stems="mastered", layers="2")
    assert {"dance-2-edit.flac", "dance-2-edit-stems.zip", "dance-2-edit.mid"} <= files(page)
    assert {"dance-2-edit-layers.zip", "dance-2-edit.beats.csv", "dance-2-edit.json"} <= files(page)
    for name in ("dance-2-edit.wav", "dance-2-edit.flac"):
        sound = soundfile.info(save(page, name, tmp_path))
        assert sound.duration == pytest.approx(6.0, abs=0.05)
    with zipfile.ZipFile(save(page, "dance-2-edit-stems.zip", tmp_path)) as archive:
        assert "dance-2-edit-stems/kick.wav" in archive.namelist() or archive.testzip() is None
    page.click("#film")
    wait_for_job(page)
    assert "dance-2-edit.mp4" in files(page)
