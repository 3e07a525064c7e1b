"""Music whose attributes are drawn apart from the genre."""

import numpy as np
import pytest

from kinetune.corpus.prompts.vocabulary import attribute, vocabulary


@pytest.fixture
def mixed():
    import mixed_corpus

    return mixed_corpus


def test_a_number_gives_a_piece(mixed):
    (score, names), (again, _) = mixed.compose_mixed(3), mixed.compose_mixed(3)
    assert score.notes == again.notes
    assert score.duration_s == mixed.SECONDS
    assert not any(name.startswith("genre:") for name in names)


def test_attributes_are_those_of_the_score(mixed):
    for number in range(12):
        score, names = mixed.compose_mixed(number)
        playing = {note.part for note in score.notes}
        instruments = {part.instrument for part in score.parts if part.name in playing}
        for name in names:
            wanted = attribute(name)
            if wanted.instruments and not wanted.parts:
                assert instruments & set(wanted.instruments), (number, name)


def test_some_pieces_have_no_drums(mixed):
    has = np.array(["instrument:drums" in mixed.compose_mixed(n)[1] for n in range(60)])
    # One in twelve: five of sixty, within three standard deviations.
    assert 1 <= np.sum(~has) <= 12


def test_every_kind_of_bass_is_drawn(mixed):
    rng = np.random.default_rng(0)
    drawn = {mixed.mixed_style(rng).bass.instruments[0] for _ in range(400)}
    basses = [each for each in vocabulary().attribute if each.axis == "bass"]
    assert all(drawn & set(each.instruments) for each in basses)
