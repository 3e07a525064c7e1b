"""Training speed of the default denoiser, and its loss curve, by number format.

    python benchmarks/train_speed.py [--batch 16] [--steps 6] [--rounds 5] [--compile]
    python benchmarks/train_speed.py --curve 160
    python benchmarks/train_speed.py --operations

The first form trains the whole UNet on random latents on one core, through the training loop as
``kinetune train`` runs it, and prints windows for each second of CPU time. CPU time still depends
on what else the machine does: compare rows of one run only, and look at their ranges. In the row
"autocast, plain optimiser" AdamW and the moving average go tensor by tensor, as in version 0.1;
convolutions and attention are today's in all rows. The second form trains a UNet of 2.3 M
parameters to reproduce eight fixed windows in each format, with the same seeds, and prints the mean
squared error of each quarter of the run. The third counts the floating-point operations of matrix
products, convolutions and attention for one window, forward and backward.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from kinetune.model.condition import ConditionBatch
from kinetune.model.conditioning.harmony import HARMONY_CHANNELS
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import ModelConfig, UNetConfig, build_pipeline
from kinetune.training.config import DiffusionTraining, LoopConfig
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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    parser.add_argument("--curve", type=int, default=0, help="steps of the loss curve")
    parser.add_argument("--operations", action="store_true", help="count them")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.only:
        print(cpu_seconds(options.only, options.batch, options.steps))
    elif options.operations:
        print_operations()
    elif options.curve:
        print_curves(options.curve)
    else:
        print_speeds(options)


def print_operations() -> None:
    """Print the floating-point operations of one window, forward and backward."""
    pipeline = build_pipeline(ModelConfig())
    objective = DenoisingObjective(pipeline)
    with FlopCounterMode(display=False) as counter:
        parts = objective(*random_windows(pipeline, 1), torch.Generator().manual_seed(0))
        parts["loss"].backward()
    print(f"{counter.get_total_flops() / 1e9:.2f} billion operations a window")


def print_speeds(options: argparse.Namespace) -> None:
    """Measure each format in a process of its own, round by round."""
    names = [BEFORE, *(name for name in FORMATS if options.compile or "compiled" not in name)]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            command = [
                sys.executable, __file__, "--only", name,
                "--batch", str(options.batch), "--steps", str(options.steps),
            ]  # fmt: skip
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds[name].append(float(done.stdout.split()[-1]))
    print("| format | CPU s a step, median | fastest to slowest | windows a CPU s | to float32 |")
    print("|---|---|---|---|---|")
    middle = {name: statistics.median(measured) for name, measured in seconds.items()}
    for name, measured in seconds.items():
        print(
            f"| {name} | {middle[name]:.3f} | {min(measured):.3f} to {max(measured):.3f} | "
            f"{options.batch / middle[name]:.1f} | {middle['float32'] / middle[name]:.2f} |"
        )


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
    """Train a small UNet on the same fixed windows in each format.

    The windows and the noise repeat, so that the network can learn them: a curve that doesn't fall
    would look the same in every format.
    """
    config = ModelConfig(unet=UNetConfig(block_out_channels=(64, 96, 128)))
    print("| format | " + " | ".join(f"quarter {k}" for k in range(1, 5)) + " |")
    print("|---|---|---|---|---|")
    for name in FORMATS:
        if "compiled" not in name:
            quarters = torch.tensor(curve(config, name, steps)).view(4, -1).mean(dim=1)
            print(f"| {name} | " + " | ".join(f"{q:.4f}" for q in quarters) + " |", flush=True)


def curve(config: ModelConfig, name: str, steps: int) -> list[float]:
    """Return the mean squared error of each step in one format."""
    pipeline = build_pipeline(config)
    objective = DenoisingObjective(pipeline, DiffusionTraining(min_snr_gamma=0.0))
    latents, conditions, mask = random_windows(pipeline, 8)
    errors: list[float] = []

    def loss(number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(number % 4)
        parts = objective(latents, conditions, mask, generator)
        errors.append(parts["mse"].item())
        return parts

    settings = LoopConfig(
        steps=steps, batch_size=8, warmup_steps=10, learning_rate=3e-3, **FORMATS[name]
    )
    with tempfile.TemporaryDirectory() as folder:
        TrainingLoop(objective, settings, Run(Path(folder))).run(loss)
    return errors


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
        torch.zeros(count, frames, HARMONY_CHANNELS),
        torch.ones(count),
        torch.zeros(count, 0),
        torch.zeros(count, 1, 0),
    )
    channels, columns = pipeline.unet.config.in_channels, pipeline.unet.config.sample_size
    clean = torch.randn(count, channels, 1, columns, generator=generator)
    folded = features.reshape(count, columns, -1)[..., :channels].transpose(1, 2)
    return 0.5 * clean + 0.85 * folded[:, :, None], conditions, torch.ones(count, columns)


if __name__ == "__main__":
    main()
