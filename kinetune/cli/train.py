"""``kinetune train``: train the networks or tune a model, one subcommand each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinetune.training.run import StepReport, TrainingResult

app = typer.Typer(
    help="Train the VAE, diffusion model, vocoder or one of the smaller networks; tune a model.",
    no_args_is_help=True,
)

_CONFIG = Annotated[Path, typer.Option(help="Training settings (.toml), see configs/.")]
_OUT = Annotated[Path, typer.Option(help="Folder of the training run.")]
_SET = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a setting, such as data.stride_s=3.0; repeatable.",
    ),
]
_MINUTES = Annotated[
    float | None,
    typer.Option(help="Save and stop after this many minutes; above 0. (default: all steps)"),
]
_RESUME = Annotated[bool, typer.Option("--resume", help="Continue the run in this folder.")]
_RESTART = Annotated[
    bool, typer.Option("--restart", help="Delete the run in this folder and start again.")
]
_WANDB = Annotated[
    bool, typer.Option("--wandb", help="Also log to Weights & Biases, if it is installed.")
]


@app.callback()
def _group() -> None:
    """Train the VAE, diffusion model, vocoder or one of the smaller networks; tune a model."""


@dataclass(frozen=True)
class _Run:
    """The options that all subcommands have.

    Attributes:
        config: The settings file.
        out: Folder of the run.
        overrides: Settings as KEY=VALUE.
        options: Fields of ``training.run.RunOptions``, whose module loads torch.
    """

    config: Path
    out: Path
    overrides: Sequence[str]
    options: dict[str, Any]


def _subcommand(train: Callable[[_Run], None]) -> Callable[[_Run], None]:
    """Make a function a subcommand by its name; all have the same options."""

    def command(
        config: _CONFIG,
        out: _OUT,
        set_: _SET = None,
        minutes: _MINUTES = None,
        resume: _RESUME = False,
        restart: _RESTART = False,
        wandb: _WANDB = False,
    ) -> None:
        options = {"minutes": minutes, "resume": resume, "restart": restart, "wandb": wandb}
        train(_Run(config, out, set_ or (), options))

    app.command(train.__name__, help=train.__doc__)(command)
    return train


@_subcommand
def vae(run: _Run) -> None:
    """Train the VAE; writes OUT/vae/model."""
    from kinetune.training.config import read_train_config
    from kinetune.training.vae import train_vae

    settings = read_train_config(run.config, run.overrides)
    with _Bar("vae", settings.vae.loop.steps) as on_step:
        result = train_vae(settings, run.out, **run.options, on_step=on_step)
    _print_result(result, run.out / "vae" / "model")


@_subcommand
def diffusion(run: _Run) -> None:
    """Train the diffusion model on the VAE's latents; writes the pipeline to OUT/model."""
    from kinetune.training.config import read_train_config
    from kinetune.training.diffusion import train_diffusion

    settings = read_train_config(run.config, run.overrides)
    with _Bar("diffusion", settings.diffusion.loop.steps) as on_step:
        result = train_diffusion(settings, run.out, **run.options, on_step=on_step)
    _print_result(result, run.out / "model")


@_subcommand
def genre(run: _Run) -> None:
    """Train the genre classifier on a corpus; writes OUT/genre/model."""
    from kinetune.training.metric_networks.genre import read_genre_config, train_genre
    from kinetune.training.parallel import is_main

    settings = read_genre_config(run.config, run.overrides)
    with _Bar("genre", settings.loop.steps) as on_step:
        trained = train_genre(settings, run.out, **run.options, on_step=on_step)
    _print_result(trained.training, run.out / "genre" / "model")
    if trained.held_out and is_main():
        print(f"accuracy: {trained.accuracy:.1%} of {trained.held_out} held-out pieces")


