"""Denoising error on held-out windows, by noise level and by condition left out.

    python benchmarks/denoiser_loss.py RUN --config configs/default.toml [--windows 128]

RUN is the folder of a ``kinetune train diffusion`` run. Its model (with the moving average of the
weights) is evaluated on windows of the items that training left out, each with the same noise for
every run. Prints the error of the prediction, weighted by channel as in training (``mse``): 1 is
what a network that always predicts zero has.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.config import TrainConfig, read_train_config
from kinetune.training.data import dataset
from kinetune.training.diffusion import DenoisingObjective

# Diffusion steps out of 1000: from nearly clean to nearly pure noise.
STEPS = (100, 300, 500, 700, 900)
_LEFT_OUT = ("", "motion", "grid", "genre", "harmony", "attributes", "similarity")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=128)
    options = parser.parse_args()
    config = read_train_config(options.config)
    print("| run | condition left out | " + " | ".join(f"step {n}" for n in STEPS) + " | mean |")
    print("|" + "---|" * (len(STEPS) + 3))
    for run in options.run:
        pipeline = DanceToMusicPipeline.from_pretrained(run / "model")
        batches = list(held_out_batches(config, run, pipeline, options.windows))
        for name in _LEFT_OUT:
            errors = [error_at(step, batches, pipeline, name) for step in STEPS]
            row = " | ".join(f"{error:.3f}" for error in (*errors, sum(errors) / len(errors)))
            print(f"| {run} | {name or 'none'} | {row} |")


def held_out_batches(
    config: TrainConfig, run: Path, pipeline: DanceToMusicPipeline, count: int
) -> Iterator[tuple[Tensor, ConditionBatch]]:
    """Yield the latents and conditions of ``count`` held-out windows, evenly spread."""
    prepared, _ = dataset.open_windows(config.data, run, pipeline)
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=shape.music_s / 2, held_out=True)
    windows = windows[:: max(1, len(windows) // count)][:count]
    conditions = dataset.Conditions(prepared, pipeline)
    size = 16
    means = dataset.encode_windows(prepared, windows, pipeline, batch_size=size)
    for first, (mean, _) in zip(range(0, len(windows), size), means, strict=True):
        part = windows[first : first + size]
        yield mean.float(), conditions.batch(part, shift_s=[0.0] * len(part))


@torch.no_grad()
def error_at(
    step: int,
    batches: list[tuple[Tensor, ConditionBatch]],
    pipeline: DanceToMusicPipeline,
    left_out: str,
) -> float:
    """Return the mean error of the prediction at a diffusion step, without one condition."""
    objective = DenoisingObjective(pipeline)
    generator = torch.Generator().manual_seed(step)
    errors = []
    for clean, given in batches:
        conditions = given
        if left_out:
            name = f"keep_{left_out}" if hasattr(given, f"keep_{left_out}") else left_out
            conditions = replace(given, **{name: getattr(given.dropped(), name)})
        noise = torch.randn(clean.shape, generator=generator)
        steps = torch.full((len(clean),), step)
        noisy = objective.schedule.add_noise(clean, noise, steps)
        encoded = pipeline.condition_encoder(conditions)
        predicted = pipeline.unet(noisy, steps, **encoded).sample
        velocity = objective.schedule.config.prediction_type == "v_prediction"
        target = objective.schedule.get_velocity(clean, noise, steps) if velocity else noise
        error = (predicted - target).square() * objective.channel_weights[:, None, None]
        errors.append(error.mean(dim=(1, 2, 3)))
    return float(torch.cat(errors).mean())


if __name__ == "__main__":
    main()
