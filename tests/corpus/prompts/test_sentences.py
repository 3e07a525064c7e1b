"""Embeddings of words; the model itself is tested where the extra is installed."""

import numpy as np
import pytest

from kinetune.corpus.prompts import sentences
from kinetune.corpus.prompts.reader import read_prompt


def test_the_nearest_row_is_that_of_the_greatest_cosine():
    known = np.eye(3, dtype=np.float32)
    rows, cosines = sentences.nearest(np.float32([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]), known)
    assert rows == [1, 2]
    assert cosines == pytest.approx([0.8, 1.0])


def test_without_the_extra_there_is_no_matcher(monkeypatch):
    monkeypatch.setattr(sentences, "_PACKAGES", ("no_such_package",))
    assert sentences.find_matcher() is None


@pytest.fixture(scope="module")
def matcher():
    found = sentences.find_matcher()
    if found is None:
        pytest.skip("the extra text is not installed")
    return found


@pytest.mark.slow
def test_unlisted_words_are_matched_and_nonsense_is_not(matcher):
    prompt = read_prompt("sluggish, serene, asdf, no mandolin", matcher)
    assert set(prompt.requested) == {"tempo:slow", "energy:calm"}
    assert prompt.excluded == ("instrument:guitar",)
    assert prompt.unknown == ("asdf",)


@pytest.mark.slow
def test_embeddings_have_length_one_and_near_meanings_are_near(matcher):
    piano, keys, dog = sentences.embed(matcher.args[0], ["a piano", "a grand piano", "a dog"])
    assert [np.linalg.norm(row) for row in (piano, keys, dog)] == pytest.approx([1, 1, 1], abs=1e-5)
    assert piano @ keys > 0.7 > 0.4 > piano @ dog
