"""Synthetic training data: paired dances and music from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinetune.corpus import folder, shards
from kinetune.corpus.folder import PairSettings
from kinetune.corpus.shards import Shard
from kinetune.tasks.requests.progress import Progress, stage


@dataclass(frozen=True)
class CorpusRequest:
    """A corpus to make.

    Attributes:
        out: Its folder.
        minutes: Minutes of paired dance and music, at least; positive.
        seed: 0 or more; the same seed gives the same corpus.
        pairs: What its pairs share.
        workers: Processes; None is one a core.
        shard: Only this part of it; None makes all.
    """

    out: Path
    minutes: float
    seed: int = 0
    pairs: PairSettings = field(default_factory=PairSettings)
    workers: int | None = None
    shard: Shard | None = None


@dataclass(frozen=True)
class CorpusResult:
    """A corpus that was made.

    Attributes:
        manifest: The file that lists its items, one a line, or the part's.
        items: How many it contains.
    """

    manifest: str
    items: int


def make_corpus(request: CorpusRequest, *, progress: Progress | None = None) -> CorpusResult:
    """Make a corpus, or resume an interrupted one.

    Args:
        request: What to make.
        progress: Called with the progress.

    Raises:
        KinetuneError: A setting is out of range, or the folder can't be written to.
    """
    manifest = folder.make_corpus(
        request.out, minutes=request.minutes, seed=request.seed, settings=request.pairs,
        shard=request.shard, workers=request.workers,
        progress=stage(progress, "making pairs"),
    )  # fmt: skip
    if request.shard is not None:
        planned = folder.plan_pairs(request.pairs, minutes=request.minutes, seed=request.seed)
        return CorpusResult(str(manifest), len(request.shard.of(planned)))
    return CorpusResult(str(manifest), len(folder.read_manifest(request.out)))


def merge_corpus(out: Path, folders: Sequence[Path] = ()) -> CorpusResult:
    """Join the parts of a corpus that were made with ``shard``.

    Args:
        out: Folder of the whole corpus.
        folders: Where the parts are; ``out`` itself if none are named.

    Raises:
        KinetuneError: A part is missing or of another corpus, or the folder can't be written to.
    """
    manifest = shards.merge_corpus(out, folders)
    return CorpusResult(str(manifest), len(folder.read_manifest(out)))
