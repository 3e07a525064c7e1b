from dataclasses import replace

import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.model.conditioning.control_score import Accent, ControlScore, Section, Silence
from kinetune.motion.beats.beat_grid import fixed_grid
from kinetune.render import overlay
from kinetune.render.camera import HEIGHT, WIDTH
from kinetune.render.marks import Marks, Span, marks_of
from kinetune.render.overlay import Overlay, Timeline, bar_and_beat

BEATS = np.arange(0.5, 10.0, 0.5)


def timeline(downbeats_s=BEATS[2::4], *, marks=None, sound=None, duration_s=10.0):
    return Timeline("a dance", duration_s, BEATS, downbeats_s, marks or Marks(), sound)


@pytest.mark.parametrize(
    ("now_s", "count"),
    [
        (0.4, None),
        # Two beats before the first bar are its pick-up: the third and the fourth of bar 0.
        (0.5, (0, 3)), (1.2, (0, 4)),
        (1.5, (1, 1)), (1.99, (1, 1)), (2.0, (1, 2)), (3.4, (1, 4)),
        (3.5, (2, 1)), (9.6, (5, 1)),
    ],
)  # fmt: skip
def test_bars_and_beats_are_counted_from_one(now_s, count):
    assert bar_and_beat(timeline(), now_s) == count


def test_without_bars_the_beats_are_a_pick_up():
    assert bar_and_beat(timeline(np.empty(0)), 0.6) == (0, 4)
    assert bar_and_beat(Timeline("", 5.0, np.empty(0), np.empty(0), Marks()), 1.0) is None


def strip(made, now_s):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    made.draw(picture, now_s)
    return picture


@pytest.mark.parametrize("now_s", [0.0, 2.5, 7.0, 9.96])
def test_the_playhead_is_at_its_share_of_the_width(now_s):
    row = strip(Overlay(timeline()), now_s)[HEIGHT - 40].astype(int)
    white = np.flatnonzero((row > 245).all(axis=1))
    assert white.mean() == pytest.approx(32 + (WIDTH - 64) * now_s / 10.0, abs=2)


def test_a_long_piece_turns_its_pages():
    beats = np.arange(0.5, 120.0, 0.5)
    made = Overlay(Timeline("", 120.0, beats, beats[::4], Marks()))
    assert (made.pages, made.page_s) == (4, 30.0)
    row = strip(made, 75.0)[HEIGHT - 40].astype(int)
    assert np.flatnonzero((row > 245).all(axis=1)).mean() == pytest.approx(WIDTH / 2, abs=2)


def test_peaks_are_the_largest_magnitudes():
    samples = np.zeros((1000, 2), np.float32)
    samples[150, 1], samples[420, 0] = -0.8, 0.3
    peaks = overlay._peaks(Sound(samples, 1000), np.arange(0, 1300, 100))
    np.testing.assert_allclose(peaks, [0, 0.8, 0, 0, 0.3, 0, 0, 0, 0, 0, 0, 0], atol=1e-6)


def coloured(picture, colour, tolerance=30):
    """Seconds at which the strip has a colour."""
    part = picture[HEIGHT - 90 :].astype(int)
    columns = np.flatnonzero((np.abs(part - colour).max(axis=2) < tolerance).any(axis=0))
    return (columns - 32) * 10.0 / (WIDTH - 64)


def test_sections_accents_and_the_loop_are_at_their_times():
    marks = Marks((Span(2.0, 5.0, "house"),), (Span(6.0, 7.0),), (8.0,))
    picture = strip(Overlay(timeline(marks=marks)), 0.0)
    section = coloured(picture, overlay._SECTIONS[0], 8)
    assert section.min() == pytest.approx(2.0, abs=0.03)
    assert section.max() == pytest.approx(5.0, abs=0.03)
    assert coloured(picture, overlay._ACCENT).mean() == pytest.approx(8.0, abs=0.03)
    looping = strip(Overlay(timeline(marks=Marks(loop_s=10.0))), 0.0)
    assert coloured(looping, overlay._ACCENT).max() == pytest.approx(10.0, abs=0.05)


def test_the_waveform_is_as_high_as_the_sound_is_loud():
    samples = np.zeros(220_500, np.float32)
    samples[44_100:88_200] = 0.8
    samples[132_300:176_400] = 0.4
    picture = strip(Overlay(timeline(sound=Sound(samples, 22_050))), 0.0).astype(int)
    height = (np.abs(picture - overlay._AHEAD).max(axis=2) < 12).sum(axis=0)
    loud, half, silent = (height[32 + int((WIDTH - 64) * share)] for share in (0.31, 0.71, 0.52))
    assert half == pytest.approx(loud / 2, abs=2)
    assert silent <= 2 < half


def test_marks_are_where_the_score_is_played():
    grid = fixed_grid(120.0, 0.5, 12.0)
    score = ControlScore((Section(2.3, 6.9, "house", 1.5),), (Accent(3.3),), (Silence(8.2, 10.7),))
    marks = marks_of(score, grid, 12.0, loop=True)
    # Bars of two seconds from half a second on.
    assert marks.sections == (Span(2.5, 6.5, "house, energy 1.5"),)
    assert marks.silences == (Span(8.5, 10.5),)
    assert marks.accents_s == (3.3,)
    assert marks.loop_s == 12.0
    assert marks_of(None, grid, 12.0) == Marks()


def test_bars_of_three_are_counted_in_three():
    beats = np.arange(0.25, 10.0, 0.5)
    three = replace(timeline(), beats_s=beats, downbeats_s=beats[1::3], metre=3)
    counts = [bar_and_beat(three, time_s + 0.1) for time_s in beats[:8]]
    assert counts == [(0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1)]
    assert overlay._dots(2, 3).shape[1] == 3 * 18
