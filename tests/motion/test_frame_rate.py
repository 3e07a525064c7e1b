import pytest

from kinetune.errors import MotionError
from kinetune.motion import frame_rate


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("0.0333", 30), ("0.033", 30), ("0.03333", 30), ("0.033333", 30), ("0.033300", 30),
        ("0.0083", 120), ("0.0083333", 120), ("0.0166", 60), ("0.0167", 60), ("0.016667", 60),
        ("0.0417", 24), ("0.041667", 24), ("0.041708", 23.976), ("0.033367", 29.97),
        ("0.016683", 59.94), ("0.008", 125), ("0.01", 100), ("0.04", 25), ("0.1", 10),
        ("8.3e-3", 120), (" 0.0333 ", 30), ("0.0169492", 1 / 0.0169492),
    ],
)  # fmt: skip
def test_the_digits_of_a_frame_time_are_its_tolerance(text, rate_hz):
    assert frame_rate.rate_from_frame_time(text) == pytest.approx(rate_hz, rel=1e-7)


@pytest.mark.parametrize("text", ["0", "-0.01", "nan", "inf", "fast", "", "1e400", "0x1", "sNaN"])
def test_what_is_no_frame_time_is_refused(text):
    with pytest.raises(ValueError, match="not a"):
        frame_rate.rate_from_frame_time(text)


@pytest.mark.parametrize(
    ("rate_hz", "nominal_hz"), [(29.98, 29.97), (30.01, 30.0), (59.9, 59.94), (31.0, 31.0)]
)
def test_a_rate_within_a_thousandth_is_nominal(rate_hz, nominal_hz):
    assert frame_rate.nominal_rate_hz(rate_hz) == nominal_hz


@pytest.mark.parametrize("rate_hz", [1.0, 4.99, 1000.1, 2.0**31, 0.0, -30.0, float("nan")])
def test_rates_motion_is_not_recorded_at_are_refused(rate_hz):
    with pytest.raises(MotionError, match="a: expected 5 to 1000 frames a second"):
        frame_rate.checked_rate_hz(rate_hz, "a")


def test_rates_at_both_limits_are_accepted():
    assert frame_rate.checked_rate_hz(5.0, "a") == 5.0
    assert frame_rate.checked_rate_hz(1000, "a") == 1000.0


@pytest.mark.parametrize(("count", "rate_hz"), [(0, 30.0), (216_001, 30.0), (864_001, 1000.0)])
def test_check_length_rejects_none_and_too_many_frames(count, rate_hz):
    with pytest.raises(MotionError, match="no frames|at most"):
        frame_rate.check_length(count, rate_hz, "a")


def test_two_hours_are_accepted():
    frame_rate.check_length(216_000, 30.0, "a")
    frame_rate.check_length(864_000, 120.0, "a")
