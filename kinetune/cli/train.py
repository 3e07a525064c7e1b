"""``kinetune train``: trains the VAE, then the denoiser; and the networks that listen and look."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinetune.training.loop import StepReport, TrainingResult

app = typer.Typer(
    help="Train the VAE, then the denoiser; the genre classifier; the beat network.",
    no_args_is_help=True,
)

_CONFIG = Annotated[Path, typer.Option(help="A TOML file, see configs/.")]
_OUT = Annotated[Path, typer.Option(help="Folder of the run.")]
_MINUTES = Annotated[
    float | None, typer.Option(help="Stop, saved, after so many minutes. (default: all steps)")
]
_RESUME = Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")]


@app.callback()
def _group() -> None:
    """Train the VAE, then the denoiser; the genre classifier; the beat network."""


@app.command("vae")
def vae(config: _CONFIG, out: _OUT, minutes: _MINUTES = None, resume: _RESUME = False) -> None:
    """Train the VAE; it is left in OUT/vae/model."""
    from kinetune.training.config import read_train_config
    from kinetune.training.vae import train_vae

    settings = read_train_config(config)
    with _bar("vae", settings.vae.loop.steps) as on_step:
        outcome = train_vae(settings, out, minutes=minutes, resume=resume, on_step=on_step)
    _tell(outcome, out / "vae" / "model")


@app.command("diffusion")
def diffusion(
    config: _CONFIG, out: _OUT, minutes: _MINUTES = None, resume: _RESUME = False
) -> None:
    """Train the denoiser on the VAE's latents; the whole model is left in OUT/model."""
    from kinetune.training.config import read_train_config
    from kinetune.training.diffusion import train_diffusion

    settings = read_train_config(config)
    with _bar("diffusion", settings.diffusion.loop.steps) as on_step:
        outcome = train_diffusion(settings, out, minutes=minutes, resume=resume, on_step=on_step)
    _tell(outcome, out / "model")


@app.command("genre")
def genre(config: _CONFIG, out: _OUT, minutes: _MINUTES = None, resume: _RESUME = False) -> None:
    """Train the genre classifier on a corpus; it is left in OUT/genre/model."""
    from kinetune.training.genre import read_genre_config, train_genre

    settings = read_genre_config(config)
    with _bar("genre", settings.loop.steps) as on_step:
        trained = train_genre(settings, out, minutes=minutes, resume=resume, on_step=on_step)
    _tell(trained.outcome, out / "genre" / "model")
    if trained.held_out:
        print(f"told right: {trained.accuracy:.1%} of {trained.held_out} held-out pieces")


@app.command("beats")
def beats(config: _CONFIG, out: _OUT, minutes: _MINUTES = None, resume: _RESUME = False) -> None:
    """Train the network that tells a body's beats; it is left in OUT/beats/model."""
    from kinetune.cli.terminal.progress import item_bar
    from kinetune.training.beats import open_bodies, read_beat_config, train_beats

    settings = read_beat_config(config)
    with item_bar("dances") as on_dance:
        open_bodies(settings.dances, out, on_dance=on_dance)
    with _bar("beats", settings.loop.steps) as on_step:
        outcome = train_beats(settings, out, minutes=minutes, resume=resume, on_step=on_step)
    _tell(outcome, out / "beats" / "model")


def _tell(outcome: "TrainingResult", where: Path) -> None:
    state = "finished" if outcome.finished else "stopped, --resume goes on"
    print(f"{where}: {outcome.step} steps ({state}), loss {outcome.loss:.4f}")


class _bar:
    """A progress bar with the loss and the time left, on stderr."""

    def __init__(self, title: str, steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}, {task.fields[left]} left"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(title, total=steps, loss=float("nan"), left="?")

    def __enter__(self) -> "Callable[[StepReport], None]":
        return self._update

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _update(self, report: "StepReport") -> None:
        self._bar.start()
        minutes, seconds = divmod(int(report.seconds_left), 60)
        self._bar.update(
            self._task, completed=report.step, loss=report.loss, left=f"{minutes}:{seconds:02d}"
        )
