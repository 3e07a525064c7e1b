"""The table of the genres' timing."""

import pytest

from kinetune import genres
from kinetune.corpus.choreography.timing import Timing, read_timing, timing_of
from kinetune.errors import ConfigError


def test_every_genre_has_a_timing_within_the_bounds_of_its_fit():
    assert set(read_timing()) == set(genres.CODES)
    for code in genres.CODES:
        timing = timing_of(code)
        assert max(abs(timing.arms_s), abs(timing.feet_s), abs(timing.bounce_s)) <= 0.06
        assert -0.4 <= timing.looseness <= 0.4


def test_a_table_of_ones_own_is_read(tmp_path):
    path = tmp_path / "timing.toml"
    path.write_text("[house]\narms_s = 0.02\n")
    assert read_timing(path) == {"HO": Timing(arms_s=0.02)}


@pytest.mark.parametrize(
    ("text", "message"),
    [("[polka]\narms_s = 0.1\n", "polka"), ("[house]\nhands_s = 0.1\n", "hands_s")],
)
def test_a_mistake_in_the_table_is_named(tmp_path, text, message):
    path = tmp_path / "timing.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_timing(path)
