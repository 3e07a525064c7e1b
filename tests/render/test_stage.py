import numpy as np
import pytest

from kinetune.render.camera import HEIGHT, WIDTH, Camera, fit_camera
from kinetune.render.stage import Stage

CAMERA = Camera(4.0, 0.8)
AIM = np.array([1.3, 0.9, -0.4])


def side_of(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


@pytest.fixture(scope="module")
def stage():
    return Stage(CAMERA)


def pixel(point, side):
    (flat,), (size,) = CAMERA.project(CAMERA.view(np.array([point], float), AIM, side))
    return flat, size


@pytest.mark.parametrize("degrees", [0.0, 35.0, -120.0])
def test_the_camera_looks_at_its_aim(degrees):
    flat, size = pixel([AIM[0], CAMERA.look_m, AIM[2]], side_of(degrees))
    np.testing.assert_allclose(flat, [WIDTH / 2, HEIGHT / 2], atol=1e-6)
    # A metre is the focal length over the distance: 1.5 picture heights over 4.025 m.
    assert size == pytest.approx(1.5 * HEIGHT / np.hypot(4.0, 1.25 - 0.8))


def test_its_right_is_right_and_up_is_up():
    side = side_of(20.0)
    right, up = AIM + 0.5 * np.array([side[0], 0.0, side[1]]), AIM + [0.0, 0.5, 0.0]
    assert pixel(right, side)[0][0] > WIDTH / 2 + 100
    assert pixel(up, side)[0][1] < pixel(AIM, side)[0][1] - 100


@pytest.mark.parametrize("degrees", [0.0, 27.0])
def test_floor_pixels_are_where_the_camera_sees_the_floor(stage, degrees):
    side = side_of(degrees)
    ahead = np.array([side[1], -side[0]])
    stand = CAMERA.position(AIM, side)
    for right_m, ahead_m in ((0.0, 4.0), (0.9, 3.5), (-1.2, 5.0)):
        x, z = stand[[0, 2]] + right_m * side + ahead_m * ahead
        (column, row), _ = pixel([x, 0.0, z], side)
        row, column = int(row) - stage.first_row, int(column)
        assert stage.right[row, column] == pytest.approx(right_m, abs=0.01)
        assert stage.ahead[row, 0] == pytest.approx(ahead_m, abs=0.03)


@pytest.mark.parametrize("degrees", [0.0, 27.0, 90.0])
def test_the_grid_is_on_half_metres_of_the_world(stage, degrees):
    side = side_of(degrees)
    lines = stage._lines(CAMERA.position(AIM, side), side)

    def coverage(x, z):
        (column, row), _ = pixel([x, 0.0, z], side)
        return lines[round(row - 0.5) - stage.first_row, round(column - 0.5)]

    assert min(coverage(1.0, -0.3), coverage(1.5, -0.6), coverage(1.2, -0.5)) > 0.3
    assert max(coverage(1.25, -0.25), coverage(1.75, -0.75)) < 0.02


def test_the_grids_edges_are_smooth(stage):
    lines = stage._lines(CAMERA.position(AIM, side_of(0.0)), side_of(0.0))[-1]
    levels = np.unique(np.round(lines[lines > 0.02] / lines.max(), 2))
    assert len(levels) > 10


def drawn(stage, glow=0.0, *, bar=False):
    return stage.picture(CAMERA.position(AIM, side_of(0.0)), side_of(0.0), glow, bar=bar).astype(
        int
    )


def test_glow_is_green_on_beats_and_warm_on_bars(stage):
    dark, beat, bar = drawn(stage), drawn(stage, 1.0), drawn(stage, 1.0, bar=True)
    (column, row), _ = pixel([AIM[0], 0.0, AIM[2]], side_of(0.0))
    here = int(row), int(column)
    red, green, _ = beat[here] - dark[here]
    assert green > 2 * red > 0
    red, green, blue = bar[here] - dark[here]
    assert red > green > blue > 0
    assert ((bar - dark).max(axis=2) > 8).sum() > 1.5 * ((beat - dark).max(axis=2) > 8).sum()
    # No edge: neighbours differ by a few levels at most.
    assert np.abs(np.diff((bar - dark)[int(row)].max(axis=1))).max() <= 3
    half = drawn(stage, 0.5)[here] - dark[here]
    np.testing.assert_allclose(half, 0.5 * (beat[here] - dark[here]), atol=1)


def shadowed(stage, height_m):
    before = drawn(stage)
    picture = before.astype(np.uint8)
    feet = np.tile([0.0, 4.0], (24, 1))
    stage.shade(picture, feet, np.full(24, height_m))
    (column, row), _ = pixel([AIM[0] + 0.06, 0.0, AIM[2] + 0.06], side_of(0.0))
    return before, picture.astype(int), (int(row), int(column))


def test_shadow_is_dark_at_feet_and_pale_in_the_air(stage):
    before, on_floor, here = shadowed(stage, 0.0)
    _, in_air, _ = shadowed(stage, 0.8)
    assert on_floor[here].sum() < 0.3 * before[here].sum()
    assert 2.0 * on_floor[here].sum() < in_air[here].sum() < before[here].sum()
    floor, air = ((before - after).sum(axis=2) for after in (on_floor, in_air))
    assert (air > 0.5 * air.max()).sum() > 2 * (floor > 0.5 * floor.max()).sum()
    assert (on_floor <= before).all()
    # Far from the feet nothing changes, and there is no edge where the drawing ends.
    np.testing.assert_array_equal(on_floor[here[0], :300], before[here[0], :300])
    step = np.diff((before - on_floor).sum(axis=2)[here[0]])
    assert np.abs(step[:400]).max() <= 3


def test_a_wider_dance_is_filmed_from_further_away():
    poses = np.zeros((300, 24, 3))
    poses[..., 1] = np.linspace(0.0, 1.6, 24)
    aims, sides = np.zeros((300, 3)), np.tile([1.0, 0.0], (300, 1))
    near = fit_camera(poses, aims, sides)
    wide = poses.copy()
    wide[:, 0, 0] = 2.0
    far = fit_camera(wide, aims, sides)
    assert far.distance_m > near.distance_m
    # 2.08 m at the far camera reach the margin of 60 pixels.
    flat, _ = far.project(far.view(np.array([[2.08, far.look_m, 0.0]]), aims[0], sides[0]))
    assert flat[0, 0] == pytest.approx(WIDTH - 60, abs=6)
    # What comes towards the camera counts, what goes away does not.
    towards, away = poses.copy(), poses.copy()
    towards[:, 0, 2], away[:, 0, 2] = 1.0, -1.0
    assert fit_camera(towards, aims, sides).distance_m > near.distance_m + 0.3
    assert fit_camera(away, aims, sides).distance_m == near.distance_m
