"""What proves that a prompt is followed."""

import numpy as np
import pytest

from kinetune.corpus.prompts.reader import read_prompt


@pytest.fixture
def prompts():
    import prompts

    return prompts


def test_every_prompt_is_understood_as_what_is_counted(prompts):
    for text, counted in {**prompts.PROMPTS, **prompts.MORE_PROMPTS}.items():
        read = read_prompt(text)
        found = read.excluded if counted.startswith("-") else read.requested
        assert counted.lstrip("-") in found, text


def test_only_pieces_that_changed_count_in_the_paired_test(prompts):
    without = np.array([True] * 5 + [False] * 10)
    assert prompts.paired_p(without, without) == 1.0
    # Six gained, none lost: one half to the sixth.
    with_it = np.array([True] * 11 + [False] * 4)
    assert prompts.paired_p(without, with_it) == pytest.approx(0.5**6)


@pytest.mark.parametrize(
    ("sound", "p", "proved"),
    [
        ((0.2, 0.4), 0.01, True), ((0.2, 0.3), 0.01, False), ((0.0, 0.1), 0.25, False),
        (None, 1.0, False),
    ],
)  # fmt: skip
def test_a_proof_is_twice_as_often_and_no_chance(prompts, sound, p, proved):
    assert prompts.Result("sax", "instrument:saxophone", (0, 1), sound, p).is_proved is proved
