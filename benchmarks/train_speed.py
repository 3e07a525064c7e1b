"""Training speed of the default denoiser, and its loss curve, by number format.

    python benchmarks/train_speed.py [--batch 16] [--steps 6] [--compile]
    python benchmarks/train_speed.py --curve 200

The first form trains the whole UNet on random latents on one core, through the training loop as
``kinetune train`` runs it, and prints windows for each second of CPU time; CPU time hardly depends
on what else the machine does. The row "autocast, plain optimiser" is how version 0.1 trained:
AdamW and the moving average go parameter by parameter. The second form trains a UNet of a fifth of
the size on 64 fixed windows in each format, with the same seeds, and prints the mean loss of each
quarter of the run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import ModelConfig, UNetConfig, build_pipeline
from kinetune.training.config import LoopConfig
from kinetune.training.diffusion import DenoisingObjective
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run

FORMATS = {
    "float32": {"mixed_precision": "no"},
    "autocast": {"mixed_precision": "bf16"},
    "bf16-master": {"mixed_precision": "bf16-master"},
    "bf16-master, compiled": {"mixed_precision": "bf16-master", "compile": True},
}
BEFORE = "autocast, plain optimiser"


def main() -> None:
    """Print the table of speeds or of losses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--curve", type=int, default=0, help="steps of the loss curve")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.only:
        print(cpu_seconds(asked.only, asked.batch, asked.steps))
    elif asked.curve:
        print_curves(asked.curve)
    else:
        print_speeds(asked)


def print_speeds(asked: argparse.Namespace) -> None:
    """Measure each format in a process of its own, twice, in turn, and keep the faster."""
    names = [BEFORE, *(name for name in FORMATS if asked.compile or "compiled" not in name)]
    seconds: dict[str, float] = {}
    for _ in range(2):
        for name in names:
            command = [
                sys.executable, __file__, "--only", name,
                "--batch", str(asked.batch), "--steps", str(asked.steps),
            ]  # fmt: skip
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[name] = min(seconds.get(name, 1e9), float(done.stdout.split()[-1]))
    print("| format | CPU s a step | windows a CPU second | to float32 |")
    print("|---|---|---|---|")
    for name in names:
        ratio = seconds["float32"] / seconds[name]
        pace = asked.batch / seconds[name]
        print(f"| {name} | {seconds[name]:.3f} | {pace:.1f} | {ratio:.2f} |")


def cpu_seconds(name: str, batch: int, steps: int) -> float:
    """Return the CPU seconds of a step; the first, which allocates and compiles, doesn't count."""
    pipeline = build_pipeline(ModelConfig())
    objective = DenoisingObjective(pipeline)
    data = random_windows(pipeline, batch)
    if name == BEFORE:
        return plain_cpu_seconds(objective, data, steps)
    config = LoopConfig(steps=steps + 1, batch_size=batch, **FORMATS[name])
    clock: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), on_step=lambda _: clock.append(time.process_time()))
        loop = TrainingLoop(objective, config, run)
        loop.run(lambda number: objective(*data, torch.Generator().manual_seed(number)))
    return (clock[-1] - clock[0]) / steps


def plain_cpu_seconds(
    objective: DenoisingObjective,
    data: tuple[torch.Tensor, ConditionBatch, torch.Tensor],
    steps: int,
) -> float:
    """Return the same for autocast with an optimiser and an average that go tensor by tensor."""
    from diffusers.training_utils import EMAModel

    parameters = list(objective.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=4e-4)
    average = EMAModel(parameters, decay=0.999, use_ema_warmup=True, power=0.75)
    clock = []
    for number in range(steps + 1):
        with torch.autocast("cpu", torch.bfloat16):
            loss = objective(*data, torch.Generator().manual_seed(number))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(parameters)
        clock.append(time.process_time())
    return (clock[-1] - clock[0]) / steps


def print_curves(steps: int) -> None:
    """Train a small UNet on the same fixed windows in each format."""
    config = ModelConfig(unet=UNetConfig(block_out_channels=(64, 96, 128)))
    print("| format | " + " | ".join(f"quarter {k}" for k in range(1, 5)) + " |")
    print("|---|---|---|---|---|")
    for name in FORMATS:
        if "compiled" in name:
            continue
        pipeline = build_pipeline(config)
        objective = DenoisingObjective(pipeline)
        latents, conditions, mask = random_windows(pipeline, 64)
        losses: list[float] = []

        def loss(number: int) -> dict[str, torch.Tensor]:
            chosen = torch.arange(8 * number, 8 * number + 8) % 64
            part = ConditionBatch(*(each[chosen] for each in conditions.parts()))  # noqa: B023
            generator = torch.Generator().manual_seed(number)
            parts = objective(latents[chosen], part, mask[chosen], generator)  # noqa: B023
            losses.append(float(parts["loss"].detach()))  # noqa: B023
            return parts

        settings = LoopConfig(steps=steps, batch_size=8, warmup_steps=20, **FORMATS[name])
        with tempfile.TemporaryDirectory() as folder:
            TrainingLoop(objective, settings, Run(Path(folder))).run(loss)
        quarters = torch.tensor(losses).view(4, -1).mean(dim=1)
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in quarters) + " |", flush=True)


def random_windows(
    pipeline: DanceToMusicPipeline, count: int
) -> tuple[torch.Tensor, ConditionBatch, torch.Tensor]:
    """Return latents that their conditions determine in part, and a mask of ones."""
    frames = pipeline.settings.window_frames
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(count, frames, 58, generator=generator)
    conditions = ConditionBatch(
        features,
        torch.randn(count, frames, 6, generator=generator),
        torch.arange(count) % 10,
        *[torch.ones(count)] * 3,
    )
    channels, columns = pipeline.unet.config.in_channels, pipeline.unet.config.sample_size
    clean = torch.randn(count, channels, 1, columns, generator=generator)
    folded = features.reshape(count, columns, -1)[..., :channels].transpose(1, 2)
    return 0.5 * clean + 0.85 * folded[:, :, None], conditions, torch.ones(count, columns)


if __name__ == "__main__":
    main()
