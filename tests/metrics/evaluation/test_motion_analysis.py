from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from kinetune.metrics.evaluation.motion_analysis import (
    analyse_motion,
    find_accents,
    published_beat_frames,
)
from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import motion_beats
from kinetune.motion.clip import resample
from tests.conftest import swaying_clip


def by_the_script(places):
    """The published arithmetic, written out."""
    speed = [
        np.mean([np.sqrt(((b[j] - a[j]) ** 2).sum()) for j in range(24)])
        for a, b in pairwise(places)
    ]
    offsets = np.arange(-20, 21)
    weights = np.exp(-0.5 * (offsets / 5.0) ** 2)
    weights /= weights.sum()
    padded = np.pad(speed, 20, mode="symmetric")
    smooth = np.convolve(padded, weights, mode="valid")
    return [k for k in range(1, len(smooth) - 1) if smooth[k - 1] > smooth[k] < smooth[k + 1]]


def test_published_motion_beats_are_the_scripts():
    places = kinematics.joint_positions(swaying_clip(duration_s=5.0, bpm=110.0))
    assert len(places) == 300
    found = published_beat_frames(places).tolist()
    assert len(found) > 5
    assert found == by_the_script(places)


def test_beats_are_the_rests_of_the_body():
    clip = swaying_clip(duration_s=5.0, bpm=120.0)
    seen = analyse_motion(clip)
    np.testing.assert_array_equal(seen.beats_s, motion_beats(clip))
    inner = np.arange(0.5, 4.9, 0.5)
    assert np.abs(inner[:, None] - seen.beats_s).min(axis=1).max() < 0.05


def test_the_frame_rate_does_not_matter():
    clip = swaying_clip(duration_s=5.0)
    one, other = analyse_motion(clip), analyse_motion(resample(clip, 120.0))
    np.testing.assert_allclose(one.beats_s, other.beats_s, atol=0.02)
    np.testing.assert_allclose(one.speed, other.speed, atol=0.05)


def test_an_accent_is_a_sudden_stop_and_a_slow_one_is_none():
    times = np.arange(600) / 60.0
    speed = 1.0 + 0.02 * np.sin(2 * np.pi * times)
    for stop_s in (3.0, 7.0):
        # Fast until the stop, still for a third of a second, then slowly back.
        speed[(times >= stop_s) & (times < stop_s + 0.33)] = 0.0
        back = (times >= stop_s + 0.33) & (times < stop_s + 1.5)
        speed[back] = np.linspace(0.0, 1.0, back.sum())
    found = find_accents(speed)
    assert len(found) == 2
    np.testing.assert_allclose(found, [3.1, 7.1], atol=0.1)


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_a_still_body_has_neither_beats_nor_accents(frames):
    clip = swaying_clip()
    still = replace(
        clip,
        rotations=clip.rotations[:1].repeat(frames, 0),
        root_m=clip.root_m[:1].repeat(frames, 0),
    )
    seen = analyse_motion(still)
    assert len(seen.beats_s) == len(seen.beat_frames_published) == len(seen.accents_s) == 0
    assert seen.speed.shape == (frames,)
