"""Practice: the same notes at a slower tempo, counted in to the first bar line."""

import dataclasses
import shutil

import numpy as np
import pytest

from kinetune.audio.loudness import true_peak_dbtp
from kinetune.audio.sound import Sound
from kinetune.composer.output.practice import (
    count_in_s,
    count_times,
    slowed,
    slowed_clip,
    with_count_in,
)
from tests.composer.conftest import FIRST_S, SECONDS, dance, notes_of, piece


def test_every_note_is_played_at_its_place_in_the_slower_music():
    own = piece()
    slow = slowed(own, 80)
    assert slow.grid.bpm == pytest.approx(96.0)
    assert slow.duration_s == pytest.approx(SECONDS / 0.8)
    for mine, theirs in zip(notes_of(own), notes_of(slow), strict=True):
        assert theirs.start_s == pytest.approx(mine.start_s / 0.8)
        assert theirs.duration_s == pytest.approx(mine.duration_s / 0.8)
        assert (theirs.pitch, theirs.velocity) == (mine.pitch, mine.velocity)
    assert slow.mix.echo_s == pytest.approx(own.mix.echo_s / 0.8)


@pytest.mark.parametrize("percent", [50, 100])
def test_four_clicks_lead_to_the_first_bar(percent):
    slow = slowed(piece(), percent)
    period_s, first_s = 0.5 * 100 / percent, FIRST_S * 100 / percent
    assert count_in_s(slow) == pytest.approx(4 * period_s - first_s)
    downbeat_s = count_in_s(slow) + first_s
    assert count_times(slow) == pytest.approx([downbeat_s - k * period_s for k in (4, 3, 2, 1)])


@pytest.fixture(autouse=True)
def no_voice(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_clicks_sound_at_their_times_and_the_music_follows():
    slow = dataclasses.replace(slowed(piece(), 100), duration_s=4.0)
    rate_hz = 8_000
    music = Sound(np.full((4 * rate_hz, 2), 0.25, np.float32), rate_hz)
    sound = with_count_in(slow, music)
    lead = round(count_in_s(slow) * rate_hz)
    assert len(sound.samples) == lead + len(music.samples)
    np.testing.assert_allclose(sound.samples[lead + rate_hz :], 0.25, atol=1e-6)
    for time_s in count_times(slow)[:3]:
        start = round(time_s * rate_hz)
        before = np.abs(sound.samples[max(0, start - 80) : start]).max(initial=0.0)
        assert np.abs(sound.samples[start : start + 80]).max() > before + 0.2
    assert true_peak_dbtp(sound) <= -0.99


def test_the_dance_is_slowed_equally_and_waits():
    slow, clip = slowed(piece(), 80), dance()
    made = slowed_clip(slow, clip, 80)
    held = round(count_in_s(slow) * made.fps)
    assert made.fps == pytest.approx(0.8 * clip.fps)
    assert made.duration_s == pytest.approx(clip.duration_s / 0.8 + held / made.fps)
    np.testing.assert_array_equal(made.root_m[: held + 1], np.repeat(clip.root_m[:1], held + 1, 0))
    np.testing.assert_array_equal(made.rotations[held:], clip.rotations)
