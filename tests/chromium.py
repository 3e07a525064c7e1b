"""Chromium for tests of pages."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
_ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


_AXE = REPOSITORY / "studio/node_modules/axe-core/axe.min.js"
NEEDS_AXE = pytest.mark.skipif(
    not _AXE.is_file(), reason="axe-core is not installed: cd studio && npm ci"
)


def accessibility_faults(page: Any, *, more_rules_than: int) -> list[tuple[str, str]]:
    """Return the rules of WCAG 2.2, level AA, that axe-core finds broken, with an element each.

    Args:
        page: From `strict_page`.
        more_rules_than: At least one more rule must be kept: it did look at the page.
    """
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    report = page.evaluate("(tags) => axe.run({runOnly: tags, preload: false})", tags)
    assert len(report["passes"]) > more_rules_than
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in report["violations"]]


@contextmanager
def chromium(arguments: Sequence[str] = ()) -> Iterator[Any]:
    """Yield a browser that was started, and close it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*_ARGUMENTS, *arguments])
        yield browser
        browser.close()


@contextmanager
def strict_page(
    browser: Any, *, local: str, excused: str | None = None, **options: Any
) -> Iterator[Any]:
    """Yield an empty page; afterwards it must have had no error and asked nothing of a network.

    Args:
        browser: From `chromium`.
        local: How every address begins that the page asks for; its own data aside.
        excused: Part of the console's messages that are no fault of the page.
        options: Of the browser's context.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def hear(message: Any) -> None:
        if message.type == "error" and not (excused and excused in message.text):
            problems.append(message.text)

    def ask(request: Any) -> None:
        if not request.url.startswith((local, "blob:", "data:")):
            problems.append(request.url)

    page.on("console", hear)
    page.on("request", ask)
    yield page
    assert problems == []
    context.close()
