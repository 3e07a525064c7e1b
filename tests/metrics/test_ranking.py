import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.metrics.ranking import MotionFit, motion_fit
from tests.conftest import swaying_clip

RATE_HZ = 22_050


def test_music_on_the_beat_ranks_above_music_off_it():
    clip = swaying_clip(duration_s=10.0, bpm=120.0)
    beats = np.arange(0.0, 10.0, 0.5)

    def click_track(times):
        out = np.zeros(10 * RATE_HZ, np.float32)
        for at in times:
            first = int(at * RATE_HZ)
            burst = np.random.default_rng(0).normal(size=800) * np.exp(-np.arange(800) / 150)
            out[first : first + 800] += burst[: len(out[first : first + 800])].astype(np.float32)
        return Sound(0.3 * out, RATE_HZ)

    on, off = (motion_fit(clip, click_track(beats + shift), beats) for shift in (0.0, 0.2))
    assert on.beats > 0.9
    assert off.beats < 0.3
    assert on.total > off.total


def test_what_is_unknown_is_left_out_of_the_mean():
    nan = float("nan")
    assert MotionFit(1.0, nan, nan).total == 1.0
    assert round(MotionFit(1.0, 1.0, 0.0).total, 6) == 0.666667
    assert MotionFit(nan, nan, nan).total == 0.0


def test_the_similarity_is_half_of_the_total():
    assert MotionFit(1.0, 1.0, 0.0, 0.4).total == pytest.approx((2 / 3 + 0.4) / 2)
    assert MotionFit(0.5, 0.0, 0.5, -0.2).total == pytest.approx((0.5 - 0.2) / 2)
    assert MotionFit(0.0, -1.0, 0.0, -0.5).total == 0.0
    nan = float("nan")
    assert MotionFit(nan, nan, nan, 0.4).total == pytest.approx(0.4)
