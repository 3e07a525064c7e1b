"""Evaluation of dance music from any system: folders in, a table with baselines out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.tasks.requests.progress import Progress

if TYPE_CHECKING:
    from kinetune.metrics.evaluation.protocol import Evaluation, Settings
    from kinetune.metrics.evaluation.runner import Mapper


@dataclass(frozen=True)
class ScoringOptions:
    """How an evaluation is made.

    Attributes:
        against: The row that the others are tested against; None is the first.
        embeddings: Embeddings for distances between sets, as NAME or NAME=FILE with weights.
        genre: Whether to run the genre classifier.
        ms_sincresnet: Weights of MS-SincResNet, for the published genre divergence.
        seed: Of noise, random pairs and intervals; 0 or more.
        workers: Processes; None is one a core.
        similarity: Whether to run the motion-music similarity network.

    Raises:
        ConfigError: The seed is negative.
    """

    against: str | None = None
    embeddings: tuple[str, ...] = ()
    genre: bool = True
    ms_sincresnet: Path | None = None
    seed: int = 0
    workers: int | None = None
    similarity: bool = True

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"the seed must be 0 or more, found {self.seed}")

    def settings(self) -> "Settings":
        """Return the settings of the metrics' protocol."""
        from kinetune.metrics.evaluation.embedding_scores import NetworkOptions
        from kinetune.metrics.evaluation.protocol import Settings

        networks = NetworkOptions(self.embeddings, self.genre, self.ms_sincresnet, self.similarity)
        return Settings(self.against, networks, self.seed, workers=self.workers)


@dataclass(frozen=True)
class EvaluateRequest:
    """Folders of music to score.

    Attributes:
        systems: Folders of music by label; each becomes a row, in this order. Subfolders hold
            variations.
        out: Folder for tables and pictures.
        reference: Folder of the music that was danced to.
        motions: Folder of the dances.
        genres: File of the dances' genres.
        beats: Folder of the true beats, a file a dance.
        scoring: How it is made.
    """

    systems: Mapping[str, Path]
    out: Path
    reference: Path | None = None
    motions: Path | None = None
    genres: Path | None = None
    beats: Path | None = None
    scoring: ScoringOptions = field(default_factory=ScoringOptions)


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """Scores by row.

    Attributes:
        results: Value, interval and count by label and metric, as in ``results.json``.
        report: The table, its limits and what went wrong, as Markdown.
        page: The page with pictures that was written.
        unusable: Files that could not be used, one line each.
        evaluation: All values behind the table.
    """

    results: dict[str, Any]
    report: str
    page: Path
    unusable: tuple[str, ...]
    evaluation: "Evaluation"

    def _repr_markdown_(self) -> str:
        return self.report


def evaluate(
    request: EvaluateRequest, *, progress: Progress | None = None, mapper: "Mapper | None" = None
) -> EvaluateResult:
    """Score folders of music and write the report.

    Args:
        request: What to score.
        progress: Called with the progress.
        mapper: Where dances are analysed and networks applied; on this machine if None.

    Raises:
        KinetuneError: A folder, file or label can't be used; nothing was written.
    """
    from kinetune.metrics.evaluation import protocol
    from kinetune.metrics.evaluation.pairing import Folders
    from kinetune.metrics.evaluation.report import (
        limits_section,
        markdown_table,
        problems_section,
        results_table,
        write_report,
    )
    from kinetune.metrics.evaluation.runner import UNUSABLE

    folders = Folders(
        dict(request.systems), request.reference, request.motions, request.genres, request.beats
    )
    check_writable(request.out)
    evaluation = protocol.evaluate(
        folders, request.scoring.settings(), progress=progress, mapper=mapper
    )
    write_report(evaluation, request.out)
    parts = (markdown_table(evaluation), limits_section(evaluation), problems_section(evaluation))
    return EvaluateResult(
        results=results_table(evaluation),
        report="\n\n".join(part for part in parts if part),
        page=request.out / "results.md",
        unusable=tuple(p.detail for p in evaluation.problems if p.kind == UNUSABLE),
        evaluation=evaluation,
    )
