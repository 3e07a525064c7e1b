"""``kinetune corpus``: make synthetic training data."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import RayOption
from kinetune.cli.terminal.output import print_line

app = typer.Typer(
    help="Make synthetic training data: dances with matching music.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Make synthetic training data: dances with matching music."""


@app.command("make")
def make(
    out: Annotated[Path, typer.Option(help="Output folder.")],
    minutes: Annotated[float, typer.Option(help="Amount of data to make, in minutes; above 0.")],
    seed: Annotated[
        int, typer.Option(help="Random seed, 0 or more; the same seed gives the same corpus.")
    ] = 0,
    genre: Annotated[
        str | None, typer.Option(help="One genre, by name or AIST++ code. (default: all ten)")
    ] = None,
    length: Annotated[float, typer.Option(help="Length of each pair, in seconds; above 0.")] = 24.0,
    rate: Annotated[int, typer.Option(help="Sample rate in Hz, 8000 to 192000.")] = 44_100,
    stereo: Annotated[bool, typer.Option(help="Stereo, or mono.")] = True,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Folder of motion clips to time-warp to the beat. (default: the bundled clips)"
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Make only part I of N; 'kinetune corpus merge' joins the parts."
        ),
    ] = None,
    ray: RayOption = None,
) -> None:
    """Make a corpus of synthetic dances and music; an interrupted run resumes."""
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.corpus.folder import PairSettings
    from kinetune.corpus.shards import parse_shard
    from kinetune.tasks.corpus import CorpusRequest, make_corpus

    pairs = PairSettings(genre, length, rate, 2 if stereo else 1, clips)
    part = None if shard is None else parse_shard(shard)
    request = CorpusRequest(out, minutes, seed, pairs, shard=part)
    with stage_bars() as progress:
        if ray is not None:
            from kinetune.cluster.actors import Cluster
            from kinetune.cluster.composing import make_pairs_on_cluster

            make_pairs_on_cluster(request, Cluster(ray), progress=progress)
        result = make_corpus(request, progress=progress)
    print_line(f"{result.manifest}: {result.items} pairs listed")


@app.command("merge")
def merge(
    out: Annotated[Path, typer.Argument(help="Folder of the whole corpus.")],
    parts: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of the parts. (default: all are in OUT)"),
    ] = None,
) -> None:
    """Join the parts made with --shard; the manifest is that of a corpus made at once."""
    from kinetune.tasks.corpus import merge_corpus

    result = merge_corpus(out, parts or ())
    print_line(f"{result.manifest}: {result.items} pairs listed")


@app.command("pack")
def pack(
    corpus: Annotated[Path, typer.Argument(help="Folder of the corpus.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards.")],
    pairs: Annotated[int, typer.Option(help="Pairs in a shard; 1 or more.")] = 200,
) -> None:
    """Write a corpus as tar shards in WebDataset's layout, for training from an object store."""
    from kinetune.training.data.tar_shards import write_tar_shards

    paths = write_tar_shards(corpus, out, pairs_per_shard=pairs)
    last = paths[-1].stem
    print_line(f"{len(paths)} shards; train on them with data.source = {out}/{{00000..{last}}}.tar")
