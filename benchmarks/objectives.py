"""Velocity prediction or rectified flow: which objective learns faster?

    python benchmarks/objectives.py RUN --config configs/default.toml
        [--set data.source=runs/corpus] [--steps 150]

RUN is the folder of a ``kinetune train diffusion`` run, whose prepared data and latents are used.
For every objective the same untrained denoiser learns from the same batches, with the same
optimiser and schedule:

- velocity: velocity prediction, diffusion steps drawn uniformly, min-SNR weights (as bundled);
- flow: the velocity of rectified flow (Liu et al. 2023), times drawn from a logit-normal
  distribution (Esser et al. 2024);
- gain: velocity, latent channels weighted by their gain in the spectrogram.

Prints the error of the clean latent that each predicts at the same signal-to-noise ratios, on
held-out windows: the mean over channels, and weighted by the squared gain of each channel, which is
its share of the spectrogram's error.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from denoiser_loss import STEPS, held_out_batches
from torch import Tensor

from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline
from kinetune.model.vae import channel_gains
from kinetune.training.config import TrainConfig, read_train_config
from kinetune.training.data import dataset
from kinetune.training.diffusion import BatchSampler, DenoisingObjective, cached_latents

_LEARNING_RATE, _WARMUP = 4e-4, 30


class FlowObjective(DenoisingObjective):
    """Rectified flow: the network predicts noise less clean latent."""

    def forward(
        self, clean: Tensor, conditions: ConditionBatch, mask: Tensor,
        generator: list[torch.Generator],
    ) -> dict[str, Tensor]:  # fmt: skip
        """Return the loss; arguments as those of :class:`DenoisingObjective`."""
        draws = torch.cat([torch.randn(1, generator=each) for each in generator])
        noise = torch.stack([torch.randn(clean.shape[1:], generator=each) for each in generator])
        time = draws.sigmoid()[:, None, None, None]
        length = ((1.0 - time).square() + time.square()).sqrt()
        # The network sees unit variance, and the diffusion step of the same signal-to-noise ratio.
        noisy = ((1.0 - time) * clean + time * noise) / length
        kept = ((1.0 - time) / length).square().flatten()
        steps = (self.schedule.alphas_cumprod[None] - kept[:, None]).abs().argmin(dim=1)
        predicted = self.unet(noisy, steps, **self.condition_encoder(conditions)).sample
        weight = mask[:, None, None] / mask.mean(dim=1)[:, None, None, None]
        return {"loss": (weight * (predicted - (noise - clean)).square()).mean()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--windows", type=int, default=128)
    parser.add_argument("--objectives", nargs="+", default=["velocity", "flow", "gain"])
    options = parser.parse_args()
    config = read_train_config(options.config, options.set)
    print("| objective | error | " + " | ".join(f"step {n}" for n in STEPS) + " | mean |")
    print("|" + "---|" * (len(STEPS) + 3))
    for name in options.objectives:
        pipeline = trained(config, options.run, name, options.steps)
        batches = list(held_out_batches(config, options.run, pipeline, options.windows))
        errors = [clean_error(step, batches, pipeline, flow=name == "flow") for step in STEPS]
        share = channel_gains(pipeline.vae).square()
        for title, weights in (("latent", torch.ones_like(share)), ("spectrogram", share)):
            values = [float((weights * error).sum() / weights.sum()) for error in errors]
            row = " | ".join(f"{v:.3f}" for v in (*values, sum(values) / len(values)))
            print(f"| {name} | {title} | {row} |", flush=True)


def trained(config: TrainConfig, run: Path, name: str, steps: int) -> DanceToMusicPipeline:
    """Return a pipeline whose denoiser has learned from random weights by an objective."""
    start = DanceToMusicPipeline.from_pretrained(config.diffusion.start or "default")
    pipeline = build_pipeline(config.model, seed=0)
    pipeline.register_modules(vae=start.vae, normaliser=start.normaliser)
    settings = replace(config.diffusion, channel_gain_power=1.0 if name == "gain" else 0.0)
    prepared, windows = dataset.open_windows(config.data, run, pipeline)
    latents = cached_latents(prepared, windows, pipeline, run)
    conditions = dataset.Conditions(prepared, pipeline)
    sampler = BatchSampler(windows, latents, conditions, pipeline, settings)
    objective = (FlowObjective if name == "flow" else DenoisingObjective)(pipeline, settings)
    weights = [p for p in objective.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=_LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: min(1.0, (k + 1) / _WARMUP) * max(0.02, 1.0 - k / steps)
    )
    objective.train()
    for number in range(steps):
        optimiser.zero_grad()
        objective(*sampler.batch(number))["loss"].backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
    objective.eval()
    return pipeline


@torch.no_grad()
def clean_error(
    step: int,
    batches: list[tuple[Tensor, ConditionBatch]],
    pipeline: DanceToMusicPipeline,
    *,
    flow: bool,
) -> Tensor:
    """Return the mean square error of the predicted clean latent for each channel, (C,)."""
    kept = DenoisingObjective(pipeline).schedule.alphas_cumprod[step]
    signal, noise_level = kept.sqrt(), (1.0 - kept).sqrt()
    generator = torch.Generator().manual_seed(step)
    errors = []
    for clean, conditions in batches:
        noise = torch.randn(clean.shape, generator=generator)
        noisy = signal * clean + noise_level * noise
        encoded = pipeline.condition_encoder(conditions)
        output = pipeline.unet(noisy, torch.full((len(clean),), step), **encoded).sample
        if flow:
            # With x = (1 - t) clean + t noise: clean = x - t (noise - clean).
            predicted = (noisy - noise_level * output) / (signal + noise_level)
        else:
            predicted = signal * noisy - noise_level * output
        errors.append((predicted - clean).square().mean(dim=(2, 3)))
    return torch.cat(errors).mean(dim=0)


if __name__ == "__main__":
    main()
