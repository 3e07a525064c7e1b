"""WCAG 2.2 AA: contrast, room, axe-core, in both themes and at both widths."""

import pytest

from tests.chromium import NEEDS_AXE, NEEDS_CHROMIUM, accessibility_faults
from tests.serve.studio.steps import drag, make, studio_page

pytestmark = NEEDS_CHROMIUM


# Contrast of every text that is seen with what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
    const number = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = number(getComputedStyle(at).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const seen = (element) => element.checkVisibility() && !element.disabled
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")].filter(seen).map((element) => {
        const [low, high] = [light(number(getComputedStyle(element).color)), light(behind(element))]
            .sort((x, y) => x - y);
        return [(high + 0.05) / (low + 0.05), element.tagName + element.textContent.slice(0, 40)];
    });
}"""


# Contrast of what is drawn on the time line with its background, and of the edges of controls with
# what is around them (WCAG 2.2, 1.4.11).
DRAWN = ["wave", "energy", "beat", "bar", "mark", "curve", "head", "accent"]


EDGES = """(drawn) => {
    const probe = document.body.appendChild(document.createElement("i"));
    const seen = (name) => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
    };
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const controls = [...document.querySelectorAll("button, select, textarea, input[type=number]")]
        .filter((element) => element.checkVisibility() && !element.disabled);
    const found = [
        ...drawn.map((name) => [ratio(seen(name), seen("panel")), name]),
        ...controls.map((element) => [
            ratio(getComputedStyle(element).borderColor,
                  seen(element.closest("fieldset, #stage") ? "panel" : "bg")), element.outerHTML]),
    ];
    probe.remove();
    return found;
}"""


@pytest.fixture(scope="module")
def full(browser, studio):
    """A page with a dance, a take, a selection and marks; for looking at it."""
    with studio_page(browser, studio) as page:
        page.goto(studio.url)
        page.click("#example")
        page.wait_for_selector("#make:enabled")
        page.select_option("#engine", "composer")
        make(page, takes="3", genre2="house")
        drag(page, 0.4, 0.6)
        yield page


def look(page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    if dark != (page.get_attribute("#theme", "aria-pressed") == "true"):
        page.click("#theme")


# What of the page's parts is cut off, or wider than what it stands in; a list whose longest entry
# has no room; scrolling areas are allowed to be higher than what is seen of them.
CUT_OFF = """() => {
    const name = (element) => element.id || element.outerHTML.slice(0, 60);
    const clips = (element) => getComputedStyle(element).overflowX !== "visible";
    const scroller = (element) => {
        for (let at = element.parentElement; at; at = at.parentElement) if (clips(at)) return at;
        return document.documentElement;
    };
    const needed = (list) => {
        const copy = list.cloneNode(true);
        Object.assign(copy.style, {width: "max-content", position: "absolute", minWidth: 0});
        list.parentElement.append(copy);
        const {width} = copy.getBoundingClientRect();
        copy.remove();
        return width;
    };
    const elements = [...document.querySelectorAll("header *, aside *, #time *")]
        .filter((element) => element.checkVisibility());
    const outside = elements.filter((element) => {
        const box = element.getBoundingClientRect(), around = scroller(element);
        const left = around.getBoundingClientRect().left + around.clientLeft;
        return box.left < left - 0.5 || box.right > left + around.clientWidth + 0.5;
    });
    const overfull = elements.filter((element) => !/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)
        && getComputedStyle(element).display !== "inline"
        && element.scrollWidth > element.clientWidth + 1);
    const lists = elements.filter((element) => element.tagName === "SELECT"
        && needed(element) > element.getBoundingClientRect().width + 0.5);
    const short = elements.filter((element) => /^(BUTTON|LABEL|LEGEND|P)$/.test(element.tagName)
        && element.scrollHeight > element.clientHeight + 1);
    return {count: elements.length, outside: outside.map(name), overfull: overfull.map(name),
            lists: lists.map(name), short: short.map(name)};
}"""


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off(full, dark, width):
    look(full, dark, width)
    found = full.evaluate(CUT_OFF)
    assert found.pop("count") > 80
    assert found == {"outside": [], "overfull": [], "lists": [], "short": []}


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(full, dark, width):
    """WCAG AA: 4.5 to 1."""
    look(full, dark, width)
    found = full.evaluate(CONTRASTS)
    assert len(found) > 60
    assert [text for ratio, text in found if ratio < 4.5] == []


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_drawn_and_the_edges_of_controls_are_seen(full, dark):
    """WCAG AA: 3 to 1."""
    look(full, dark, 1280)
    found = full.evaluate(EDGES, DRAWN)
    assert len(found) > 30
    assert [text for ratio, text in found if ratio < 3.0] == []


@NEEDS_AXE
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_against_wcag_aa(full, dark, width):
    look(full, dark, width)
    assert accessibility_faults(full, more_rules_than=15) == []


def test_a_phones_width_needs_no_sideways_scrolling(full):
    look(full, False, 360)
    assert full.evaluate("document.documentElement.scrollWidth") <= 360
    small = full.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a, summary")]
            .filter((element) => element.checkVisibility())
            .map((element) => [element.closest("label") ?? element].map((e) =>
                [e.getBoundingClientRect().height, e.outerHTML.slice(0, 60)])[0])
            .filter(([height]) => height < 24)"""
    )
    assert small == [], "WCAG 2.2 AA: targets of 24 pixels"
