"""Captions say only what is so, in wording that varies with the seed."""

import pytest

from kinetune.corpus.prompts.captions import caption
from kinetune.corpus.prompts.vocabulary import labels, vocabulary
from kinetune.errors import ConfigError

PIECE = (
    "instrument:piano", "instrument:bass", "instrument:drums", "bass:rubber", "mode:minor",
    "density:sparse", "tone:dark", "genre:house",
)  # fmt: skip


def test_a_caption_follows_its_seed():
    assert caption(PIECE, 1) == caption(PIECE, 1)
    assert len({caption(PIECE, seed) for seed in range(30)}) > 20


def test_a_caption_names_only_attributes_of_the_piece():
    allowed = set(labels(PIECE))
    others = {each.label for each in vocabulary().attribute} - allowed - {"bass", "piano"}
    for seed in range(50):
        text = caption(PIECE, seed)
        assert not [label for label in others if f" {label}" in text], text


def test_every_attribute_is_named_sooner_or_later():
    text = " ".join(caption(PIECE, seed) for seed in range(50))
    for label in ("piano", "rubber bass", "minor", "sparse", "dark", "house"):
        assert label in text
    assert "no drums" not in text


def test_missing_drums_are_named_always():
    without = [name for name in PIECE if name != "instrument:drums"]
    assert all(caption(without, seed).endswith(", no drums") for seed in range(10))


def test_an_unknown_attribute_is_an_error():
    with pytest.raises(ConfigError, match="unknown musical attribute"):
        caption(["mode:blue"] * 20, 0)
