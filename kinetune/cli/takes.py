"""Several takes for one dance: ranked by how well they follow the body, and shown side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune import genres, timebase
from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.motion import kinematics
from kinetune.motion.clip import MotionClip

if TYPE_CHECKING:
    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.pipeline import DanceMusic

# All takes wait in memory until the best is known.
_MOST_AT_ONCE_S = 2 * 3600.0
# A row of the sheet is a strip; beyond these it is a poster.
_SHOWN_TAKES, _SHOWN_S = 16, 30.0


@dataclass(frozen=True, eq=False)
class Take:
    """One take and how well it follows."""

    music: "DanceMusic"
    scores: "MotionFit"


def check_takes(clip: MotionClip, count: int) -> None:
    """See that so many takes can be held at once.

    Raises:
        ConfigError: They are too long together.
    """
    if count > 1 and count * clip.duration_s > _MOST_AT_ONCE_S:
        raise ConfigError(
            f"{clip.name}: {count} takes of {clip.duration_s:.0f} s are more than "
            f"{_MOST_AT_ONCE_S / 3600:g} h of music; ask for fewer variations"
        )


def ranked(clip: MotionClip, pieces: Sequence["DanceMusic"]) -> list[Take]:
    """Return the takes of a dance, best first; among equals the earlier one."""
    from kinetune.metrics.ranking import motion_fit

    takes = [Take(music, motion_fit(clip, music.sound, music.grid.beats_s)) for music in pieces]
    return sorted(takes, key=lambda take: -take.scores.total)


def draw_takes(path: Path, clip: MotionClip, takes: Sequence[Take]) -> None:
    """Draw the body and the best takes under each other on one time axis.

    Args:
        path: PNG to write.
        clip: The dance.
        takes: Best first.
    """
    with extra("plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    from kinetune.audio.beats import onset_envelope
    from kinetune.files import atomic_file

    shown = takes[:_SHOWN_TAKES]
    figure = Figure(figsize=(12, 1.2 + 1.05 * (len(shown) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    body, *rows = figure.subplots(len(shown) + 1, 1, sharex=True)
    speed = kinematics.joint_speeds(clip).mean(axis=1)
    body.plot(timebase.frame_times(len(speed), clip.fps), speed, color="#2a6f97", linewidth=1.0)
    body.set_ylabel("body\nm/s", fontsize=8)
    body.set_ylim(bottom=0.0)
    for rank, (axes, take) in enumerate(zip(rows, shown, strict=True), start=1):
        mel, found = take.music.mel, take.scores
        extent = (0.0, take.music.sound.duration_s, 0, len(mel))
        axes.imshow(mel, origin="lower", aspect="auto", cmap="magma", extent=extent)
        strength = onset_envelope(take.music.sound)
        times_s = timebase.frame_times(len(strength), timebase.mel_rate_hz())
        height = 0.45 * len(mel) * strength / max(float(strength.max()), 1e-9)
        axes.plot(times_s, height, color="white", linewidth=0.7)
        axes.set_yticks([])
        axes.set_ylabel(f"{rank}", rotation=0, fontsize=11, labelpad=10)
        axes.set_title(
            f"seed {take.music.seed}: {found.total:.2f} (beats {_said(found.beats)}, energy "
            f"{_said(found.energy)}, accents {_said(found.accents)})",
            loc="left", fontsize=8, pad=2,
        )  # fmt: skip
    for axes in (body, *rows):
        for beat in takes[0].music.grid.beats_s:
            axes.axvline(beat, color="#8d99ae", linewidth=0.5, linestyle=":")
    body.set_xlim(0.0, min(_SHOWN_S, clip.duration_s))
    rows[-1].set_xlabel("seconds; dots: the beat, white: onsets", fontsize=8)
    grid = takes[0].music.grid
    figure.suptitle(
        f"{clip.name}: {len(takes)} takes, {genres.genre_name(takes[0].music.genre)} at "
        f"{grid.bpm:.1f} bpm, best first", fontsize=10,
    )  # fmt: skip
    with atomic_file(path) as aside:
        figure.savefig(aside, dpi=100, format="png")


def _said(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none"
