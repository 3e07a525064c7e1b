"""``kinetune corpus``: makes dances and music to learn from."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.output import say

app = typer.Typer(help="Make dances and music to learn from.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make dances and music to learn from."""


@app.command("make")
def make(
    out: Annotated[Path, typer.Option(help="Where the corpus goes.")],
    minutes: Annotated[float, typer.Option(help="Minutes of paired dance and music.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.")] = 0,
    genre: Annotated[str | None, typer.Option(help="Name or code. (default: all ten)")] = None,
    length: Annotated[float, typer.Option(help="Seconds of each pair.")] = 24.0,
    rate: Annotated[
        int | None, typer.Option(help="Samples a second of the sound. (default: 22050)")
    ] = None,
    stereo: Annotated[bool, typer.Option(help="Two channels instead of one.")] = False,
    clips: Annotated[
        Path | None,
        typer.Option(help="A folder of your own motions to bend to the beat, as BVH, .pkl, .npz."),
    ] = None,
) -> None:
    """Make paired dances and music from a seed; stopped, it goes on where it was."""
    from kinetune import timebase
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.corpus.folder import PairSettings
    from kinetune.tasks.corpus import CorpusRequest, make_corpus

    pairs = PairSettings(genre, length, rate or timebase.SAMPLE_RATE_HZ, 2 if stereo else 1, clips)
    with stage_bars() as progress:
        result = make_corpus(CorpusRequest(out, minutes, seed, pairs), progress=progress)
    say(f"{result.manifest}: the list of its {result.items} pairs")
