"""Evaluation of music, and data to train on."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from kinetune.corpus.folder import PairSettings
from kinetune.tasks import corpus as corpus_task
from kinetune.tasks import evaluate as evaluate_task
from kinetune.tasks.corpus import CorpusRequest, CorpusResult
from kinetune.tasks.evaluate import EvaluateRequest, EvaluateResult, ScoringOptions


def evaluate(
    music: str | Path | Mapping[str, str | Path],
    *,
    reference: str | Path | None = None,
    motions: str | Path | None = None,
    out: str | Path | None = None,
    scoring: ScoringOptions | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EvaluateResult:
    """Return metrics of dance music from any system, with baselines.

    Args:
        music: A folder of sound files, or several by label.
        reference: Folder of the music that was danced to.
        motions: Folder of the dances.
        out: Folder for tables and pictures; None keeps none.
        scoring: How it is made.
        progress: Called with the stage, and what is done of it and in all.

    Raises:
        KinetuneError: A folder, file or label can't be used.
    """
    if isinstance(music, Mapping):
        systems = {label: Path(folder) for label, folder in music.items()}
    else:
        systems = {Path(music).resolve().name: Path(music)}
    with tempfile.TemporaryDirectory() as scratch:
        request = EvaluateRequest(
            systems,
            Path(out or scratch),
            None if reference is None else Path(reference),
            None if motions is None else Path(motions),
            scoring=scoring or ScoringOptions(),
        )
        return evaluate_task.evaluate(request, progress=progress)


def make_corpus(
    out: str | Path,
    minutes: float,
    *,
    seed: int = 0,
    pairs: PairSettings | None = None,
    workers: int | None = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> CorpusResult:
    """Make paired dances and music to train on, or continue with a corpus that was interrupted.

    Args:
        out: Its folder.
        minutes: Minutes of dance and music, at least.
        seed: The same seed gives the same corpus.
        pairs: What its pairs share: genre, length, rate.
        workers: Processes; None is one a core, which needs ``if __name__ == "__main__":`` in a
            script.
        progress: Called with the stage, and pairs done and in all.

    Raises:
        KinetuneError: A setting is out of range, or the folder can't be written to.
    """
    request = CorpusRequest(Path(out), minutes, seed, pairs or PairSettings(), workers)
    return corpus_task.make_corpus(request, progress=progress)
