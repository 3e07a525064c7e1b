"""``kinetune export``: a model for programs without PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import ModelOption
from kinetune.cli.terminal.output import print_line

app = typer.Typer(help="Write a model for programs without PyTorch.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Write a model for programs without PyTorch."""


@app.command("onnx")
def onnx(
    out: Annotated[Path, typer.Option("--out", help="Output folder.")],
    model: ModelOption = "default",
) -> None:
    """Write denoiser, decoder and vocoder as ONNX files, checked against PyTorch."""
    from kinetune.model.hub.onnx_export import export_onnx
    from kinetune.model.pipeline import DanceToMusicPipeline

    for made in export_onnx(DanceToMusicPipeline.from_pretrained(model), out):
        print_line(
            f"{made.path}: {made.bytes / 1e6:.1f} MB, differs from PyTorch by at most "
            f"{made.difference:.1g}"
        )
