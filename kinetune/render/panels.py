"""The panels of a picture: dancers, body speed and music on one time axis, drawn with matplotlib.

Conventions: seconds to the right; a page is the span from ``start_s`` to ``end_s``. The dancer's
left is blue and the right orange. Dancers are drawn to scale: a metre is as long across as up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.errors import printable
from kinetune.model.conditioning.bars import bar_lines
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats.beat_grid import BeatGrid, motion_beats, observations
from kinetune.motion.beats.event_lags import EVENT_KINDS, event_weights
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.metrical_model import MetricalModel
from kinetune.motion.beats.readings import Reading
from kinetune.motion.beats.tempo import collect_evidence
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import Dancers, dancers_of, mean_joint_speed
from kinetune.render.marks import Marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kinetune.audio.sound import Sound

Array = NDArray[np.float64]

LEFT, RIGHT, TRUNK = "#2f86d6", "#e8813a", "#3a4256"
_SPEED, _BEAT, _GRID, _BAR = "#2a6f97", "#d1495b", "#b9c2d0", "#6c788f"
_SECTIONS = ("#5e7abe", "#a068aa", "#58927f", "#b88a52")
_ACCENT = "#ff6b57"
_LONGEST_CAPTION = 120
_MIN_FIGURES, _MAX_FIGURES = 5, 14
# Poses from which the width of a figure is taken.
_SAMPLED_POSES = 40
# The smoothing of motion beats: five frames at 60 fps.
_SMOOTH_S = 5.0 / 60.0
_HEAD_M, _HEAD_UP_M = 0.1, 0.09
# Above the head and below the feet.
_MARGIN_M = 0.08
# Width and height of the drawing area of the dancers' panel, inches.
_PANEL_INCHES = (11.9, 1.75)


@dataclass(frozen=True)
class Page:
    """A span of a piece that is drawn on one time axis."""

    start_s: float
    end_s: float

    def within(self, times_s: Array) -> Array:
        """Return the times of the page."""
        times_s = np.asarray(times_s, dtype=np.float64)
        return times_s[(times_s >= self.start_s) & (times_s <= self.end_s)]


def pages_of(duration_s: float, page_s: float, most: int) -> list[Page]:
    """Return the pages of a piece: equally long, none longer than ``page_s``, ``most`` at most."""
    count = max(1, int(np.ceil(duration_s / page_s - 1e-9)))
    length_s = duration_s / count if count <= most else page_s
    return [Page(k * length_s, (k + 1) * length_s) for k in range(min(count, most))]


def caption(text: str) -> str:
    """Return text with the names of files as matplotlib draws it: one line, and no formula."""
    return printable(text, _LONGEST_CAPTION).replace("$", r"\$")


def draw_dancers(axes: "Axes", clip: MotionClip, page: Page, *, title: str = "dance") -> None:
    """Draw a row of figures seen from the dancer's front, each above its moment."""
    from matplotlib.collections import LineCollection

    sampled_x, _, tops_m = _figures(clip, _middles(page, _SAMPLED_POSES))
    panel_m = _PANEL_INCHES[0] / _PANEL_INCHES[1] * (tops_m + 2 * _MARGIN_M)
    width_m = float(np.percentile(np.ptp(sampled_x, axis=1), 80)) + 2 * _MARGIN_M
    times_s = _middles(page, int(np.clip(panel_m / width_m, _MIN_FIGURES, _MAX_FIGURES)))
    x, y, _ = _figures(clip, times_s)
    metre_s = (page.end_s - page.start_s) / panel_m
    lines: dict[str, list] = {LEFT: [], RIGHT: [], TRUNK: []}
    for time_s, across, up in zip(times_s, x, y, strict=True):
        for joint, parent in enumerate(skeleton.PARENTS):
            if parent >= 0:
                ends = [(time_s + across[k] * metre_s, up[k]) for k in (int(parent), joint)]
                lines[_colour_of(joint)].append(ends)
    for colour, segments in lines.items():
        axes.add_collection(LineCollection(segments, colors=colour, lw=2.2, capstyle="round"))
    for time_s, across, up in zip(times_s, x, y, strict=True):
        _draw_head(axes, time_s, across, up, metre_s)
    axes.set_ylim(-_MARGIN_M, tops_m + _MARGIN_M)
    axes.set_xlim(page.start_s, page.end_s)
    axes.axhline(0.0, color=_GRID, lw=0.8, zorder=0)
    axes.set_ylabel("metres")
    axes.set_title(caption(f"{title}: left blue, right orange"), loc="left", fontsize=9)


def _middles(page: Page, count: int) -> Array:
    """The middles of equal parts of a page, seconds, (count,)."""
    return page.start_s + (np.arange(count) + 0.5) * (page.end_s - page.start_s) / count


