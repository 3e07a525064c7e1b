"""The card of an adapter: what it was made of and how well it fits."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune import files, genres
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.tuning.settings import TuneTraining

if TYPE_CHECKING:
    from kinetune.training.tuning.tune import TuneResult


def write_card(
    path: Path, settings: TuneTraining, prepared: PreparedSet, result: "TuneResult"
) -> None:
    """Write the card as Markdown."""
    files.write_text(path, card_text(settings, prepared, result))


def card_text(settings: TuneTraining, prepared: PreparedSet, result: "TuneResult") -> str:
    """Return the card of an adapter as Markdown.

    Args:
        settings: The run.
        prepared: What it was trained on.
        result: What came of it.
    """
    training = [item for item in prepared.items if not item.held_out]
    minutes = sum(item.duration_s for item in training) / 60.0
    counts = Counter(genres.genre_name(item.genre) for item in training)
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    held_out = len(prepared.items) - len(training)
    loop = settings.diffusion.loop
    loss = "not measured, no item was held out"
    if not math.isnan(result.best):
        loss = (
            f"{result.best:.4f} at step {result.best_step}, against {result.before:.4f} of "
            f"{settings.start}"
        )
    new = ", ".join(result.genres) or "none"
    return f"""# Adapter for the kinetune model {settings.start}

| | |
|---|---|
| base | {settings.start} |
| trained on | {len(training)} items, {minutes:.1f} min: {listed} |
| held out | {held_out} items |
| replayed | {settings.replay:.0%} of the windows are of {settings.replay_data or "the corpus"} |
| new genres | {new} |
| held-out loss | {loss} |
| rank | {settings.rank} |
| training | {result.training.step} steps, batch {loop.batch_size}, rate {loop.learning_rate:g} |

Use it with `kinetune generate DANCE --model {settings.start}+{result.adapter.name}`.

The music it was trained on decides who may use it, and for what: state here whose music it is.
"""
