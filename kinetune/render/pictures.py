"""Pictures of a dance and its music on one time axis, written as PNG.

Pieces beyond half a minute are drawn as pages below each other; beyond ten pages only their
beginning is drawn, and the title says so.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune import files, genres
from kinetune.extras import extra
from kinetune.motion.beats.beat_grid import beat_grid, group_beat_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import Dancers, dancers_of
from kinetune.render.marks import Marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kinetune.audio.sound import Sound
    from kinetune.model.results import DanceMusic
    from kinetune.model.sampling.editing import EditedMusic
    from kinetune.render.panels import Page

_PAGE_S, _MAX_PAGES = 30.0, 10
_WIDTH_INCHES = 13.0
# Of a larger group only these are drawn; the speed is that of all.
_MAX_DANCERS = 4
Times = NDArray[np.float64]
# A panel of one page: its height in inches and what draws it.
Panel = tuple[float, Callable[["Axes", "Page"], None]]


def draw_music(
    path: Path, clip: Dancers, music: "DanceMusic", *, marks: Marks | None = None
) -> None:
    """Draw dancers, body speed with motion beats, and the music's mel with beats and marks.

    Args:
        path: PNG to write.
        clip: The dance.
        music: The music made for it.
        marks: Sections, silences, accents and the loop's wrap.

    Raises:
        OutputError: The file can't be written.
        MissingExtraError: matplotlib isn't installed.
    """
    from kinetune.audio.beats import music_beats
    from kinetune.metrics.latency import BEAT_LATENCY_S, without_latency
    from kinetune.render import panels

    # A composed piece has no spectrogram of its own: that of its sound.
    mel = music.mel if music.mel.size else panels.mel_of(music.sound)
    beats_s = without_latency(music_beats(music.sound).beats_s, BEAT_LATENCY_S)

    def draw_mel(axes: "Axes", page: "Page") -> None:
        panels.draw_mel(axes, mel, music.sound.duration_s, page, vmin=-1.0, vmax=1.0)
        panels.draw_detected_beats(axes, beats_s, page)
        panels.draw_marks(axes, marks or Marks(), page)
        axes.set_title("music: mel spectrogram", loc="left", fontsize=9)

    _draw(
        path,
        f"{clip.name}: {genres.genre_name(music.genre)} at {music.grid.bpm:.1f} bpm",
        clip.duration_s,
        [
            *_dancer_panels(clip),
            (1.7, lambda axes, page: panels.draw_speed(axes, clip, music.grid, page)),
            (2.7, draw_mel),
        ],
    )


def draw_dance(path: Path, clip: Dancers) -> None:
    """Draw dancers and body speed with motion beats and the estimated beat grid.

    Args:
        path: PNG to write.
        clip: The dance.

    Raises:
        OutputError: The file can't be written.
        MissingExtraError: matplotlib isn't installed.
    """
    from kinetune.render import panels

    grid = group_beat_grid(dancers_of(clip))
    _draw(
        path,
        f"{clip.name}: {grid.bpm:.1f} bpm, confidence {grid.confidence:.2f}",
        clip.duration_s,
        [
            *_dancer_panels(clip),
            (1.9, lambda axes, page: panels.draw_speed(axes, clip, grid, page)),
        ],
    )


def _dancer_panels(clip: Dancers) -> list[Panel]:
    """A panel for each of the first dancers."""
    from kinetune.render import panels

    dancers = dancers_of(clip)

    def panel(dancer: MotionClip) -> Panel:
        title = "dance" if len(dancers) == 1 else dancer.name
        return 2.1, lambda axes, page: panels.draw_dancers(axes, dancer, page, title=title)

    return [panel(dancer) for dancer in dancers[:_MAX_DANCERS]]


def draw_readings(path: Path, clip: MotionClip, *, count: int = 2) -> None:
    """Draw why a dance is read as it is: its events, the beat activation and the top readings.

    Args:
        path: PNG to write.
        clip: The dance.
        count: How many readings to draw.

    Raises:
        OutputError: The file can't be written.
        MissingExtraError: matplotlib isn't installed.
    """
    from kinetune.render import panels

    grid = beat_grid(clip)
    shown = grid.readings[:count]
    _draw(
        path,
        f"{clip.name}: {len(grid.readings)} readings of the beat",
        clip.duration_s,
        [
            *_dancer_panels(clip),
            (1.8, lambda axes, page: panels.draw_events(axes, clip, page)),
            (1.3, lambda axes, page: panels.draw_activation(axes, clip, page)),
            (0.3 + 0.5 * count, lambda axes, page: panels.draw_reading_rows(axes, shown, page)),
        ],
    )


def draw_fit(
    path: Path,
    clip: MotionClip,
    sound: "Sound",
    beats_s: tuple[Times, Times],
    *,
    title: str,
) -> None:
    """Draw a dance's beat activation with the beats of a song before and after it was fitted.

    Args:
        path: PNG to write.
        clip: The dance.
        sound: The fitted song.
        beats_s: Beats of the song as it was, begun with the dance; and fitted, seconds.
        title: A line above.

    Raises:
        OutputError: The file can't be written.
        MissingExtraError: matplotlib isn't installed.
    """
    from kinetune.render import panels

    mel = panels.mel_of(sound)

    def beats_panel(times_s: Times, text: str) -> Panel:
        def draw_panel(axes: "Axes", page: "Page") -> None:
            panels.draw_activation(axes, clip, page)
            for time_s in page.within(times_s):
                axes.axvline(time_s, color=panels.RIGHT, lw=1.8)
            axes.set_title(text, loc="left", fontsize=9)

        return 1.3, draw_panel

    def draw_song(axes: "Axes", page: "Page") -> None:
        panels.draw_mel(axes, mel, sound.duration_s, page)
        panels.draw_detected_beats(axes, beats_s[1], page)
        axes.set_title("the fitted song: mel spectrogram", loc="left", fontsize=9)

    _draw(
        path, title, clip.duration_s,
        [
            *_dancer_panels(clip),
            beats_panel(beats_s[0], "before: the body's beat activation and the song's beats"),
            beats_panel(beats_s[1], "fitted"),
            (2.2, draw_song),
        ],
    )  # fmt: skip


def draw_edit(
    path: Path, before: "Sound", edited: "EditedMusic", *, marks: Marks | None = None
) -> None:
    """Draw music before and after an edit and their difference, half a minute around the edit.

    Args:
        path: PNG to write.
        before: The music before.
        edited: The music after, with the span that is new.
        marks: Sections, silences and accents of the music after.

    Raises:
        OutputError: The file can't be written.
        MissingExtraError: matplotlib isn't installed.
    """
    from kinetune.render import panels
    from kinetune.render.panels import Page

    end_s = max(before.duration_s, edited.sound.duration_s)
    first_s = max(0.0, min(edited.start_s - _PAGE_S / 4, end_s - _PAGE_S))
    page = Page(first_s, min(end_s, first_s + _PAGE_S))
    mels = [panels.mel_of(sound) for sound in (before, edited.sound)]
    shared = min(mel.shape[1] for mel in mels)
    difference = mels[1][:, :shared] - mels[0][:, :shared]
    shared_s = min(before.duration_s, edited.sound.duration_s)

    def draw_after(axes: "Axes") -> None:
        panels.draw_mel(axes, mels[1], edited.sound.duration_s, page)
        panels.draw_marks(axes, marks or Marks(), page)

    def panel(draw: Callable[["Axes"], None], title: str) -> Panel:
        def draw_panel(axes: "Axes", page: "Page") -> None:
            draw(axes)
            _mark_edit(axes, edited, page)
            axes.set_title(title, loc="left", fontsize=9)

        return 2.0, draw_panel

    _draw_pages(
        path,
        f"edit of {edited.start_s:.2f} to {edited.end_s:.2f} s; dots: bars",
        [page],
        [
            panel(lambda a: panels.draw_mel(a, mels[0], before.duration_s, page), "before"),
            panel(draw_after, "after"),
            panel(
                lambda a: panels.draw_mel(
                    a, difference, shared_s, page, cmap="RdBu_r", vmin=-0.6, vmax=0.6
                ),
                "difference: red is louder than before, blue is softer",
            ),
        ],
    )


def _mark_edit(axes: "Axes", edited: "EditedMusic", page: "Page") -> None:
    from kinetune.model.conditioning.bars import bar_lines

    for bar_s in page.within(bar_lines(edited.grid, page.end_s)):
        axes.axvline(bar_s, color="grey", lw=0.8, ls=":")
    axes.axvspan(edited.start_s, edited.end_s, 0.0, 0.035, color="#2fbf8f", lw=0)
    for edge in (edited.start_s, edited.end_s):
        axes.axvline(edge, color="#2fbf8f", lw=1.8)
    axes.set_xlim(page.start_s, page.end_s)


def _draw(path: Path, title: str, duration_s: float, rows: Sequence[Panel]) -> None:
    from kinetune.render.panels import pages_of

    pages = pages_of(duration_s, _PAGE_S, _MAX_PAGES)
    if pages[-1].end_s < duration_s - 1e-6:
        title += f" (the first {pages[-1].end_s / 60:.0f} of {duration_s / 60:.1f} minutes)"
    _draw_pages(path, title, pages, rows)


def _draw_pages(path: Path, title: str, pages: Sequence["Page"], rows: Sequence[Panel]) -> None:
    from kinetune.render.panels import caption

    heights = [height for height, _ in rows]
    figure = _figure(len(pages) * (sum(heights) + 0.35) + 0.4)
    figure.suptitle(caption(title), fontsize=12)
    for page, part in zip(
        pages, figure.subfigures(len(pages), 1, squeeze=False)[:, 0], strict=True
    ):
        axes = part.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for one, (_, draw) in zip(axes, rows, strict=True):
            draw(one, page)
            one.tick_params(labelsize=8)
        axes[-1].set_xlabel("seconds", fontsize=9)
    with files.atomic_file(path) as aside:
        figure.savefig(aside, dpi=110, format="png")


def _figure(height_inches: float) -> "Figure":
    with extra("plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