def _figures(clip: MotionClip, times_s: Array) -> tuple[Array, Array, float]:
    """Metres across and up of the joints at some times, (n, 24) each; and the highest head."""
    frames = np.minimum((times_s * clip.fps).astype(int), clip.frame_count - 1)
    positions = kinematics.joint_positions(clip)[frames]
    hips = positions[:, 1] - positions[:, 2]
    heading = np.arctan2(hips[:, 2].mean(), hips[:, 0].mean())
    across = np.array([np.cos(heading), 0.0, np.sin(heading)])
    # The dancer's left is on the viewer's right, as in a film.
    x = (positions - positions[:, :1]) @ across
    y = positions[..., 1] - positions[..., 1].min()
    return x, y, float(y.max()) + _HEAD_UP_M + _HEAD_M


def _colour_of(joint: int) -> str:
    side = skeleton.JOINT_NAMES[joint].partition("_")[0]
    return {"left": LEFT, "right": RIGHT}.get(side, TRUNK)


def _draw_head(axes: "Axes", time_s: float, x: Array, y: Array, metre_s: float) -> None:
    from matplotlib.patches import Ellipse

    neck, head = (skeleton.joint_index(name) for name in ("neck", "head"))
    up = np.array([x[head] - x[neck], y[head] - y[neck]])
    middle = np.array([x[head], y[head]]) + _HEAD_UP_M * up / max(float(np.hypot(*up)), 0.05)
    centre = (time_s + middle[0] * metre_s, middle[1])
    axes.add_patch(Ellipse(centre, 2 * _HEAD_M * metre_s, 2 * _HEAD_M, color=TRUNK, lw=0))


def draw_speed(axes: "Axes", clip: Dancers, grid: BeatGrid, page: Page) -> None:
    """Draw the mean joint speed and its smoothed curve, the motion beats and the beat grid.

    Of a group, the mean over the dancers, and thinly each dancer's own.
    """
    speed, fps = mean_joint_speed(clip)
    smooth = gaussian_filter1d(speed, _SMOOTH_S * fps)
    times_s = timebase.frame_times(len(speed), fps)
    draw_grid(axes, grid, page)
    dancers = dancers_of(clip)
    for dancer in dancers:
        own = kinematics.joint_speeds(dancer).mean(axis=1)
        if len(dancers) > 1:
            own = gaussian_filter1d(own, _SMOOTH_S * dancer.fps)
        axes.plot(timebase.frame_times(len(own), dancer.fps), own, color=_SPEED, lw=0.8, alpha=0.35)
    label = "smoothed" if len(dancers) == 1 else f"mean of {len(dancers)} dancers"
    axes.plot(times_s, smooth, color=_SPEED, lw=1.8, label=label)
    beats_s = page.within(np.concatenate([motion_beats(dancer) for dancer in dancers]))
    axes.plot(
        beats_s, np.interp(beats_s, times_s, smooth), "o", color=_BEAT, ms=4, label="motion beats"
    )
    axes.set_xlim(page.start_s, page.end_s)
    axes.set_ylim(0.0, 1.05 * max(float(speed.max()), 1e-3))
    axes.set_ylabel("m/s")
    axes.set_title("body: mean joint speed; lines: beats and bars", loc="left", fontsize=9)
    axes.legend(loc="upper right", fontsize=8, ncols=2, framealpha=0.85)


def draw_events(axes: "Axes", clip: MotionClip, page: Page) -> None:
    """Draw a row of dots for each kind of event; larger ones weigh more."""
    for row, weights in enumerate(event_weights(clip).values()):
        frames = np.flatnonzero(weights)
        times_s, sizes = frames / ANALYSIS_FPS, weights[frames] / max(float(weights.max()), 1e-9)
        inside = (times_s >= page.start_s) & (times_s <= page.end_s)
        axes.scatter(
            times_s[inside], np.full(inside.sum(), -row), s=4.0 + 90.0 * sizes[inside] ** 2,
            color=_SPEED, alpha=0.55, lw=0,
        )  # fmt: skip
        axes.axhline(-row, color=_GRID, lw=0.5, zorder=0)
    axes.set_yticks([-row for row in range(len(EVENT_KINDS))], EVENT_KINDS)
    axes.set_ylim(-len(EVENT_KINDS) + 0.4, 0.6)
    axes.set_title("events of the body; larger dots weigh more", loc="left", fontsize=9)


def draw_activation(axes: "Axes", clip: MotionClip, page: Page) -> None:
    """Draw the beat network's probability of a beat at each moment."""
    activation = MetricalModel(observations(clip, collect_evidence(clip))).activation
    times_s = timebase.frame_times(len(activation), ANALYSIS_FPS)
    axes.fill_between(times_s, activation, color=_SPEED, alpha=0.35, lw=0)
    axes.plot(times_s, activation, color=_SPEED, lw=1.2)
    axes.set_xlim(page.start_s, page.end_s)
    axes.set_ylim(0.0, 1.1 * max(float(activation.max()), 1e-3))
    axes.set_yticks([])
    axes.set_title("beat activation of the network", loc="left", fontsize=9)


