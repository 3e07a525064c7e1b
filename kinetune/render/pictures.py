"""Pictures of a dance and its music on one time axis, drawn with matplotlib, written as PNG."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetune import files, genres, timebase
from kinetune.extras import extra
from kinetune.model.conditioning.bars import bar_lines
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, motion_beats
from kinetune.motion.clip import MotionClip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kinetune.audio.sound import Sound
    from kinetune.model.results import DanceMusic
    from kinetune.model.sampling.editing import EditedMusic

# Longer dances are shown by their beginning: beyond this a beat is thinner than a pixel.
_SHOWN_S = 30.0
_BODY, _BEAT, _GRID = "#2a6f97", "#d1495b", "#8d99ae"


def draw_music(path: Path, clip: MotionClip, music: "DanceMusic") -> None:
    """Draw skeletons, body energy with motion beats, and the music's mel with its beats.

    Args:
        path: PNG to write.
        clip: The dance.
        music: What was made of it.
    """
    from kinetune.audio.beats import music_beats

    heard = music_beats(music.sound)[1]
    figure, (people, body, mel) = _figure(3, (1.3, 1.0, 1.6))
    shown_s = min(_SHOWN_S, clip.duration_s)
    _skeletons(people, clip, shown_s)
    _energy(body, clip, music.grid, shown_s)
    _spectrogram(mel, music, heard, shown_s)
    figure.suptitle(
        f"{clip.name}: {genres.genre_name(music.genre)} at {music.grid.bpm:.1f} bpm", fontsize=12
    )
    _write(figure, path)


def draw_dance(path: Path, clip: MotionClip) -> None:
    """Draw skeletons and body energy with motion beats and the beat grid."""
    grid = beat_grid(clip)
    figure, (people, body) = _figure(2, (1.3, 1.0))
    shown_s = min(_SHOWN_S, clip.duration_s)
    _skeletons(people, clip, shown_s)
    _energy(body, clip, grid, shown_s)
    body.set_xlabel("seconds")
    figure.suptitle(f"{clip.name}: {grid.bpm:.1f} bpm, confidence {grid.confidence:.2f}")
    _write(figure, path)


def _figure(rows: int, heights: tuple[float, ...]) -> tuple["Figure", Any]:
    with extra("plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 2.2 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 1, sharex=True, height_ratios=heights)


def _skeletons(axes: "Axes", clip: MotionClip, shown_s: float) -> None:
    """A row of stick figures seen from where the dancer mostly looks, each above its moment."""
    count = 14
    times = (np.arange(count) + 0.5) * shown_s / count
    frames = np.minimum((times * clip.fps).astype(int), clip.frame_count - 1)
    positions = kinematics.joint_positions(clip)[frames]
    side = positions[:, 1] - positions[:, 2]
    heading = np.arctan2(side[:, 2].mean(), side[:, 0].mean())
    across = np.array([np.cos(heading), 0.0, np.sin(heading)])
    # One metre is as long across as up: the axis is about 11.5 in wide and 1.9 in high.
    metre_s = shown_s / 11.5 * 1.9 / 2.3
    floor = positions[..., 1].min()
    for time_s, pose in zip(times, positions, strict=True):
        x = time_s + (pose - pose[0]) @ across * metre_s
        for joint, parent in enumerate(skeleton.PARENTS):
            if parent >= 0:
                line = (x[[joint, parent]], pose[[joint, parent], 1] - floor)
                axes.plot(*line, color=_BODY, linewidth=1.8, solid_capstyle="round")
    axes.set_ylim(-0.1, 2.2)
    axes.set_ylabel("metres")
    axes.set_title("the dance", loc="left", fontsize=9)


def _energy(axes: "Axes", clip: MotionClip, grid: BeatGrid, shown_s: float) -> None:
    speed = kinematics.joint_speeds(clip).mean(axis=1)
    axes.plot(timebase.frame_times(len(speed), clip.fps), speed, color=_BODY, linewidth=1.2)
    for number, beat in enumerate(grid.beats_s[grid.beats_s <= shown_s]):
        label = "beat grid" if number == 0 else None
        axes.axvline(beat, color=_GRID, linewidth=0.8, linestyle="--", label=label)
    beats = motion_beats(clip)
    height = np.interp(beats, timebase.frame_times(len(speed), clip.fps), speed)
    axes.plot(beats, height, "o", color=_BEAT, markersize=4, label="motion beats")
    axes.set_xlim(0.0, shown_s)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("m/s")
    axes.set_title("body: mean joint speed", loc="left", fontsize=9)
    axes.legend(loc="upper right", fontsize=8, ncols=2)


def _spectrogram(axes: "Axes", music: "DanceMusic", heard: Any, shown_s: float) -> None:  # noqa: ANN401
    end_s = music.sound.duration_s
    extent = (0.0, end_s, 0, len(music.mel))
    axes.imshow(music.mel, origin="lower", aspect="auto", cmap="magma", extent=extent)
    for number, beat in enumerate(heard[heard <= shown_s]):
        label = "beats heard in the music" if number == 0 else None
        axes.axvline(beat, color="white", linewidth=0.9, linestyle=":", label=label)
    axes.set_ylabel("mel band")
    axes.set_xlabel("seconds")
    axes.set_title("music: mel spectrogram", loc="left", fontsize=9)
    if len(heard):
        axes.legend(loc="upper right", fontsize=8)
    axes.set_xlim(0.0, shown_s)


def _write(figure: "Figure", path: Path) -> None:
    with files.atomic_file(path) as aside:
        figure.savefig(aside, dpi=110, format="png")


def draw_edit(path: Path, before: "Sound", made: "EditedMusic") -> None:
    """Draw the spectrograms of music before and after it was changed, the change marked.

    Args:
        path: PNG to write.
        before: The music that was there.
        made: What became of it.
    """
    import torch

    from kinetune.audio.mel import MelConfig, log_mel
    from kinetune.audio.sound import resample, to_mono

    figure, rows = _figure(2, (1.0, 1.0))
    end_s = max(before.duration_s, made.sound.duration_s)
    # A long piece is shown around the change.
    first_s = max(0.0, min(made.start_s - _SHOWN_S / 4, end_s - _SHOWN_S))
    last_s = min(end_s, first_s + _SHOWN_S)
    for axes, sound, title in zip(rows, (before, made.sound), ("before", "after"), strict=True):
        mono = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ)
        mel = log_mel(torch.from_numpy(mono.samples)[None], MelConfig(n_mels=128))[0].numpy()
        extent = (0.0, sound.duration_s, 0, len(mel))
        axes.imshow(mel, origin="lower", aspect="auto", cmap="magma", extent=extent)
        for edge in (made.start_s, made.end_s):
            axes.axvline(edge, color="white", linewidth=1.5)
        for bar in bar_lines(made.grid, end_s):
            axes.axvline(bar, color="white", linewidth=0.6, linestyle=":")
        axes.set_xlim(first_s, last_s)
        axes.set_ylabel("mel band")
        axes.set_title(title, loc="left", fontsize=9)
    rows[-1].set_xlabel("seconds; lines: the change, dots: bars")
    _write(figure, path)
