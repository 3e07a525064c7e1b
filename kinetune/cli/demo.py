"""``kinetune demo``: the example dance becomes music, a picture and a film."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import ForceOption
from kinetune.cli.terminal.output import say


def command(
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "kinetune-demo"
    ),
    force: ForceOption = False,
) -> None:
    """Make music, a picture and a film of the dance that comes with kinetune."""
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
        say("Making music for a break dance (AIST++, Google LLC, CC BY 4.0) ...")
        request = GenerateRequest((dance,), sound, existing="replace", plot=_can_plot())
        result = generate(request, progress=progress)
        for failure in result.failures:
            raise KinetuneError(failure.error)
        (piece,) = result.pieces
        say(f"{piece.output}: {piece.duration_s:.1f} s at the dance's {piece.bpm:.1f} bpm")
        if piece.picture is not None:
            say(f"{piece.picture}: the dancer, the body's energy, the music and its beats")
        say("Making the film ...")
        options = FilmOptions(sound.with_suffix(".mp4"))
        try:
            made = film(FilmRequest(dance, sound, options, force=True), progress=progress)
            say(f"{made.output}: the dancer with the music")
        except MissingExtraError as error:
            say(f"no film: {error}")
    say("Another genre, the same dance:")
    say(f"  kinetune generate {dance} --genre house -o {out / 'house.wav'}")


def _can_plot() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None
