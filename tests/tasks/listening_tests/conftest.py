"""A small test of two systems and its results."""

import json

import numpy as np
import pytest

from kinetune.audio.sound import Sound, write_sound
from kinetune.motion.io.formats import write_motion
from kinetune.tasks.listening_tests import MakeListeningTestRequest, make_listening_test
from tests.conftest import swaying_clip

RATE_HZ = 22_050
ITEMS = ("d0", "d1", "d2")


def music(seed, duration_s=2.0):
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    beat = np.exp(-8.0 * (times % 0.5))
    tone = np.sin(2 * np.pi * 110.0 * (1 + seed % 5) * times)
    return Sound(
        (0.3 * beat * (tone + 0.3 * rng.normal(size=len(times)))).astype(np.float32), RATE_HZ
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    here = tmp_path_factory.mktemp("systems")
    for number, system in enumerate(("ours", "theirs", "original")):
        for item, name in enumerate(ITEMS):
            write_sound(here / system / f"{name}.wav", music(10 * number + item))
    (here / "dances").mkdir()
    for item, name in enumerate(ITEMS):
        write_motion(here / "dances" / f"{name}.bvh", swaying_clip(duration_s=2.0, seed=item))
    return here


def request(folders, out, **changes):
    given = {
        "systems": {"ours": folders / "ours", "theirs": folders / "theirs"}, "out": out,
        "reference": folders / "original", "motions": folders / "dances", "clip_s": 1.0,
        "per_dance": 1, "pairs": True,
    }  # fmt: skip
    return MakeListeningTestRequest(**{**given, **changes})


@pytest.fixture(scope="session")
def made(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("test") / "out"
    make_listening_test(request(folders, out))
    return out


def key_of(made):
    return json.loads((made / "key.json").read_text())


def config_of(made):
    text = (made / "page" / "config.js").read_text()
    return json.loads(text.removeprefix("window.LISTENING_TEST = ").removesuffix(";\n"))


def result(made, listener, rate, *, choose=lambda a, b: "a", **changes):
    """What the page saves for a listener who rates with ``rate(condition, item, section)``."""
    key, config = key_of(made), config_of(made)
    number = int(listener.removeprefix("l")) % len(config["lists"])
    mine = config["lists"][number]
    ratings = []
    for section in ("quality", "correspondence"):
        for name in mine[section]:
            what = key["stimuli"][name]
            score = {"attention": 2, "gold": 1}.get(what["condition"])
            if score is None:
                score = rate(what["condition"], what["item"], section)
            ratings.append(
                {"stimulus": name, "section": section, "score": int(score), "played_s": 1.0}
            )
    preferences = [
        {"a": a, "b": b, "answer": choose(*(key["stimuli"][n]["condition"] for n in (a, b)))}
        for a, b in mine["pairs"]
    ]
    headphones = [{"trial": name, "answer": right} for name, right in key["headphones"].items()]
    return {
        "format": key["format"], "test": key["test"], "list": number, "listener": listener,
        "complete": True, "headphones": headphones, "ratings": ratings, "preferences": preferences,
        **changes,
    }  # fmt: skip