@_subcommand
def beats(run: _Run) -> None:
    """Train the network that detects beats in motion; writes OUT/beats/model."""
    from kinetune.cli.terminal.progress import item_bar
    from kinetune.training.beats import open_dances, read_beat_config, train_beats

    settings = read_beat_config(run.config, run.overrides)
    with item_bar("dances") as on_dance:
        open_dances(settings.dances, run.out, on_dance=on_dance)
    with _Bar("beats", settings.loop.steps) as on_step:
        result = train_beats(settings, run.out, **run.options, on_step=on_step)
    _print_result(result, run.out / "beats" / "model")


@_subcommand
def similarity(run: _Run) -> None:
    """Train the motion-music similarity network; writes OUT/similarity/model."""
    from kinetune.training.metric_networks.similarity import (
        read_similarity_config,
        train_similarity,
    )
    from kinetune.training.parallel import is_main

    settings = read_similarity_config(run.config, run.overrides)
    with _Bar("similarity", settings.loop.steps) as on_step:
        trained = train_similarity(settings, run.out, **run.options, on_step=on_step)
    _print_result(trained.training, run.out / "similarity" / "model")
    if trained.held_out > 1 and is_main():
        print(
            f"own music among the 5 most similar: {trained.retrieval:.1%} of {trained.held_out} "
            "held-out dances"
        )


@_subcommand
def vocoder(run: _Run) -> None:
    """Train the vocoder (mel spectrogram to waveform); writes OUT/vocoder/model."""
    from kinetune.training.vocoder import train_vocoder
    from kinetune.training.vocoder_config import read_vocoder_config

    settings = read_vocoder_config(run.config, run.overrides)
    with _Bar("vocoder", settings.loop.steps) as on_step:
        result = train_vocoder(settings, run.out, **run.options, on_step=on_step)
    _print_result(result, run.out / "vocoder" / "model")


@app.command("tune")
def tune_command(
    data: Annotated[Path, typer.Option(help="Prepared set, see 'kinetune prepare songs'.")],
    out: _OUT,
    start: Annotated[
        str, typer.Option(help="The model to tune: bundled name, folder or hub id.")
    ] = "default",
    set_: _SET = None,
    minutes: _MINUTES = None,
    resume: _RESUME = False,
    restart: _RESTART = False,
    wandb: _WANDB = False,
) -> None:
    """Fine-tune a model; writes OUT/adapter.safetensors for --model START+FILE, and its card."""
    from kinetune.training.parallel import is_main
    from kinetune.training.tuning.settings import tune_settings
    from kinetune.training.tuning.tune import tune

    settings = tune_settings(start, str(data), set_ or ())
    with _Bar("tune", settings.diffusion.loop.steps) as on_step:
        result = tune(
            settings, out, minutes=minutes, resume=resume, restart=restart, wandb=wandb,
            on_step=on_step,
        )  # fmt: skip
    _print_result(result.training, result.adapter)
    if is_main() and not math.isnan(result.best):
        print(
            f"held-out loss: {result.before:.4f} before, {result.best:.4f} at step "
            f"{result.best_step}, which was kept"
        )
    if is_main():
        print(f"use it with --model {start}+{result.adapter}")


def _print_result(result: "TrainingResult", folder: Path) -> None:
    from kinetune.training.parallel import is_main

    if not is_main():
        return
    state = "finished" if result.finished else "stopped, --resume continues"
    # Without a step in this call there is no pace.
    pace = "" if math.isnan(result.windows_per_s) else f", {result.windows_per_s:.1f} windows/s"
    print(f"{folder}: {result.step} steps ({state}), loss {result.loss:.4f}{pace}")


class _Bar:
    """A progress bar with the loss, the speed and the time left, on stderr."""

    def __init__(self, title: str, steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(title, total=steps, state="")

    def __enter__(self) -> "Callable[[StepReport], None]":
        return self._update

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _update(self, report: "StepReport") -> None:
        self._bar.start()
        minutes, seconds = divmod(int(report.seconds_left), 60)
        state = (
            f"loss {report.loss:.4f}, {report.windows_per_s:.1f} windows/s, "
            f"{minutes}:{seconds:02d} left"
        )
        self._bar.update(self._task, completed=report.step, state=state)
