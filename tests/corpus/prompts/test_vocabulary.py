"""The vocabulary: every attribute once, every word once, only what exists."""

import pytest

from kinetune import genres
from kinetune.corpus.prompts.vocabulary import (
    attribute,
    labels,
    read_vocabulary,
    vocabulary,
)
from kinetune.corpus.rendering.sampled import SAMPLED
from kinetune.errors import ConfigError

TABLE = """
[[attribute]]
axis = "instrument"
value = "piano"
label = "piano"
description = "a piano"
words = ["piano"]
instruments = [{instrument}]
[[word]]
words = [{word}]
means = [{means}]
[reading]
negations = []
ends = []
joins = []
articles = []
ignored = []
"""


def read(tmp_path, *, instrument='"grand_piano"', word='"ivory"', means='"instrument:piano"'):
    path = tmp_path / "v.toml"
    path.write_text(TABLE.format(instrument=instrument, word=word, means=means))
    return read_vocabulary(path)


def test_a_vocabulary_is_read(tmp_path):
    entries = {word: entry.means for entry in read(tmp_path).phrases() for word in entry.words}
    assert entries == {"piano": ("instrument:piano",), "ivory": ("instrument:piano",)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": '"kazoo"'}, "unknown instrument 'kazoo'"),
        ({"word": '"piano"'}, "the word 'piano' stands twice"),
        ({"means": '"mode:blue"'}, "unknown attribute 'mode:blue'"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, change, message):
    with pytest.raises(ConfigError, match=f"v.toml.*{message}"):
        read(tmp_path, **change)


def test_every_genre_is_an_attribute():
    values = {each.value for each in vocabulary().attribute if each.axis == "genre"}
    assert values == set(genres.NAMES)


def test_attributes_have_labels_and_an_unknown_one_is_an_error():
    assert labels(["mode:minor", "bass:rubber"]) == ["minor", "rubber bass"]
    with pytest.raises(ConfigError, match="unknown musical attribute 'mode:blue'"):
        attribute("mode:blue")


def test_a_recording_is_preferred_to_a_synthesised_sound():
    for each in vocabulary().attribute:
        if set(each.instruments) & set(SAMPLED):
            assert each.instruments[0] in SAMPLED, each.name
