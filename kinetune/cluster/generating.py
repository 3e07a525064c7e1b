"""``kinetune generate --ray``: music for many dances on a cluster.

A finished dance leaves ``.kinetune/KEY.json`` in its output folder: what was made of it. The key is
the checksum of the motion file, the request and the model, so the same call again makes only what
is missing, and another request or model makes all anew. ``KEY.started`` marks files as this call's
own: a worker that takes up the work of one that died replaces them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kinetune
from kinetune.cluster.actors import Cluster, map_rows
from kinetune.errors import ConfigError, KinetuneError
from kinetune.files import check_writable, write_json, write_text
from kinetune.tasks.composing.engine import pipeline_for
from kinetune.tasks.generate import GeneratedPiece, GenerateRequest, GenerateResult, generate
from kinetune.tasks.recipe import file_sha256, model_sha256
from kinetune.tasks.requests.failures import Failure
from kinetune.tasks.requests.motion_files import find_motions
from kinetune.tasks.requests.output_paths import OutputPaths, check_absent, plan_outputs
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.tasks.requests.serialisation import from_json, to_json

_STATE = ".kinetune"
# Fields of a request that say where and how, not what.
_NOT_IN_KEY = ("motions", "output", "existing", "device", "recursive")


@dataclass(frozen=True)
class _Dance:
    """One dance of the batch."""

    motion: Path
    paths: OutputPaths
    key: str

    @property
    def record(self) -> Path:
        """What was made of it, once it is finished."""
        return self.paths.sound.parent / _STATE / f"{self.key}.json"

    @property
    def started(self) -> Path:
        """Marks its files as this request's own."""
        return self.record.with_suffix(".started")

    def result(self) -> GenerateResult | None:
        """Return what was made of it, if all of its files are there."""
        try:
            table = json.loads(self.record.read_text(encoding="utf-8"))
            made = from_json(GenerateResult, table, context=str(self.record))
        except (OSError, ValueError, ConfigError):
            return None
        whole = all(
            Path(f).is_file() for piece in made.pieces for f in (piece.output, piece.recipe)
        )
        return made if made.pieces and whole else None


def generate_on_cluster(
    request: GenerateRequest,
    *,
    cluster: Cluster,
    progress: Progress | None = None,
    on_piece: Callable[[GeneratedPiece], None] | None = None,
) -> GenerateResult:
    """Make music for every motion file on a cluster; one that fails does not stop the others.

    Motions and outputs must lie on a file system that all machines see.

    Args:
        request: What to make; no group.
        cluster: Where.
        progress: Called with the progress.
        on_piece: Called with every new piece, in the order in which they are finished.

    Raises:
        KinetuneError: The model can't be found, files exist that another request made, or there is
            no such cluster: nothing was made.
    """
    if request.together:
        raise ConfigError("--ray makes one piece for each dance; leave out --together")
    dances = _plan(request)
    todo = [dance for dance in dances if dance.result() is None]
    _check_files(request, todo)
    skipped = tuple(str(dance.motion) for dance in dances if dance not in todo)
    results = _run(request, todo, cluster, progress, on_piece)
    pieces = [piece for dance in todo for piece in results.get(dance.key, _none()).pieces]
    failures = [each for dance in todo for each in results.get(dance.key, _lost(dance)).failures]
    return GenerateResult(tuple(pieces), tuple(failures), skipped)


def _run(
    request: GenerateRequest,
    todo: list[_Dance],
    cluster: Cluster,
    progress: Progress | None,
    on_piece: Callable[[GeneratedPiece], None] | None,
) -> dict[str, GenerateResult]:
    """Return what became of the dances, by their keys; those whose workers died are missing."""
    if not todo:
        return {}
    report = stage(progress, "generating") or _nothing
    report(0, len(todo))
    rows = [
        {
            "key": dance.key, "motion": str(dance.motion.resolve()),
            "sound": str(dance.paths.sound.resolve()),
            "film": str(dance.paths.film.resolve()) if dance.paths.film else "",
        }
        for dance in todo
    ]  # fmt: skip
    results: dict[str, GenerateResult] = {}
    for row in map_rows(rows, GenerateWorker, (request,), cluster):
        made = from_json(GenerateResult, json.loads(row["result"]), context="result")
        results[row["key"]] = made
        if on_piece is not None:
            for piece in made.pieces:
                on_piece(piece)
        report(len(results), len(todo))
    return results


class GenerateWorker:
    """Holds the model and makes the music of one dance after another.

    Args:
        request: What to make of each.
    """

    def __init__(self, request: GenerateRequest) -> None:
        self._request = request
        self._pipeline = pipeline_for(request.options, request.model, request.device)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the keys of some dances and what became of them, as JSON."""
        columns = (batch["key"], batch["motion"], batch["sound"], batch["film"])
        results = [self._make(*map(str, row)) for row in zip(*columns, strict=True)]
        return {"key": [str(key) for key in batch["key"]], "result": results}

    def _make(self, key: str, motion: str, sound: str, film: str) -> str:
        dance = _Dance(Path(motion), OutputPaths(Path(sound), Path(film) if film else None), key)
        # Of a worker that died after its last file.
        result = dance.result()
        if result is None:
            try:
                result = self._generate(dance)
            except KinetuneError as error:
                # What would end a whole batch, such as a full disk, is this dance's failure.
                result = GenerateResult((), (Failure(str(dance.motion), str(error)),))
        return json.dumps(to_json(result))

    def _generate(self, dance: _Dance) -> GenerateResult:
        write_text(dance.started, "")
        film = self._request.film
        single = replace(
            self._request, motions=(dance.motion,), output=dance.paths.sound, existing="replace",
            film=replace(film, path=dance.paths.film) if dance.paths.film else film,
        )  # fmt: skip
        result = generate(single, pipeline=self._pipeline)
        if not result.failures:
            write_json(dance.record, to_json(result))
        return result


def _plan(request: GenerateRequest) -> list[_Dance]:
    motions = find_motions(request.motions, recursive=request.recursive)
    outputs = plan_outputs(motions, request.output, request.film, suffix=f".{request.format}")
    made_by = _digest(request)
    return [
        _Dance(motion.path, paths, _key(motion.path, paths, made_by))
        for motion, paths in zip(motions, outputs, strict=True)
    ]


def _digest(request: GenerateRequest) -> str:
    table = to_json(request)
    for name in _NOT_IN_KEY:
        del table[name]
    model = model_sha256(request.model) if request.options.engine == "diffusion" else ""
    text = json.dumps([table, model, kinetune.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _key(motion: Path, paths: OutputPaths, made_by: str) -> str:
    content = file_sha256(motion) if motion.is_file() else str(motion)
    text = f"{content} {made_by} {paths.sound.name}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _check_files(request: GenerateRequest, todo: list[_Dance]) -> None:
    """See that nothing is overwritten that another call made, and that all can be written."""
    if request.existing == "refuse":
        others = [dance for dance in todo if not dance.started.exists()]
        check_absent([file for dance in others for file in request.files_for(dance.paths)])
    for folder in {dance.record.parent for dance in todo}:
        check_writable(folder)


def _nothing(done: int, total: int) -> None:
    """Report nothing."""


def _none() -> GenerateResult:
    return GenerateResult(())


def _lost(dance: _Dance) -> GenerateResult:
    error = f"{dance.motion}: its worker died each time, perhaps for lack of memory"
    return GenerateResult((), (Failure(str(dance.motion), error),))
