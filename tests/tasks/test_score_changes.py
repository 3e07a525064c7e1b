"""What ``edit --accent``, ``--silence`` and ``--energy`` do to the score that a piece has."""

import pytest

from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Section,
    Silence,
    check_score,
)
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.tasks.requests.score_changes import (
    ScoreChanges,
    apply_changes,
    check_within,
    score_changes,
)

# Bar lines at 0, 2, 4, ... 10 s.
GRID = fixed_grid(120.0, 0.0, 10.0)
SCORE = ControlScore(
    (Section(0.0, 4.0, "krump", 1.5), Section(6.0, 8.0, energy=0.5)),
    (Accent(1.0), Accent(5.0, 0.7)),
    (Silence(3.0, 3.5), Silence(8.0, 9.0)),
)


def changed(changes, span_s=(0.0, 10.0), score=SCORE, **how):
    return apply_changes(score, changes, span_s=span_s, grid=GRID, duration_s=10.0, **how)


def rows(sections):
    return [(s.start_s, s.end_s, s.genre, s.energy) for s in sections]


def test_an_accent_is_added_and_the_rest_stays():
    made = changed(score_changes([Accent(7.0, 1.2), Accent(2.0)]))
    assert made.accents == (Accent(1.0), Accent(2.0), Accent(5.0, 0.7), Accent(7.0, 1.2))
    assert (made.sections, made.silences) == (SCORE.sections, SCORE.silences)


def test_an_accent_replaces_the_one_within_50_ms_and_strength_0_removes_it():
    assert changed(score_changes([Accent(5.04, 2.0)])).accents == (Accent(1.0), Accent(5.04, 2.0))
    assert changed(score_changes([Accent(5.06)])).accents == (
        Accent(1.0), Accent(5.0, 0.7), Accent(5.06),
    )  # fmt: skip
    assert changed(score_changes([Accent(1.0, 0.0)])).accents == (Accent(5.0, 0.7),)


def test_a_silence_replaces_only_those_it_overlaps():
    made = changed(score_changes(silences=[Silence(3.2, 3.8), Silence(5.0, 5.2)]))
    assert made.silences == (Silence(3.2, 3.8), Silence(5.0, 5.2), Silence(8.0, 9.0))
    # One that only touches another overlaps nothing.
    assert changed(score_changes(silences=[Silence(3.5, 4.0)])).silences[:2] == (
        Silence(3.0, 3.5), Silence(3.5, 4.0),
    )  # fmt: skip


def test_energy_is_that_of_the_new_part_and_genres_stay():
    made = changed(ScoreChanges(energy=2.0), (2.0, 8.0))
    assert rows(made.sections) == [
        (0.0, 2.0, "krump", 1.5), (2.0, 4.0, "krump", 2.0), (4.0, 6.0, "", 2.0),
        (6.0, 8.0, "", 2.0),
    ]  # fmt: skip
    assert (made.accents, made.silences) == (SCORE.accents, SCORE.silences)


def test_energy_to_the_end_of_the_music_has_no_end():
    made = changed(ScoreChanges(energy=0.5), (8.0, 10.0), ControlScore())
    assert rows(made.sections) == [(8.0, 7200.0, "", 0.5)]
    # The same again, for the middle of it.
    again = changed(ScoreChanges(energy=3.0), (8.5, 9.0), made)
    assert rows(again.sections) == [
        (8.0, 8.5, "", 0.5), (8.5, 9.0, "", 3.0), (9.0, 7200.0, "", 0.5),
    ]  # fmt: skip
    check_score(again, 10.0)


def test_nothing_is_changed_by_no_changes():
    assert changed(ScoreChanges()) == SCORE
    assert changed(ScoreChanges(), score=None) == ControlScore()


def test_exact_times_do_not_unsnap_what_the_piece_had():
    """Its silence of 8.3 to 9.9 s is played from 8 to 10 s, also beside an exact one."""
    before = ControlScore(silences=(Silence(8.3, 9.9),))
    made = changed(score_changes(silences=[Silence(4.2, 5.9)]), score=before, exact=True)
    assert made == ControlScore(silences=(Silence(4.2, 5.9), Silence(8.0, 10.0)), exact=True)
    # And the other way around: a silence that is to be moved, in a score of exact times.
    made = changed(
        score_changes(silences=[Silence(4.2, 5.9)]),
        score=ControlScore(silences=(Silence(8.3, 9.9),), exact=True),
    )
    assert made == ControlScore(silences=(Silence(4.0, 6.0), Silence(8.3, 9.9)), exact=True)


def test_changes_outside_the_new_part_are_an_error():
    check_within(score_changes([Accent(4.0)], [Silence(4.5, 5.0)]), (4.0, 6.0))
    with pytest.raises(ConfigError, match=r"accent at 7 s lies outside what is new, 4.00 to 6.00"):
        check_within(score_changes([Accent(7.0)]), (4.0, 6.0))
    with pytest.raises(ConfigError, match=r"silence at 5.5 s lies outside"):
        check_within(score_changes(silences=[Silence(5.5, 6.5)]), (4.0, 6.0))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"energy": 9.0}, "energy must be 0.1 to 3, found 9"),
        ({"accents": [Accent(1.0, 3.0)]}, "strength must be 0 to 2, found 3"),
        ({"silences": [Silence(1.0, 3.0), Silence(2.0, 4.0)]}, "not overlap"),
    ],
)
def test_impossible_changes_are_refused(wish, message):
    with pytest.raises(ConfigError, match=message):
        score_changes(**wish)
