"""``kinetune demo``: music, a picture and a video for the example dance."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import ForceOption
from kinetune.cli.terminal.output import print_line


def command(
    out: Annotated[Path, typer.Option("-o", "--output", help="Output folder.")] = Path(
        "kinetune-demo"
    ),
    force: ForceOption = False,
) -> None:
    """Generate music, a picture and a video for the example dance."""
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.errors import KinetuneError, MissingExtraError
    from kinetune.example import example_dance
    from kinetune.tasks.film import FilmRequest, film
    from kinetune.tasks.generate import GenerateRequest, generate
    from kinetune.tasks.requests.output_paths import FilmOptions, check_absent

    dance, sound = example_dance(), out / "demo.wav"
    if not force:
        check_absent([sound.with_suffix(suffix) for suffix in (".wav", ".json", ".png", ".mp4")])
    with passing_bar(quiet=False) as progress:
        print_line("Generating music for a break dance (AIST++, Google LLC, CC BY 4.0) ...")
        request = GenerateRequest((dance,), sound, existing="replace", plot=_can_plot())
        result = generate(request, progress=progress)
        for failure in result.failures:
            raise KinetuneError(failure.error)
        (piece,) = result.pieces
        print_line(f"{piece.output}: {piece.duration_s:.1f} s at the dance's {piece.bpm:.1f} bpm")
        if piece.picture is not None:
            print_line(f"{piece.picture}: motion energy, spectrogram and beats")
        print_line("Rendering the video ...")
        options = FilmOptions(sound.with_suffix(".mp4"))
        try:
            made = film(FilmRequest(dance, sound, options, force=True), progress=progress)
            print_line(f"{made.output}: the dance with its music")
        except MissingExtraError as error:
            print_line(f"no video: {error}")
    print_line("Try another genre:")
    print_line(f"  kinetune generate {dance} --genre house -o {out / 'house.wav'}")
    print_line("Or look and drag instead, in your browser:")
    print_line("  kinetune studio")


def _can_plot() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None
