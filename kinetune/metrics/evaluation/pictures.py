"""Pictures of an evaluation: beats of dance and music on one axis, and how values spread.

Drawn with matplotlib, written as PNG; matplotlib is loaded only here.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetune import files, timebase
from kinetune.errors import printable
from kinetune.extras import extra
from kinetune.metrics.evaluation import baselines, registry
from kinetune.metrics.evaluation.protocol import Evaluation
from kinetune.metrics.evaluation.runner import ClipAnalysis
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_DANCES = 4
_MAX_SHOWN_S = 20.0
_DANCE, _TRUTH, _ROWS = "#d1495b", "#8d99ae", "#2a6f97"
_COLUMNS = 4
_SEED = 0


def draw_beats(path: Path, evaluation: Evaluation) -> None:
    """Draw a few dances, evenly chosen: body speed, motion beats, and every row's music beats."""
    usable = [analysis for analysis in evaluation.analyses if analysis.audio]
    chosen = usable[:: max(1, len(usable) // _MAX_DANCES)][:_MAX_DANCES]
    labels = [label for label in evaluation.labels if label not in _ROWS_WITHOUT_BEATS]
    figure = _figure(11.0, max(1.5, len(chosen) * (0.9 + 0.28 * len(labels))))
    if not chosen:
        figure.text(0.5, 0.5, "no dance could be used", ha="center")
    for number, analysis in enumerate(chosen):
        axes = figure.add_subplot(len(chosen), 1, number + 1)
        _draw_clip_beats(axes, analysis, labels)
    figure.suptitle("beats of the dance (red, above) and of the music made for it", fontsize=11)
    _write(figure, path)


# Noise and silence have no beats, random pairs no single sound.
_ROWS_WITHOUT_BEATS = (baselines.NOISE, baselines.SILENCE, baselines.RANDOM)


def _draw_clip_beats(axes: Any, analysis: ClipAnalysis, labels: list[str]) -> None:  # noqa: ANN401
    shown_s = min(_MAX_SHOWN_S, analysis.duration_s)
    rows = [label for label in labels if analysis.audio.get(label)]
    if analysis.motion is not None:
        times = timebase.frame_times(len(analysis.motion.speed), ANALYSIS_FPS)
        height = analysis.motion.speed / max(float(analysis.motion.speed.max()), 1e-9)
        axes.fill_between(times, len(rows), len(rows) + height, color=_DANCE, alpha=0.15, lw=0)
        axes.vlines(analysis.motion.beats_s, len(rows), len(rows) + 1, color=_DANCE, lw=1.5)
        axes.vlines(analysis.motion.beats_s, 0, len(rows), color=_DANCE, lw=0.6, alpha=0.5)
    for position, label in enumerate(reversed(rows)):
        color = _TRUTH if label in baselines.LABELS else _ROWS
        beats_s = analysis.audio[label][0].beats_s
        axes.vlines(beats_s, position + 0.1, position + 0.9, color=color, lw=2.0)
    ticks = [k + 0.5 for k in range(len(rows) + 1)]
    axes.set_yticks(ticks, [*reversed(rows), "dance"], fontsize=8)
    axes.set_xlim(0.0, shown_s)
    axes.set_ylim(0.0, len(rows) + 1.05)
    axes.set_title(printable(analysis.clip.name).replace("$", r"\$"), loc="left", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)


def draw_distributions(path: Path, evaluation: Evaluation) -> None:
    """Draw every dance's value of every metric, a panel a metric, with each row's mean."""
    metrics = [
        name
        for name in evaluation.metrics
        if any(np.isfinite(row.get(name, np.nan)).any() for row in evaluation.values.values())
    ]
    rows = max(1, -(-len(metrics) // _COLUMNS))
    figure = _figure(3.3 * _COLUMNS, 0.7 + rows * (0.9 + 0.24 * len(evaluation.labels)))
    for number, name in enumerate(metrics):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        _draw_distribution(axes, evaluation, name, first=number % _COLUMNS == 0)
    figure.suptitle("a dot a dance, a bar for the mean", fontsize=11)
    _write(figure, path)


def _draw_distribution(axes: Any, evaluation: Evaluation, name: str, *, first: bool) -> None:  # noqa: ANN401
    rng = np.random.default_rng(_SEED)
    labels = list(reversed(evaluation.labels))
    for position, label in enumerate(labels):
        column = evaluation.values[label].get(name, np.empty(0))
        clean = column[np.isfinite(column)]
        color = _TRUTH if label in baselines.LABELS else _ROWS
        axes.scatter(clean, position + rng.uniform(-0.25, 0.25, len(clean)), s=5, color=color, lw=0)
        if len(clean):
            axes.vlines(clean.mean(), position - 0.4, position + 0.4, color=_DANCE, lw=2.0)
    axes.set_yticks(range(len(labels)), labels if first else [], fontsize=8)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.set_title(f"{name}{registry.metric_named(name).arrow}", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)


def _figure(width: float, height: float) -> "Figure":
    with extra("plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write(figure: "Figure", path: Path) -> None:
    with files.atomic_file(path) as aside:
        figure.savefig(aside, dpi=100, format="png")
