"""Playing: loops, the click, and takes one after another."""

import itertools

import numpy as np
import pytest

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import drag, drop, make, save, until, wait_for_job

pytestmark = NEEDS_CHROMIUM


def test_a_loop_of_two_bars_plays_over_and_over(page, dance):
    drop(page, dance)
    page.fill("#bpm", "120")
    page.keyboard.press("Tab")
    page.select_option("#engine", "composer")
    make(page, loop="2", takes="1")
    assert page.evaluate("window.kinetune.player.duration") == pytest.approx(4.0, abs=1e-3)
    assert "--loop-bars 2" in page.input_value("#command")
    page.focus("#line")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.click("#play")
    until(page, "window.kinetune.player.position < 1.0")
    assert page.evaluate("window.kinetune.player.playing")


def test_the_selection_is_repeated(page, dance):
    drop(page, dance)
    drag(page, 0.5, 0.6)
    page.click("#loop-region")
    page.click("#play")
    seen = []
    for _ in range(20):
        page.wait_for_timeout(100)
        seen.append(page.evaluate("window.kinetune.player.position"))
    assert min(seen) >= 3.0 - 0.05
    assert max(seen) <= 3.6 + 0.05
    assert any(after < before for before, after in itertools.pairwise(seen))


def test_until_there_is_music_a_click_is_heard_on_each_beat(page, dance):
    """Beats at 0.25, 0.75, 1.25 ... s; the first of a bar is higher."""
    drop(page, dance)
    page.fill("#bpm", "120")
    page.fill("#first", "0.25")
    page.keyboard.press("Tab")
    assert page.get_attribute("#click", "aria-pressed") == "true"
    page.click("#play")
    until(page, "window.kinetune.player.position > 0.3")
    assert page.evaluate("window.kinetune.player.clicks.length") == 1
    rate, samples = page.evaluate(
        "(({click}) => [click.sampleRate, [...click.getChannelData(0)]])(window.kinetune.player)"
    )
    sound = np.array(samples)
    assert len(sound) / rate == pytest.approx(6.0, abs=0.05)
    loud = np.flatnonzero(np.abs(sound) > 1e-3)
    onsets_s = loud[np.diff(loud, prepend=-rate) > 0.1 * rate] / rate
    np.testing.assert_allclose(onsets_s, 0.25 + 0.5 * np.arange(12), atol=0.002)
    for beat, tone_hz in ((0, 1600.0), (1, 1000.0), (4, 1600.0)):
        start = round((0.25 + 0.5 * beat) * rate)
        part = sound[start : start + round(0.04 * rate)]
        spectrum = np.abs(np.fft.rfft(part, 16 * len(part)))
        peak_hz = np.argmax(spectrum) * rate / (16 * len(part))
        assert peak_hz == pytest.approx(tone_hz, rel=0.05)
    page.focus("#line")
    page.keyboard.press("c")
    assert page.get_attribute("#click", "aria-pressed") == "false"
    assert page.evaluate("window.kinetune.player.clicks.length") == 0


def test_music_takes_the_place_of_the_click(page, dance):
    drop(page, dance)
    page.select_option("#engine", "composer")
    make(page, takes="1")
    assert page.get_attribute("#click", "aria-pressed") == "false"
    page.click("#click")
    page.click("#play")
    playing = "(({voices, clicks}) => [voices.length, clicks.length])(window.kinetune.player)"
    assert page.evaluate(playing) == [1, 1]


def test_music_made_once_more_is_new_and_the_takes_before_it_stay(page, dance, tmp_path):
    """The second time with the next seed; each take keeps its own command and files."""
    drop(page, dance)
    page.select_option("#engine", "composer")
    make(page, takes="1")
    first = save(page, "dance.wav", tmp_path).read_bytes()
    page.click("#make")
    wait_for_job(page)
    names = page.locator("#take-list label").evaluate_all(
        "(all) => all.map((e) => e.childNodes[1].data)"
    )
    assert names == ["Take B", "Take A"]
    assert page.input_value("#seed") == "1"
    assert " --seed 1" in page.input_value("#command").splitlines()[0]
    assert save(page, "dance.wav", tmp_path).read_bytes() != first
    page.locator("input[name=take]").nth(1).check()
    assert save(page, "dance.wav", tmp_path).read_bytes() == first
    # A loop is of another length: it is played by itself.
    make(page, loop="1", takes="1")
    length = "window.kinetune.player.duration"
    assert page.evaluate(length) < 4.0
    page.locator("input[name=take]").nth(2).check()
    assert page.evaluate(length) == pytest.approx(6.0, abs=0.05)
