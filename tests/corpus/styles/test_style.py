"""Style files: all ten are read, and what is wrong in one is named with the file."""

import tomllib

import pytest

from kinetune import genres
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.styles import style as styles
from kinetune.corpus.styles.style import Kit, read_style, style_of
from kinetune.errors import ConfigError

HOUSE = styles._FOLDER / "house.toml"


def changed(tmp_path, old, new):
    text = HOUSE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "house.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("code", genres.CODES)
def test_a_style_equals_its_file(code):
    path = styles._FOLDER / f"{genres.genre_name(code)}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    style = style_of(code)
    assert list(style.drums.kick) == table["drums"]["kick"]
    assert list(style.bass.instruments) == table["bass"]["instruments"]
    assert [layer.level for layer in style.layers] == [row["level"] for row in table["layers"]]
    assert list(style.mix.swing) == table["mix"]["swing"]
    assert list(style.harmony.progressions) == table["harmony"]["progressions"]


def test_there_is_one_file_for_each_genre():
    assert {path.stem for path in styles._FOLDER.glob("*.toml")} == set(genres.NAMES)


def test_a_kit_takes_hats_toms_and_crash_from_its_kind():
    assert Kit("machine", "kick_808", "clap").parts == {
        "kick": "kick_808", "snare": "clap", "hat": "machine_hat", "open_hat": "machine_open",
        "tom": "machine_tom", "crash": "real_crash",
    }  # fmt: skip
    kit = Kit("recorded", "real_kick", "real_snare", layer="clap", hat="real_ride").parts
    assert (kit["hat"], kit["layer"], kit["tom"]) == ("real_ride", "clap", "real_tom")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[mix]", "[mix]\nswung = [0.0, 0.1]", "house.toml: unknown key 'swung' in [mix]"),
        ("center_pitch = 38", "center_pitch = 3.5", "center_pitch: expected int"),
        ('"----X-------X---"', '"----X-------X--"', "drums.snare: expected 16"),
        ('"--1---1---1---1-"', '"--2---1---1---1-"', "bass.rhythms: expected 16"),
        ('"I:m9"', '"I:m9 H:m7"', "chord 'H:m7': unknown numeral"),
        ('"I:m9"', '"I:minor"', "chord 'I:minor': unknown quality"),
        ('"dorian"', '"dorain"', "unknown scale 'dorain'; did you mean dorian"),
        ('"saw_bass"', '"sawbass"', "unknown instrument 'sawbass'; did you mean saw_bass"),
        ('kind = "machine"', 'kind = "robot"', "unknown kit kind 'robot'"),
        ('role = "pad"', 'role = "pads"', "unknown role 'pads'; did you mean pad"),
        ("loudness_db = [0.5, 1.5]", "loudness_db = [1.5, 0.5]", "lowest and highest"),
        ("tone_db = [5.0, ", "tone_db = [", "expected 6 numbers, found 5"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match="house.toml") as error:
        read_style(changed(tmp_path, old, new))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"polka\.toml"):
        read_style(tmp_path / "polka.toml")


def test_every_instrument_is_played_in_some_style():
    played = {"riser"}
    for code in genres.CODES:
        played |= set(styles._instruments(style_of(code)))
    assert set(INSTRUMENTS) <= played
