"""Generation of music for motion files, with all requested side outputs."""

from collections.abc import Callable

from kinetune.motion.group import dance_of
from kinetune.tasks.composing.engine import pipeline_for
from kinetune.tasks.generating.in_memory import finish_music, make_music
from kinetune.tasks.generating.jobs import plan_jobs, read_dancers
from kinetune.tasks.generating.request import BEAT_MAPS, FORMATS, GenerateRequest
from kinetune.tasks.generating.results import GeneratedPiece, GenerateResult, Scores
from kinetune.tasks.generating.writing import make_variations
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.failures import Failure, collect_failures
from kinetune.tasks.requests.harmony import check_harmony
from kinetune.tasks.requests.progress import Progress

__all__ = [
    "BEAT_MAPS",
    "FORMATS",
    "GenerateRequest",
    "GenerateResult",
    "GeneratedPiece",
    "Scores",
    "finish_music",
    "generate",
    "make_music",
]


def generate(
    request: GenerateRequest,
    *,
    progress: Progress | None = None,
    on_piece: Callable[[GeneratedPiece], None] | None = None,
    pipeline: LazyPipeline | None = None,
) -> GenerateResult:
    """Make music for every motion file; one that fails does not stop the others.

    Args:
        request: What to make.
        progress: Called with the progress.
        on_piece: Called with every piece as soon as its files are written.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: The model can't be loaded, or the output can't be written to: nothing was
            made.
    """
    pipeline = pipeline or pipeline_for(request.options, request.model, request.device)
    check_harmony(request.options, pipeline)
    jobs, skipped = plan_jobs(request, pipeline, progress)
    pieces: list[GeneratedPiece] = []
    failures: list[Failure] = []
    for job in jobs:
        files = read_dancers(job, failures)
        if files is None:
            continue
        clip = dance_of([file.clip for file in files])
        note = "; ".join(dict.fromkeys(file.note for file in files if file.note))
        # Outside of the context: a model that can't be loaded ends the batch.
        if request.options.engine == "diffusion":
            pipeline.load()
        with collect_failures(job.path, failures):
            for piece in make_variations(job, clip, note):
                pieces.append(piece)
                if on_piece is not None:
                    on_piece(piece)
    return GenerateResult(tuple(pieces), tuple(failures), tuple(skipped))
