"""Analyses every sound and every dance of a run, a clip at a time, on all cores.

Conventions: the dance decides the span. All sounds of a clip are brought to the shorter of its
reference and its motion: longer ones are cut, shorter ones padded with silence, so that music which
stops early is scored on its absence. A difference of more than a tenth of a second is reported as a
problem. A :class:`ClipAnalysis` is small (no samples), so memory does not grow with the sounds.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kinetune import timebase
from kinetune.audio.beat_map import read_beats
from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import AudioError, ConfigError, KinetuneError
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import (
    MIN_DURATION_S,
    AudioAnalysis,
    analyse_audio,
    estimate_tempo,
)
from kinetune.metrics.evaluation.motion_analysis import MotionAnalysis, analyse_motion
from kinetune.metrics.evaluation.pairing import Clip, Problem
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import MotionClip, cut
from kinetune.motion.io.formats import read_motion
from kinetune.processes import process_pool

Times = NDArray[np.float64]
Progress = Callable[[int, int], None]
# Applies a function to items on other machines and returns the results in order, None where its
# worker died; told of the progress if that is not None.
Mapper = Callable[[Callable[[Any], Any], Sequence[Any], Progress | None], Sequence[Any]]
_Content = TypeVar("_Content")
_LOG = logging.getLogger("kinetune")
# Lengths that differ by less are the same length in frames of another rate.
_LENGTH_TOLERANCE_S = 0.1
# A worker takes seconds to start, a clip a fraction of one.
_CLIPS_PER_WORKER = 12
UNUSABLE, SILENT, LENGTH = "can't be used", "silent", "another length"
WORKER_DIED = "its worker died each time, perhaps for lack of memory"


@dataclass(frozen=True, eq=False)
class ClipAnalysis:
    """The analyses of one dance and of the sounds made for it.

    Attributes:
        clip: Its files.
        duration_s: The span that is scored; 0 where nothing can be.
        audio: Audio analyses by label, one a variation; baselines are among the labels.
        paths: The files that were analysed, by label.
        motion: Motion analysis of the dance.
        reference_beats_s: Its reference beats: annotated, else tracked in the reference music.
        problems: What was wrong.
    """

    clip: Clip
    duration_s: float
    audio: dict[str, tuple[AudioAnalysis, ...]] = field(default_factory=dict)
    paths: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    motion: MotionAnalysis | None = None
    reference_beats_s: Times | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Job:
    clip: Clip
    seed: int


def analyse_clips(
    clips: list[Clip],
    *,
    seed: int,
    workers: int | None = None,
    progress: Progress | None = None,
    mapper: Mapper | None = None,
) -> Iterator[ClipAnalysis]:
    """Yield the analysis of every clip, in order.

    Args:
        clips: The dances.
        seed: Of the noise.
        workers: Processes; if None as many as there are cores, fewer for few clips.
        progress: Called with (clips done, clips in all).
        mapper: Where the work is done; on this machine if None.
    """
    jobs = [_Job(clip, seed) for clip in clips]
    if mapper is not None:
        analyses = mapper(_run_job, jobs, progress)
        for clip, analysis in zip(clips, analyses, strict=True):
            yield _lost(clip) if analysis is None else analysis
        return
    count = workers or min(os.cpu_count() or 1, len(jobs) // _CLIPS_PER_WORKER)
    if count <= 1:
        with threadpool_limits(1):
            yield from _with_progress(map(_run_job, jobs), len(jobs), progress)
        return
    with process_pool(count, initializer=_one_thread) as pool:
        yield from _with_progress(pool.map(_run_job, jobs), len(jobs), progress)


def _lost(clip: Clip) -> ClipAnalysis:
    """The analysis of a dance whose worker died each time."""
    labels = [*clip.variations, *([baselines.REFERENCE] if clip.reference else [])]
    detail = f"{clip.name}: {WORKER_DIED}"
    problems = (Problem(label, clip.name, UNUSABLE, detail) for label in labels)
    return ClipAnalysis(clip, 0.0, problems=tuple(problems))


def _with_progress(
    analyses: Iterator[ClipAnalysis], total: int, progress: Progress | None
) -> Iterator[ClipAnalysis]:
    for done, analysis in enumerate(analyses, start=1):
        if progress is not None:
            progress(done, total)
        yield analysis


def _one_thread() -> None:
    """Leave the cores to the workers; and the number of threads shows in the last digit."""
    threadpool_limits(1)


@dataclass
class _ClipFiles:
    """Reads a clip's files and notes what can't be used."""

    clip: Clip
    problems: list[Problem] = field(default_factory=list)

    def sound(self, label: str, path: Path) -> Sound | None:
        """Return a sound of half a second or more, or None."""
        return self._read(label, path, _read_scorable_sound)

    def motion(self) -> MotionClip | None:
        """Return the dance, or None."""
        return self._read("motions", self.clip.motion, read_motion)

    def beats(self) -> Times | None:
        """Return the annotated beats, or None."""
        return self._read("beats", self.clip.beats, read_beats)

    def add_problem(self, label: str, kind: str, detail: str, *, loses_value: bool = True) -> None:
        """Add a problem of this clip."""
        self.problems.append(Problem(label, self.clip.name, kind, detail, loses_value))

    def _read(
        self, label: str, path: Path | None, reader: Callable[[Path], _Content]
    ) -> _Content | None:
        """What a reader returns; None, and a problem, where it raises."""
        if path is None:
            return None
        try:
            # A pipe or a device would block or never end.
            if not path.is_file():
                raise ConfigError(f"{path}: not a regular file")
            return reader(path)
        except KinetuneError as error:
            self.add_problem(label, UNUSABLE, str(error))
        # A damaged file can raise anything in a third-party reader, and must not end the run.
        except Exception as error:  # noqa: BLE001
            _LOG.debug("%s: unexpected error", path, exc_info=True)
            reason = str(error).strip() or type(error).__name__
            self.add_problem(label, UNUSABLE, f"{path}: can't be read ({reason})")
        return None


def _read_scorable_sound(path: Path) -> Sound:
    sound = read_sound(path)
    if sound.duration_s < MIN_DURATION_S:
        raise AudioError(
            f"{path}: expected {MIN_DURATION_S:g} s or more, found {sound.duration_s:.3f} s"
        )
    return sound


def _run_job(job: _Job) -> ClipAnalysis:
    with warnings.catch_warnings():
        # librosa warns of silence, which is reported as a problem here.
        warnings.simplefilter("ignore")
        return _analyse(job.clip, job.seed)


def _analyse(clip: Clip, seed: int) -> ClipAnalysis:
    files = _ClipFiles(clip)
    sounds = _read_sounds(files)
    motion = files.motion()
    duration_s = _span_s(sounds, motion)
    if duration_s < MIN_DURATION_S:
        return ClipAnalysis(clip, 0.0, problems=tuple(files.problems))
    audio = {
        label: tuple(
            _analyse_variation(files, label, sound, duration_s) for sound in variations.values()
        )
        for label, variations in sounds.items()
    }
    motion = cut(motion, 0.0, duration_s) if motion is not None else None
    annotated_s = files.beats()
    beats_s = _reference_beats(annotated_s, audio.get(baselines.REFERENCE), duration_s)
    for label, sound in baseline_audio(
        clip.name, motion, beats_s, annotated_s is not None, duration_s, seed
    ):
        audio[label] = (analyse_audio(sound),)
    return ClipAnalysis(
        clip,
        duration_s,
        audio,
        {label: tuple(variations) for label, variations in sounds.items()},
        analyse_motion(motion) if motion is not None else None,
        beats_s,
        tuple(files.problems),
    )


def _read_sounds(files: _ClipFiles) -> dict[str, dict[Path, Sound]]:
    """The usable sounds of a clip by label and path."""
    paths = dict(files.clip.variations)
    if files.clip.reference is not None:
        paths[baselines.REFERENCE] = (files.clip.reference,)
    return {
        label: {
            path: sound for path in variations if (sound := files.sound(label, path)) is not None
        }
        for label, variations in paths.items()
    }


def _span_s(sounds: dict[str, dict[Path, Sound]], motion: MotionClip | None) -> float:
    """The span to score, seconds: of reference and motion the shorter, else the shortest sound."""
    lengths = {
        label: [s.duration_s for s in variations.values()] for label, variations in sounds.items()
    }
    truth = list(lengths.get(baselines.REFERENCE, []))
    truth += [] if motion is None else [motion.duration_s]
    every = [length for variations in lengths.values() for length in variations]
    return min(truth or every, default=0.0) if every else 0.0


def _analyse_variation(
    files: _ClipFiles, label: str, sound: Sound, duration_s: float
) -> AudioAnalysis:
    """The analysis of a sound brought to the span; another length or silence is a problem."""
    excess_s = sound.duration_s - duration_s
    if abs(excess_s) > _LENGTH_TOLERANCE_S:
        treatment = "cut" if excess_s > 0 else "padded with silence"
        detail = f"{sound.duration_s:.2f} s for {duration_s:.2f} s: {treatment}"
        files.add_problem(label, LENGTH, detail, loses_value=False)
    analysis = analyse_audio(pad_or_crop(sound, duration_s))
    if analysis.sanity.is_silent:
        files.add_problem(label, SILENT, "below -70 LUFS", loses_value=False)
    return analysis


def pad_or_crop(sound: Sound, duration_s: float) -> Sound:
    """Return the sound cut, or padded with silence, to last ``duration_s``."""
    count = timebase.samples_in(duration_s, sound.rate_hz)
    samples = sound.samples[:count]
    padding = [(0, count - len(samples))] + [(0, 0)] * (samples.ndim - 1)
    return Sound(np.pad(samples, padding), sound.rate_hz)


def _reference_beats(
    annotated_s: Times | None, reference: tuple[AudioAnalysis, ...] | None, duration_s: float
) -> Times | None:
    if annotated_s is not None:
        return annotated_s[annotated_s < duration_s]
    return reference[0].beats_s if reference else None


def baseline_audio(
    name: str,
    motion: MotionClip | None,
    reference_beats_s: Times | None,
    annotated: bool,
    duration_s: float,
    seed: int,
) -> Iterator[tuple[str, Sound]]:
    """Yield the synthesised baselines of a dance, by label.

    The clicks stand on the annotated beats; else on the beat grid estimated from the body; else on
    a steady grid at the reference's tempo.

    Args:
        name: The dance's name; seeds its noise.
        motion: The dance, if known.
        reference_beats_s: Its reference beats, if known, seconds, (K,).
        annotated: Whether those were annotated rather than tracked in the reference.
        duration_s: Length of the sounds.
        seed: Of the noise.
    """
    beats_s = reference_beats_s if annotated else None
    if beats_s is None and motion is not None:
        beats_s = beat_grid(motion).beats_s
    if beats_s is None and reference_beats_s is not None:
        tempo_bpm = estimate_tempo(reference_beats_s)
        if tempo_bpm > 0:
            beats_s = timebase.beat_times(tempo_bpm, float(reference_beats_s[0]), duration_s)
    if beats_s is not None:
        yield baselines.CLICK, baselines.click_track(beats_s, duration_s)
    yield baselines.NOISE, baselines.noise(name, duration_s, seed=seed)
    yield baselines.SILENCE, baselines.silence(duration_s)
