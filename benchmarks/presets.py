"""The presets side by side in one run: a training step, and five seconds of music.

    python benchmarks/presets.py [--batch 8] [--steps 2] [--presets paper default]

Untrained weights, made-up numbers: time and memory do not depend on what was learned. Each preset
runs in its own process. Training: forward, backward and AdamW on random latents of the preset's own
shape. Music: the whole pipeline at the preset's own steps and guidance on five seconds of a dance,
models loaded. Prints a Markdown table.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

CLIP_S = 5.0


def measure(name: str, batch: int, steps: int) -> str:
    """Return one preset's row."""
    import torch

    from kinetune.corpus.choreography.choreographer import choreograph
    from kinetune.corpus.choreography.dance import DanceRequest
    from kinetune.model.condition import stack
    from kinetune.model.conditioning.window_conditions import dance_input
    from kinetune.model.presets import build_pipeline, preset_config
    from kinetune.model.vae import frames_per_column
    from kinetune.motion.beats.beat_grid import beat_grid
    from kinetune.training.diffusion import DenoisingObjective

    pipeline = build_pipeline(preset_config(name))
    clip = choreograph(1, DanceRequest(genre="house", bpm=120.0, duration_s=CLIP_S)).clip
    seconds = pipeline(clip, genre="house").seconds
    made_mb = peak_mb()

    dance = dance_input(pipeline.normaliser, clip, beat_grid(clip), "house")
    conditions = stack([pipeline.condition_encoder.gather(dance, 0.0)] * batch)
    columns = pipeline.settings.window_frames // frames_per_column(pipeline.vae)
    height = columns if name == "paper" else 1
    clean = torch.randn(batch, pipeline.unet.config.in_channels, height, columns)
    denoiser = DenoisingObjective(pipeline)
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=1e-4)
    spent = []
    for step in range(steps + 1):
        began = time.perf_counter()
        generator = torch.Generator().manual_seed(step)
        denoiser(clean, conditions, torch.ones(batch, columns), generator)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        spent.append(time.perf_counter() - began)
    unet, vae = (sum(p.numel() for p in part.parameters()) / 1e6
                 for part in (pipeline.unet, pipeline.vae))  # fmt: skip
    # The first step allocates; it is not counted.
    step_s = statistics.median(spent[1:])
    return (
        f"| {name} | {unet:.1f} M + {vae:.1f} M | {step_s:.2f} s | {batch / step_s:.1f} | "
        f"{peak_mb():.0f} MB | {seconds.denoise:.1f} s | {seconds.decode:.1f} s | "
        f"{seconds.vocode:.1f} s | {seconds.total:.1f} s | {made_mb:.0f} MB |"
    )


def peak_mb() -> float:
    """Return the most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--presets", nargs="+", default=["paper", "default"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measure(options.one, options.batch, options.steps))
        return
    print(
        f"| preset | UNet + VAE | step, batch {options.batch} | samples a second | memory | "
        f"denoise | decode | vocode | {CLIP_S:g} s of music | memory |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in options.presets:
        command = [sys.executable, __file__, "--one", name]
        command += ["--batch", str(options.batch), "--steps", str(options.steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
