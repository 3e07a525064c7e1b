"""A server and a browser for all tests of the studio, a page for each."""

from dataclasses import replace
from pathlib import Path

import pytest

from kinetune.motion.io.formats import write_bvh
from tests.chromium import chromium
from tests.conftest import swaying_clip
from tests.serve.conftest import Server
from tests.serve.studio.steps import studio_page

pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="package")
def studio(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("studio") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="package")
def browser():
    with chromium(["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]) as started:
        yield started


@pytest.fixture
def page(browser, studio):
    with studio_page(browser, studio) as opened:
        opened.goto(studio.url)
        yield opened


@pytest.fixture
def partner(dance, tmp_path) -> Path:
    """A second dancer, four seconds long and two metres to the side."""
    clip = swaying_clip(fps=30.0, duration_s=4.0)
    write_bvh(tmp_path / "partner.bvh", replace(clip, root_m=clip.root_m + [2.0, 0.0, 0.0]))
    return tmp_path / "partner.bvh"