def draw_reading_rows(axes: "Axes", readings: Sequence[Reading], page: Page) -> None:
    """Draw a row for each reading: its beats as lines, the first of a bar tall, thick and red."""
    for row, reading in enumerate(readings):
        beats_s = timebase.beat_times(reading.bpm, reading.first_beat_s, page.end_s)
        number = np.round((beats_s - reading.bar_start_s) * reading.bpm / 60.0) % reading.metre
        for opens, height, width, colour in ((False, 0.22, 1.4, _BAR), (True, 0.4, 2.6, _BEAT)):
            times_s = page.within(beats_s[(number == 0.0) == opens])
            axes.vlines(times_s, -row - height, -row + height, color=colour, lw=width)
    labels = [
        f"{rank}: {reading.bpm:.0f} bpm, {reading.probability:.0%}"
        for rank, reading in enumerate(readings, start=1)
    ]
    axes.set_yticks([-row for row in range(len(readings))], labels)
    axes.set_ylim(-len(readings) + 0.4, 0.6)
    axes.set_xlim(page.start_s, page.end_s)
    title = "the most likely readings and their probability; red: the first beat of a bar"
    axes.set_title(title, loc="left", fontsize=9)


def draw_grid(axes: "Axes", grid: BeatGrid, page: Page) -> None:
    """Draw the beats as thin lines and the bars as thicker ones."""
    for beat_s in page.within(grid.beats_s):
        axes.axvline(beat_s, color=_GRID, lw=0.8, zorder=0)
    for bar_s in page.within(bar_lines(grid, page.end_s)):
        axes.axvline(bar_s, color=_BAR, lw=1.3, zorder=0)


def draw_mel(axes: "Axes", mel: NDArray, duration_s: float, page: Page, **how: Any) -> None:
    """Draw the page's part of a mel spectrogram (M, L)."""
    edges = [round(edge / duration_s * mel.shape[1]) for edge in (page.start_s, page.end_s)]
    first, last = max(0, edges[0]), min(mel.shape[1], edges[1])
    if first >= last:
        return
    seconds = duration_s / mel.shape[1]
    style = {"cmap": "magma", **how}
    axes.imshow(
        mel[:, first:last], origin="lower", aspect="auto",
        extent=(first * seconds, last * seconds, 0, len(mel)), **style,
    )  # fmt: skip
    axes.set_xlim(page.start_s, page.end_s)
    axes.set_ylim(0, len(mel))
    axes.set_ylabel("mel band")


def draw_detected_beats(axes: "Axes", beats_s: Array, page: Page) -> None:
    """Draw the beats that a tracker finds in the music."""
    for number, beat_s in enumerate(page.within(beats_s)):
        label = "beats detected in the music" if number == 0 else None
        axes.axvline(beat_s, color="white", lw=0.9, ls=":", label=label)
    if len(page.within(beats_s)):
        axes.legend(
            loc="lower right", fontsize=8, framealpha=0.85, labelcolor="black", facecolor="#8d99ae"
        )


def draw_marks(axes: "Axes", marks: Marks, page: Page) -> None:
    """Draw sections, silences, accents and the loop's wrap on a panel of music."""
    top = axes.get_ylim()[1]
    for number, span in enumerate(marks.sections):
        colour = _SECTIONS[number % len(_SECTIONS)]
        left, right = max(span.start_s, page.start_s), min(span.end_s, page.end_s)
        if left < right:
            axes.axvspan(left, right, 0.93, 1.0, color=colour, lw=0)
            axes.annotate(
                span.label, (left, 0.963 * top), (4, 0), textcoords="offset points",
                color="white", fontsize=8, va="center", annotation_clip=True,
            )  # fmt: skip
            for edge in {left, right} & {span.start_s, span.end_s}:
                axes.axvline(edge, color=colour, lw=1.6)
    for span in marks.silences:
        axes.axvspan(
            span.start_s, span.end_s, 0.0, 0.93, facecolor="none", edgecolor="white", hatch="//",
            lw=0.0, alpha=0.7,
        )  # fmt: skip
        middle = 0.5 * (span.start_s + span.end_s)
        if page.start_s <= middle <= page.end_s:
            axes.text(
                middle, 0.08 * top, "silence", color="white", fontsize=8, ha="center", rotation=0
            )
    accents_s = page.within(np.array(marks.accents_s))
    axes.plot(accents_s, np.full(len(accents_s), 0.88 * top), "v", color=_ACCENT, ms=9, mec="white")
    if marks.loop_s and page.start_s < marks.loop_s <= page.end_s + 1e-6:
        axes.axvline(marks.loop_s, color=_ACCENT, lw=3.0)
        axes.annotate(
            "loop wraps", (marks.loop_s, 0.5 * top), (-8, 0), textcoords="offset points",
            color="#b3261e", ha="right", va="center", fontsize=9,
            bbox={"facecolor": "white", "alpha": 0.85, "lw": 0},
        )  # fmt: skip
    axes.set_xlim(page.start_s, page.end_s)


def mel_of(sound: "Sound", bands: int = 128) -> NDArray[np.float32]:
    """Return a log mel spectrogram (M, L) of a sound, at one fixed reference."""
    import torch

    from kinetune.audio.mel import MelConfig, log_mel
    from kinetune.audio.sound import resample, to_mono

    mono = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ)
    mel: NDArray[np.float32] = log_mel(
        torch.from_numpy(mono.samples)[None], MelConfig(n_mels=bands, reference="fixed")
    )[0].numpy()
    return mel
