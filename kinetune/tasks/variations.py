"""Several pieces for one dance, ranked by how well they follow the motion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune import genres, timebase
from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.motion.group import Dancers, mean_joint_speed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.results import DanceMusic

# All variations stay in memory until the last is made and they can be ranked.
MAX_VARIATIONS = 64
_MAX_TOTAL_S = 2 * 3600.0
# Most rows of the picture, and seconds of each.
_SHOWN_VARIATIONS, _SHOWN_S = 16, 30.0


@dataclass(frozen=True, eq=False)
class Variation:
    """One piece and how well it follows the dance."""

    music: "DanceMusic"
    scores: "MotionFit"


def check_range(count: int) -> None:
    """Check the number of variations.

    Raises:
        ConfigError: It is out of range.
    """
    if not 1 <= count <= MAX_VARIATIONS:
        raise ConfigError(f"variations must be 1 to {MAX_VARIATIONS}, found {count}")


def check_length(clip: Dancers, count: int) -> None:
    """Check that so many variations of a dance fit in memory.

    Raises:
        ConfigError: They are too long together.
    """
    if count > 1 and count * clip.duration_s > _MAX_TOTAL_S:
        raise ConfigError(
            f"{clip.name}: {count} variations of {clip.duration_s:.0f} s are more than "
            f"{_MAX_TOTAL_S / 3600:g} h of music; make fewer"
        )


def rank_variations(clip: Dancers, pieces: Sequence["DanceMusic"]) -> list[Variation]:
    """Return the variations of a dance, best first; of equals the earlier one first."""
    from kinetune.metrics.ranking import motion_fit

    variations = [
        Variation(music, motion_fit(clip, music.sound, music.grid.beats_s)) for music in pieces
    ]
    return sorted(variations, key=lambda variation: -variation.scores.total)


def draw_variations(path: Path, clip: Dancers, variations: Sequence[Variation]) -> None:
    """Draw body speed and the best variations below each other on one time axis.

    Args:
        path: PNG to write.
        clip: The dance.
        variations: Best first.
    """
    with extra("plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    from kinetune.files import atomic_file
    from kinetune.render.panels import caption

    best = variations[0].music
    shown = variations[:_SHOWN_VARIATIONS]
    figure = Figure(figsize=(12, 1.2 + 1.05 * (len(shown) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    body, *rows = figure.subplots(len(shown) + 1, 1, sharex=True)
    speed, fps = mean_joint_speed(clip)
    body.plot(timebase.frame_times(len(speed), fps), speed, color="#2a6f97", linewidth=1.0)
    body.set_ylabel("body\nm/s", fontsize=8)
    body.set_ylim(bottom=0.0)
    for rank, (axes, variation) in enumerate(zip(rows, shown, strict=True), start=1):
        _draw_row(axes, variation, rank)
    for axes in (body, *rows):
        for beat in best.grid.beats_s:
            axes.axvline(beat, color="#8d99ae", linewidth=0.5, linestyle=":")
    body.set_xlim(0.0, min(_SHOWN_S, clip.duration_s))
    rows[-1].set_xlabel("seconds; dots: the beat, white: onsets", fontsize=8)
    title = (
        f"{clip.name}: {len(variations)} variations, {genres.genre_name(best.genre)} at "
        f"{best.grid.bpm:.1f} bpm, best first"
    )
    figure.suptitle(caption(title), fontsize=10)
    with atomic_file(path) as aside:
        figure.savefig(aside, dpi=100, format="png")


def _draw_row(axes: "Axes", variation: Variation, rank: int) -> None:
    """Draw the spectrogram and the onsets of one variation."""
    from kinetune.audio.beats import onset_envelope
    from kinetune.render.panels import mel_of

    scores, mel = variation.scores, variation.music.mel
    # A composed piece has no spectrogram of its own: that of its sound.
    mel = mel if mel.size else mel_of(variation.music.sound)
    extent = (0.0, variation.music.sound.duration_s, 0, len(mel))
    axes.imshow(mel, origin="lower", aspect="auto", cmap="magma", extent=extent)
    strength = onset_envelope(variation.music.sound)
    times_s = timebase.frame_times(len(strength), timebase.mel_rate_hz())
    height = 0.45 * len(mel) * strength / max(float(strength.max()), 1e-9)
    axes.plot(times_s, height, color="white", linewidth=0.7)
    axes.set_yticks([])
    axes.set_ylabel(f"{rank}", rotation=0, fontsize=11, labelpad=10)
    axes.set_title(
        f"seed {variation.music.seed}: {scores.total:.2f} (beats {_text(scores.beats)}, energy "
        f"{_text(scores.energy)}, accents {_text(scores.accents)}, similarity "
        f"{_text(scores.similarity)})",
        loc="left", fontsize=8, pad=2,
    )  # fmt: skip


def _text(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none"
