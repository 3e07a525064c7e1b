"""The page in a real browser: listeners of known bias take the test, the score finds the truth."""

import json
import re
import shutil
from pathlib import Path

import pytest

from kinetune.tasks.listening_tests import ScoreListeningTestRequest, score_listening_test
from tests.chromium import (
    NEEDS_AXE,
    NEEDS_CHROMIUM,
    accessibility_faults,
    chromium,
    strict_page,
)
from tests.tasks.listening_tests.conftest import config_of, key_of

pytest.importorskip("playwright.sync_api")

pytestmark = NEEDS_CHROMIUM
SCORES = {
    "reference": 5, "ours": 4, "theirs": 3, "anchor-7000": 2, "anchor-3500": 1, "random-pair": 3,
    "half-beat-off": 2, "click": 2, "attention": 2, "gold": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, made):
    with strict_page(browser, local="file:", accept_downloads=True) as page:
        page.set_default_timeout(20_000)
        page.goto((made / "page" / "index.html").as_uri() + "?list=1")
        # A second of sound takes a sixteenth of one.
        page.evaluate("""() => {
            const play = HTMLMediaElement.prototype.play;
            HTMLMediaElement.prototype.play = function () {
                this.playbackRate = 16;
                return play.call(this);
            };
        }""")
        yield page


def begin(page):
    assert page.get_by_role("button", name="Begin").is_disabled()
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Begin").click()
    for name in ("Yes", "Headphones over the ear"):
        page.get_by_label(name, exact=True).first.check()
    assert page.get_by_role("button", name="Next").is_disabled()
    page.locator("input[name=quiet]").first.check()
    page.get_by_role("button", name="Next").click()


def clip_names(page):
    sources = page.evaluate("() => [...document.querySelectorAll('main audio')].map(a => a.src)")
    return [Path(source).stem for source in sources]


def answer(page, index):
    """Listen to all clips, choose, go on."""
    following = page.get_by_role("button", name="Next")
    page.locator(f"#choice{index}").check()
    assert following.is_disabled()
    for number in range(len(clip_names(page))):
        page.evaluate(
            """(n) => new Promise((done) => { const a = document.querySelectorAll('main audio')[n];
            a.addEventListener('ended', done, {once: true}); a.play(); })""", number,
        )  # fmt: skip
    following.click()


def take(page, made, at_each_screen=lambda: None):
    """Take the whole test as one careful listener; return what is saved."""
    key, config = key_of(made), config_of(made)
    at_each_screen()
    begin(page)
    at_each_screen()
    page.get_by_role("button", name="Next").click()
    for _ in range(6):
        at_each_screen()
        (name,) = clip_names(page)
        answer(page, key["headphones"][name])
    at_each_screen()
    page.get_by_role("button", name="Next").click()
    for _ in range(3):
        at_each_screen()
        answer(page, 1)
    mine = config["lists"][1]
    for section in ("quality", "correspondence"):
        at_each_screen()
        page.get_by_role("button", name="Next").click()
        for _ in mine[section]:
            at_each_screen()
            (name,) = clip_names(page)
            assert page.locator("canvas").count() == (section == "correspondence")
            answer(page, SCORES[key["stimuli"][name]["condition"]] - 1)
    page.get_by_role("button", name="Next").click()
    for _ in mine["pairs"]:
        at_each_screen()
        first = key["stimuli"][clip_names(page)[0]]["condition"]
        answer(page, 0 if first == "ours" else 1)
    at_each_screen()
    with page.expect_download() as download:
        page.locator("#save").click()
    return download.value.path()


@NEEDS_AXE
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_against_wcag_aa(page, made, width):
    """On every kind of screen, from consent to the saved file."""
    page.set_viewport_size({"width": width, "height": 800})
    titles = []

    def look():
        heading = re.sub(r"\d+", "N", page.locator("main h2").text_content())
        if heading not in titles:
            titles.append(heading)
            assert accessibility_faults(page, more_rules_than=5) == [], heading

    take(page, made, at_each_screen=look)
    assert len(titles) >= 8


def test_a_session_from_consent_to_a_scored_file(page, made, tmp_path):
    saved = tmp_path / "listener.json"
    shutil.copyfile(take(page, made), saved)
    table = json.loads(saved.read_text())
    assert table["consent"] is True
    assert table["complete"] is True
    assert table["list"] == 1
    assert table["about"]["device"] == "Headphones over the ear"
    config, key = config_of(made), key_of(made)
    for section in ("quality", "correspondence"):
        rated = [each["stimulus"] for each in table["ratings"] if each["section"] == section]
        assert sorted(rated) == sorted(config["lists"][1][section])
    assert all(each["played_s"] >= 0.9 for each in table["ratings"])
    scores = score_listening_test(ScoreListeningTestRequest((saved,), made / "key.json"))
    assert (scores.listeners, scores.screened) == (1, ())
    for each in scores.means:
        assert each.mean == SCORES[each.condition]
    assert {each.share for each in scores.preferences if each.condition == "ours"} == {1.0}
    assert set(key["conditions"]) == {each.section for each in scores.means}


def test_the_keyboard_is_enough_and_every_control_has_a_name(page):
    page.get_by_label("I have read this").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("heading", name="About your listening").is_visible()
    assert page.evaluate("() => document.activeElement.id") == "step"
    for control in page.locator("input, audio, progress, textarea").all():
        name = control.evaluate("e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent")
        assert name
    assert page.locator("fieldset").count() == page.locator("legend").count() == 3
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_dancer_moves_with_the_music(page, made):
    config = config_of(made)
    figure = config["dances"]["d0"]
    frames = len(figure["mm"]) // (2 * len(config["parents"]))
    assert frames == pytest.approx(20, abs=1)
    assert min(figure["mm"][1::2]) == 0
    assert 1200 < max(figure["mm"][1::2]) < 2200
