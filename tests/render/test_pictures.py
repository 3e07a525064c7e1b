from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from kinetune.audio.sound import Sound
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats.beat_grid import fixed_grid, motion_beats
from kinetune.motion.beats.readings import Reading
from kinetune.render import panels, pictures
from kinetune.render.marks import Marks, Span
from kinetune.render.panels import Page
from tests.conftest import swaying_clip
from tests.render.conftest import tone

PAGE = Page(0.0, 6.0)


@pytest.fixture(scope="module")
def clip():
    return swaying_clip(duration_s=6.0, fps=30.0)


@pytest.fixture
def axes():
    made = Figure().subplots()
    made.set_ylim(0, 100)
    return made


def vertical_lines(axes, colour=None):
    """Where lines across the whole panel stand."""
    return [
        line.get_xdata()[0]
        for line in axes.lines
        if len(line.get_xdata()) == 2
        and line.get_xdata()[0] == line.get_xdata()[1]
        and colour in (None, line.get_color())
    ]


@pytest.mark.parametrize(
    ("duration_s", "pages"),
    [
        (9.6, [(0.0, 9.6)]),
        (30.0, [(0.0, 30.0)]),
        (50.0, [(0.0, 25.0), (25.0, 50.0)]),
        (400.0, [(0.0, 30.0), (30.0, 60.0), (60.0, 90.0)]),
    ],
)
def test_pages_are_equal_and_no_longer_than_half_a_minute(duration_s, pages):
    made = panels.pages_of(duration_s, 30.0, 3)
    assert [(page.start_s, page.end_s) for page in made] == pages


def test_figures_are_to_scale_and_fill_the_panel(clip):
    figure = Figure(figsize=(12, 3))
    axes = figure.subplots()
    panels.draw_dancers(axes, clip, PAGE)
    lines = {
        tuple(np.round(np.array(one.get_color()[0][:3]), 2)): np.array(one.get_segments())
        for one in axes.collections
        if isinstance(one, LineCollection)
    }
    left, right = (
        lines[tuple(np.round([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)], 2))]
        for c in (panels.LEFT, panels.RIGHT)
    )
    assert left[..., 0].mean() > right[..., 0].mean()
    low, high = axes.get_ylim()
    assert low == pytest.approx(-0.08)
    assert high == pytest.approx(panels._figures(clip, np.array([1.0]))[2] + 0.08, abs=0.1)
    # A metre is as long across as up, so that the longest bones, the shins, have their length.
    metre_s = 6.0 / 11.9 * 1.75 / (high - low)
    steps = np.diff(np.concatenate([left, right]), axis=1)[:, 0] / [metre_s, 1.0]
    shin_m = np.linalg.norm(skeleton.OFFSETS_M[skeleton.joint_index("left_ankle")])
    assert 0.8 * shin_m < np.hypot(*steps.T).max() < 1.001 * shin_m


def test_speed_curve_is_smoothed_with_motion_beats(clip, axes):
    grid = fixed_grid(100.0, 0.1, 6.0)
    panels.draw_speed(axes, clip, grid, PAGE)
    by_label = {line.get_label(): line for line in axes.lines}
    speed = kinematics.joint_speeds(clip).mean(axis=1)
    np.testing.assert_allclose(
        by_label["smoothed"].get_ydata(), gaussian_filter1d(speed, 5.0 / 60.0 * 30.0)
    )
    np.testing.assert_allclose(by_label["motion beats"].get_xdata(), motion_beats(clip))


def test_beats_and_bars_are_where_the_grid_has_them(axes):
    grid = fixed_grid(100.0, 0.1, 6.0)
    panels.draw_grid(axes, grid, PAGE)
    np.testing.assert_allclose(vertical_lines(axes, panels._GRID), np.arange(0.1, 6.0, 0.6))
    np.testing.assert_allclose(vertical_lines(axes, panels._BAR), [0.1, 2.5, 4.9])


