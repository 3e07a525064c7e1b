"""Prompts in requests: what they set, what options keep, what an engine leaves out."""

import pytest

from kinetune.composer.options import ComposerOptions
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import ControlScore, Section
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.tasks.generating.prompt import unheeded, with_prompt
from kinetune.tasks.requests import beat_options
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.serialisation import from_json, to_json


def test_a_prompt_sets_genre_tempo_and_energy():
    options = with_prompt(MusicOptions(), "slow calm disco")
    assert options.genre == "waacking"
    assert options.beats == BeatOptions("slow")
    assert [section.energy for section in options.score.sections] == [0.55]
    assert options.prompt.requested == ("tempo:slow", "energy:calm", "genre:waacking")


def test_the_users_options_stay():
    asked = MusicOptions(genre="krump", beats=BeatOptions(100.0))
    options = with_prompt(asked, "slow house")
    assert (options.genre, options.beats.bpm, options.score) == ("krump", 100.0, None)
    assert options.composer == ComposerOptions()


def test_no_prompt_and_nonsense_change_nothing():
    assert with_prompt(MusicOptions(), None) == MusicOptions()
    options = with_prompt(MusicOptions(), "xyzzy")
    assert (options.genre, options.beats, options.score) == (None, BeatOptions(), None)


def test_a_prompt_scales_a_score_of_the_users():
    score = ControlScore((Section(0.0, 8.0, energy=0.8),))
    options = with_prompt(MusicOptions(score=score), "calm")
    assert next(s.energy for s in options.score.sections) == pytest.approx(0.8 * 0.55)


def test_options_with_a_prompt_round_trip_through_json():
    options = with_prompt(MusicOptions(engine="composer"), "dark house, no piano, purple")
    assert from_json(MusicOptions, to_json(options)) == options


@pytest.mark.parametrize(
    ("found", "pace", "expected"),
    [
        (120.0, "slow", 60.0), (120.0, "fast", 120.0), (120.0, "moderate", 120.0),
        (90.0, "fast", 180.0), (90.0, "slow", 90.0), (170.0, "moderate", 85.0),
        (56.0, "moderate", 112.0),
        # Four times the tempo is no reading, nor is a quarter.
        (200.0, "slow", 100.0), (40.0, "fast", 80.0),
    ],
)  # fmt: skip
def test_a_pace_chooses_among_half_all_and_double(monkeypatch, found, pace, expected):
    def estimated(clips, *, bpm=None, **_):
        return fixed_grid(bpm or found, 0.0, 8.0)

    monkeypatch.setattr("kinetune.motion.beats.beat_grid.group_beat_grid", estimated)
    monkeypatch.setattr("kinetune.motion.group.dancers_of", lambda clip: [clip])
    assert BeatOptions(pace).grid_for(None).bpm == pytest.approx(expected)


def test_an_unknown_pace_is_an_error():
    with pytest.raises(ConfigError, match=r"half, double, slow, fast, moderate; found 'brisk'"):
        BeatOptions("brisk")
    assert beat_options.PACES == ("slow", "fast", "moderate")


def test_what_the_model_does_not_follow_is_listed():
    options = with_prompt(MusicOptions(), "slow calm dark house, rubber bass, no piano")
    assert unheeded(options, reads_harmony=True) == ("dark", "rubber bass", "no piano")
    assert unheeded(options, reads_harmony=False) == ("minor", "dark", "rubber bass", "no piano")
    # What is a condition of the model is followed, what is not is left.
    knows = ("tone:dark", "instrument:piano")
    assert unheeded(options, reads_harmony=True, attributes=knows) == ("rubber bass",)
    composer = with_prompt(MusicOptions(engine="composer"), "dark house, no piano, no disco")
    assert unheeded(composer, reads_harmony=False) == ("not waacking",)
    assert unheeded(MusicOptions(), reads_harmony=True) == ()
