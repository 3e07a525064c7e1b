"""Synthetic training data: paired dances and music from a seed."""

from dataclasses import dataclass, field
from pathlib import Path

from kinetune.corpus import folder
from kinetune.corpus.folder import PairSettings
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
    """

    out: Path
    minutes: float
    seed: int = 0
    pairs: PairSettings = field(default_factory=PairSettings)
    workers: int | None = None


@dataclass(frozen=True)
class CorpusResult:
    """A corpus that was made.

    Attributes:
        manifest: The file that lists its items, one a line.
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
        workers=request.workers, progress=stage(progress, "making pairs"),
    )  # fmt: skip
    return CorpusResult(str(manifest), len(folder.read_manifest(request.out)))