def test_marks_are_at_their_times_and_only_on_their_page(axes):
    marks = Marks((Span(2.0, 5.0, "house"),), (Span(1.0, 1.5),), (3.0, 8.0), 6.0)
    panels.draw_marks(axes, marks, PAGE)
    assert sorted(vertical_lines(axes, panels._SECTIONS[0])) == [2.0, 5.0]
    assert vertical_lines(axes, panels._ACCENT) == [6.0]
    (accents,) = [line for line in axes.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(accents.get_xdata(), [3.0])
    assert {"house", "silence", "loop wraps"} <= {text.get_text() for text in axes.texts}
    later = Figure().subplots()
    panels.draw_marks(later, marks, Page(6.5, 9.0))
    assert not {text.get_text() for text in later.texts} & {"house", "silence", "loop wraps"}


def test_a_page_shows_its_own_part_of_the_mel(axes):
    mel = np.tile(np.arange(600.0), (8, 1))
    panels.draw_mel(axes, mel, 60.0, Page(20.0, 30.0))
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array()[0], np.arange(200, 300))
    assert image.get_extent() == pytest.approx([20.0, 30.0, 0, 8])
    assert axes.get_xlim() == (20.0, 30.0)


def music(duration_s, clip):
    sound = tone(duration_s)
    return SimpleNamespace(
        sound=sound, mel=panels.mel_of(sound, 16), genre="HO",
        grid=fixed_grid(120.0, 0.0, duration_s),
    )  # fmt: skip


def test_a_long_piece_is_drawn_as_pages_below_each_other(tmp_path):
    sizes = {}
    for duration_s in (6.0, 45.0):
        clip = swaying_clip(duration_s=duration_s, fps=30.0)
        path = tmp_path / f"{duration_s:g}.png"
        pictures.draw_music(path, clip, music(duration_s, clip), marks=Marks(loop_s=duration_s))
        with Image.open(path) as picture:
            sizes[duration_s] = picture.size
    assert sizes[6.0][0] == sizes[45.0][0]
    assert sizes[45.0][1] == pytest.approx(2 * sizes[6.0][1], rel=0.07)


def test_the_strip_of_differences_is_after_minus_before(tmp_path, monkeypatch):
    drawn = []
    draw_mel = panels.draw_mel
    monkeypatch.setattr(
        panels, "draw_mel",
        lambda axes, mel, *rest, **how: (drawn.append(mel), draw_mel(axes, mel, *rest, **how)),
    )  # fmt: skip
    before = tone(4.0)
    louder = before.samples.copy()
    louder[22_050 : 2 * 22_050] *= 3.0
    edited = SimpleNamespace(
        sound=Sound(louder, 22_050), start_s=1.0, end_s=2.0, grid=fixed_grid(120.0, 0.0, 4.0)
    )
    pictures.draw_edit(tmp_path / "edit.png", before, edited)
    _, _, difference = drawn
    per_column = difference.max(axis=0)
    columns = len(per_column) / 4.0
    assert per_column[int(1.2 * columns) : int(1.8 * columns)].min() > 0.1
    assert np.abs(difference[:, int(2.4 * columns) : int(3.9 * columns)]).max() < 1e-6
    assert (tmp_path / "edit.png").stat().st_size > 5000


def test_a_dance_alone_is_drawn(tmp_path, clip):
    pictures.draw_dance(tmp_path / "dance.png", clip)
    with Image.open(tmp_path / "dance.png") as picture:
        assert picture.size[0] == 1430


def test_a_reading_is_drawn_as_its_beats_with_bars_in_red(axes):
    readings = [Reading(120.0, 0.25, 0.75, 4, 0.6), Reading(60.0, 0.25, 0.25, 3, 0.2)]
    panels.draw_reading_rows(axes, readings, PAGE)
    plain, bars = (
        [line[0][0] for line in collection.get_segments()] for collection in axes.collections[:2]
    )
    np.testing.assert_allclose(bars, [0.75, 2.75, 4.75])
    np.testing.assert_allclose(np.sort(plain + bars), np.arange(0.25, 6.0, 0.5))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["1: 120 bpm, 60%", "2: 60 bpm, 20%"]


def test_the_picture_of_readings_is_written(clip, tmp_path):
    pictures.draw_readings(tmp_path / "a.png", clip)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 1000
