"""One job per dance or group: its files, checked before anything is generated."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.io.formats import MotionFile, read_motion_file
from kinetune.tasks.generating.request import GenerateRequest
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.composer_outputs import chords_path
from kinetune.tasks.requests.failures import Failure, collect_failures
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_for_dance
from kinetune.tasks.requests.motion_files import MotionPath, find_motions
from kinetune.tasks.requests.output_paths import OutputPaths, check_absent, plan_outputs
from kinetune.tasks.requests.progress import Progress, stage

_log = logging.getLogger("kinetune")


@dataclass(frozen=True, eq=False)
class Job:
    """One dance of a request, or one group."""

    request: GenerateRequest
    pipeline: LazyPipeline
    motions: tuple[Path, ...]
    paths: OutputPaths
    label: str
    progress: Progress | None

    @property
    def path(self) -> Path:
        """The motion file, of a group the first."""
        return self.motions[0]

    @property
    def genre(self) -> GenreChoice:
        """The genre of the music."""
        return genre_for_dance(self.path.name, self.request.options.genre)

    def stage(
        self, name: str, *, part: int = 0, parts: int = 1
    ) -> Callable[[int, int], None] | None:
        """The progress callback of one stage, or of a part of it."""
        return stage(self.progress, f"{self.label}: {name}", part=part, parts=parts)


def plan_jobs(
    request: GenerateRequest, pipeline: LazyPipeline, progress: Progress | None
) -> tuple[list[Job], list[str]]:
    """Return a job a dance, and the dances to skip; checks all that can be checked before."""
    from kinetune.audio.sound import check_suffix

    groups, names = _grouped(request)
    outputs = plan_outputs(names, request.output, request.film, suffix=f".{request.format}")
    for paths in outputs:
        check_suffix(paths.sound, loops=request.options.loop, rate_hz=request.export.rate_hz)
    todo, skipped = [], []
    for group, paths in zip(groups, outputs, strict=True):
        if request.existing == "skip" and request.files_for(paths)[0].exists():
            skipped.append(str(group[0]))
        else:
            todo.append((group, paths))
    if request.existing == "refuse":
        check_absent([file for _, paths in todo for file in request.files_for(paths)])
        # Only now the model is looked at, for what it will be written with besides.
        if request.options.engine == "diffusion" and pipeline.reads_harmony:
            sounds = (sound for _, paths in todo for sound in request.sounds_for(paths))
            check_absent([chords_path(sound) for sound in sounds])
    for folder in {path.parent for _, both in todo for path in (both.sound, both.film) if path}:
        check_writable(folder)
    count = len(todo)
    jobs = [
        Job(
            request, pipeline, group, paths,
            group[0].name if count == 1 else f"[{number}/{count}] {group[0].name}", progress,
        )
        for number, (group, paths) in enumerate(todo, start=1)
    ]  # fmt: skip
    return jobs, skipped


def read_dancers(job: Job, failures: list[Failure]) -> list[MotionFile] | None:
    """The motion files of a job; None if one can't be read."""
    files: list[MotionFile] = []
    for path in job.motions:
        with collect_failures(path, failures):
            file = read_motion_file(path, job.request.read)
            _log.info(
                "%s: %s, %d joints, %d frames at %g fps",
                path, file.format, file.joints, file.clip.frame_count, file.clip.fps,
            )  # fmt: skip
            files.append(file)
    return files if len(files) == len(job.motions) else None


def _grouped(request: GenerateRequest) -> tuple[list[tuple[Path, ...]], list[MotionPath]]:
    """Return the motion files of every piece, and what to name it after."""
    motions = find_motions(request.motions, recursive=request.recursive)
    if not request.together:
        return [(motion.path,) for motion in motions], motions
    group = tuple(motion.path for motion in motions)
    if len(group) < 2:
        raise ConfigError(f"a group has two dances or more, found {len(group)}")
    return [group], [MotionPath(Path(f"{group[0].stem}-together{group[0].suffix}"))]
