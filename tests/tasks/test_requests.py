"""Requests: their form as JSON, and how options become scores."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from kinetune.audio.export import ExportFormat
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Section,
    Silence,
    check_score,
)
from kinetune.motion.io.formats import ReadOptions
from kinetune.motion.retargeting.joint_mapping import JointMapping
from kinetune.tasks.edit import EditRequest
from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions
from kinetune.tasks.film import FilmRequest
from kinetune.tasks.generate import GenerateRequest
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import FilmOptions
from kinetune.tasks.requests.progress import stage
from kinetune.tasks.requests.score_options import combine_score
from kinetune.tasks.requests.serialisation import from_json, to_json

SCORE = ControlScore((Section(0.0, 2.0, "krump", 1.5),), (Accent(1.0, 2.0),), (Silence(3.0, 4.0),))
OPTIONS = MusicOptions("house", 3, 20, 2.5, BeatOptions(112.0, 0.5), loop=True, score=SCORE)


@pytest.mark.parametrize(
    "request_",
    [
        GenerateRequest((Path("a.bvh"), Path("b")), Path("out"), options=OPTIONS, variations=3,
                        read=ReadOptions(JointMapping("m.toml", {"pelvis": "Hips"}), "walk", 30.0),
                        export=ExportFormat(44_100, 2, -20.0), beat_maps=("midi", "json"),
                        film=FilmOptions(Path("f"), None, 1.0), existing="skip", format="ogg"),
        GenerateRequest((Path("a.bvh"),), options=MusicOptions(beats=BeatOptions("half"))),
        EditRequest(Path("a.wav"), redo=(1.0, None), options=OPTIONS),
        EditRequest(Path("a.wav"), Path("b.bvh"), strength=0.5, keep_rhythm=True),
        FilmRequest(Path("a.bvh"), Path("a.wav"), FilmOptions(Path("a.mp4")),
                    BeatOptions(beats_s=(0.5, 1.0, 1.5))),
        EvaluateRequest({"x": Path("y")}, Path("out"), scoring=ScoringOptions(seed=3)),
    ],
)  # fmt: skip
def test_a_request_survives_json(request_):
    text = json.dumps(to_json(request_), allow_nan=False)
    assert from_json(type(request_), json.loads(text)) == request_


@dataclass(frozen=True)
class Sample:
    path: Path
    pair: tuple[float, float] = (0.0, 1.0)
    count: int | None = None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "sample: expected an object"),
        ({}, "sample: .*path"),
        ({"path": 3}, "sample.path: expected Path, found 3"),
        ({"path": "a", "colour": 1}, "unknown key 'colour'"),
        ({"path": "a", "pair": [1.0]}, "sample.pair: expected 2 values, found 1"),
        ({"path": "a", "pair": [1.0, "b"]}, r"sample.pair\\[1\\]: expected float, found 'b'"),
        ({"path": "a", "count": True}, "sample.count: expected int or null, found True"),
    ],
)
def test_what_is_no_request_is_refused_by_the_name_of_its_field(table, message):
    with pytest.raises(ConfigError, match=message.replace("\\\\", "\\")):
        from_json(Sample, table, context="sample")


def test_numbers_that_json_lacks_become_null():
    assert to_json((1.0, math.nan, math.inf)) == [1.0, None, None]
    with pytest.raises(TypeError, match="set has no form in JSON"):
        to_json({"a": {1}})


def test_energy_scales_sections_and_fills_what_is_between():
    given = ControlScore((Section(1.0, 2.0, "krump", 1.5), Section(3.0, 4.0)))
    made = combine_score(given, energy=0.5).sections
    assert [(s.start_s, s.end_s, s.genre, s.energy) for s in made[:4]] == [
        (0.0, 1.0, "", 0.5), (1.0, 2.0, "krump", 0.75), (2.0, 3.0, "", 0.5), (3.0, 4.0, "", 0.5),
    ]  # fmt: skip
    assert (made[4].start_s, made[4].energy) == (4.0, 0.5)
    assert made[4].end_s >= 7200.0


def test_accents_and_silences_are_added_in_order():
    made = combine_score(
        SCORE, accents=[Accent(0.5), Accent(1.0, 0.3)], silences=[Silence(0.1, 0.2)], exact=True
    )
    assert made.accents == (Accent(0.5), Accent(1.0, 0.3))
    assert made.silences == (Silence(0.1, 0.2), Silence(3.0, 4.0))
    assert (made.sections, made.exact) == (SCORE.sections, True)
    check_score(made)
    with pytest.raises(ConfigError, match="overlap"):
        combine_score(SCORE, silences=[Silence(3.5, 5.0)])


def test_no_request_is_no_score():
    assert combine_score() is None
    assert combine_score(exact=True) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bpm": "quick"}, "bpm must be a number, auto, half, double"),
        ({"bpm": 29.0}, "bpm must be 30 to 300"),
        ({"bpm": 100.0, "beats_s": (1.0, 2.0)}, "leave the other beat options out"),
        ({"first_beat_s": 0.0, "beats_s": (1.0, 2.0)}, "leave the other beat options out"),
    ],
)
def test_impossible_beats_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        BeatOptions(**options)


def test_the_parts_of_a_stage_are_counted_as_one():
    """Three pieces of ten steps: the second step of the second piece is the 12th of 30."""
    calls = []
    report = stage(lambda *call: calls.append(call), "denoising", part=1, parts=3)
    report(2, 10)
    assert calls == [("denoising", 12, 30)]
    assert stage(None, "denoising") is None
