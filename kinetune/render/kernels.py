"""Loops over pixels, compiled by Numba: they are most of the time that a film takes.

Conventions: pictures (H, W, 3); floor points in metres to the right and ahead of the camera. The
first film after an installation waits some seconds for the compiler; the result is kept on disk
where there is a place for it.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Picture = NDArray[np.uint8]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's can be written to.
        compiled = numba.njit(nogil=True)(function)
    return compiled


@_compiled
def line_coverage(
    right: Pixels,
    ahead: Pixels,
    pixel: tuple[Pixels, Pixels],
    fade: Pixels,
    origin: tuple[float, float],
    side: tuple[float, float],
    sizes_m: tuple[float, float],
    out: Pixels,
) -> None:
    """Write the coverage of the floor's grid, 0 to 1, into ``out``.

    Args:
        right: Of every floor pixel, (rows, W).
        ahead: Of every row, (rows, 1).
        pixel: The size of a pixel on the floor across and along, metres, both (rows, 1).
        fade: How much of a line is seen, (rows, W).
        origin: Where the camera stands in the world, x and z.
        side: Its right-hand side on the floor; ahead is (side[1], -side[0]).
        sizes_m: From line to line, and how wide a line is.
        out: (rows, W).
    """
    tile_m, line_m = sizes_m
    for row in range(right.shape[0]):
        ahead_m = ahead[row, 0]
        x_pixel = np.hypot(side[0] * pixel[0][row, 0], side[1] * pixel[1][row, 0])
        z_pixel = np.hypot(side[1] * pixel[0][row, 0], side[0] * pixel[1][row, 0])
        x_wide, z_wide = max(x_pixel, line_m), max(z_pixel, line_m)
        x_thin, z_thin = min(1.0, line_m / x_wide), min(1.0, line_m / z_wide)
        x_slope, z_slope = tile_m / x_wide * x_thin, tile_m / z_wide * z_thin
        x_start = (side[1] * ahead_m + origin[0]) / tile_m
        z_start = (origin[1] - side[0] * ahead_m) / tile_m
        for column in range(right.shape[1]):
            x = x_start + side[0] / tile_m * right[row, column]
            z = z_start + side[1] / tile_m * right[row, column]
            x_line = x_thin - x_slope * abs(x - np.rint(x))
            z_line = z_thin - z_slope * abs(z - np.rint(z))
            out[row, column] = max(0.0, x_line, z_line) * fade[row, column]


@_compiled
def add_light(part: Picture, coverage: Pixels, colour: NDArray[np.float32], least: float) -> None:
    """Add a colour times its coverage to a picture, where that is more than ``least``.

    Args:
        part: (h, w, 3), changed in place; the sum must stay below 256.
        coverage: (h, w).
        colour: (3,).
        least: The coverage below which nothing is added.
    """
    for row in range(part.shape[0]):
        for column in range(part.shape[1]):
            share = coverage[row, column]
            if share > least:
                for channel in range(3):
                    part[row, column, channel] += np.uint8(share * colour[channel])


@_compiled
def dim(part: Picture, light: Pixels) -> None:
    """Multiply a picture by a coarse map of light, interpolated between its middles.

    Args:
        part: (h, w, 3), changed in place.
        light: 0 to 1, (h', w').
    """
    height, width = part.shape[0], part.shape[1]
    for row in range(height):
        y = min(max((row + 0.5) * light.shape[0] / height - 0.5, 0.0), light.shape[0] - 1.0)
        top = min(int(y), max(light.shape[0] - 2, 0))
        below, down = min(top + 1, light.shape[0] - 1), y - top
        for column in range(width):
            x = min(max((column + 0.5) * light.shape[1] / width - 0.5, 0.0), light.shape[1] - 1.0)
            left = min(int(x), max(light.shape[1] - 2, 0))
            beside, over = min(left + 1, light.shape[1] - 1), x - left
            upper = light[top, left] * (1.0 - over) + light[top, beside] * over
            lower = light[below, left] * (1.0 - over) + light[below, beside] * over
            share = upper * (1.0 - down) + lower * down
            if share > 0.998:
                # Half a level of the brightest pixel.
                continue
            for channel in range(3):
                part[row, column, channel] = np.uint8(part[row, column, channel] * share + 0.5)


@_compiled
def draw_capsule(
    canvas: Pixels,
    nearest: Pixels,
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
    depth_m: NDArray[np.float64],
    radii_m: NDArray[np.float64],
    colour: NDArray[np.float64],
    shading: tuple[float, float, float, float, float, float, float],
) -> None:
    """Draw one rounded limb into its window of the canvas and of the depth buffer.

    Args:
        canvas: (h, w, 3), changed in place.
        nearest: Depth of what is drawn, metres, (h, w), changed in place.
        ends: Pixels of both ends, (2, 2).
        radii: Pixels at both ends, (2,).
        depth_m: Depths of both ends, (2,).
        radii_m: Metres at both ends, (2,).
        colour: (3,).
        shading: The direction of the light (right, up, towards the camera), ambient and diffuse
            light, the rim's light, and over how many pixels an edge is soft.
    """
    light_x, light_y, light_z, ambient, diffuse, rim_light, soft_px = shading
    along_x, along_y = ends[1, 0] - ends[0, 0], ends[1, 1] - ends[0, 1]
    length = max(along_x * along_x + along_y * along_y, 1e-3)
    for row in range(nearest.shape[0]):
        dy = row + 0.5 - ends[0, 1]
        for column in range(nearest.shape[1]):
            dx = column + 0.5 - ends[0, 0]
            share = min(max((dx * along_x + dy * along_y) / length, 0.0), 1.0)
            radius = radii[0] + (radii[1] - radii[0]) * share
            nx, ny = (dx - along_x * share) / radius, (dy - along_y * share) / radius
            across = nx * nx + ny * ny
            cover = min((1.0 - np.sqrt(across)) * radius / soft_px + 0.5, 1.0)
            if cover <= 0.0:
                continue
            towards = np.sqrt(max(0.0, 1.0 - across))
            body_m = radii_m[0] + (radii_m[1] - radii_m[0]) * share
            depth = depth_m[0] + (depth_m[1] - depth_m[0]) * share - body_m * towards
            if depth >= nearest[row, column]:
                continue
            # Pixels grow downwards: up is -ny.
            lit = min(max(nx * light_x - ny * light_y + towards * light_z, 0.0), 1.0)
            bright, rim = ambient + diffuse * lit, rim_light * (1.0 - towards) ** 3
            for channel in range(3):
                before = canvas[row, column, channel]
                shaded = bright * colour[channel] + rim
                canvas[row, column, channel] = before + cover * (shaded - before)
            if cover > 0.5:
                nearest[row, column] = depth
