import numpy as np
import pytest

from kinetune.errors import ConfigError
from kinetune.fitting.time_map import TimeMap, steady_map, warp_map


def test_a_steady_map_is_the_line_it_is_named_after():
    made = steady_map(-2.0, 1.05, 100.0)
    np.testing.assert_allclose(made.in_dance(np.array([0.0, 10.0, 200.0])), [-2.0, 8.5, 208.0])
    np.testing.assert_allclose(made.ratios, 1.05)


def test_both_directions_undo_each_other_also_beyond_the_ends():
    made = TimeMap(np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.6, 3.5]))
    times = np.linspace(-3.0, 9.0, 25)
    np.testing.assert_allclose(made.in_song(made.in_dance(times)), times, atol=1e-12)
    # Beyond the ends at the pace of the last piece: 1.1 before, 0.95 after.
    np.testing.assert_allclose(made.in_dance(np.array([0.0, 6.0])), [0.5 - 1.1, 3.5 + 2 * 0.95])


@pytest.mark.parametrize(
    ("song", "dance"), [([0.0], [0.0]), ([0.0, 1.0], [1.0, 1.0]), ([1.0, 0.0], [0.0, 1.0])]
)
def test_markers_that_do_not_ascend_are_refused(song, dance):
    with pytest.raises(ConfigError, match=r"two markers|ascend"):
        TimeMap(np.array(song), np.array(dance))


def test_beats_meet_exactly_where_the_limit_allows():
    song, dance = np.array([0.0, 0.5, 1.0, 1.5]), np.array([0.1, 0.62, 1.1, 1.63])
    np.testing.assert_array_equal(warp_map(song, dance).in_dance(song), dance)


def test_beyond_the_limit_every_ratio_keeps_it_and_the_rest_is_as_near_as_can_be():
    song = np.array([0.0, 1.0, 2.0])
    # The first step would need 1.4; of all maps within 10 % this is the nearest: by hand, the two
    # ratios are at their limits 1.1 and the mean error is zero.
    made = warp_map(song, np.array([0.0, 1.4, 2.5]), limit=0.1)
    np.testing.assert_allclose(made.ratios, [1.1, 1.1], atol=1e-6)
    np.testing.assert_allclose(made.in_dance(song).mean(), 1.3, atol=1e-6)
