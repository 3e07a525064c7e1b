"""Listens to every sound of a run and watches every dance, a clip at a time, by all cores.

Conventions: the dance decides the span. All sounds of a clip are brought to the shorter of its
reference and its motion: what is longer is cut, what is shorter is followed by silence, so that
music which stops early is judged by its absence. More than a tenth of a second is said as a
problem. What comes back is small (no samples), so memory does not grow with the sounds.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kinetune import timebase
from kinetune.audio.beat_map import read_beats
from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import AudioError, KinetuneError
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

Times = NDArray[np.float64]
Progress = Callable[[int, int], None]
# Lengths that differ by less are one length, told in frames of another rate.
_LENGTH_TOLERANCE_S = 0.1
# A worker takes seconds to start, a clip a fraction of one.
_CLIPS_PER_WORKER = 12
UNUSABLE, SILENT, LENGTH = "can't be used", "silent", "another length"


@dataclass(frozen=True, eq=False)
class ClipAnalysis:
    """All that is known of one dance and the sounds made for it.

    Attributes:
        clip: Its files.
        duration_s: The span that was judged; 0 where nothing could be.
        audio: Audio analyses by label, one a take; baselines are among the labels.
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
    clips: list[Clip], *, seed: int, workers: int | None = None, progress: Progress | None = None
) -> Iterator[ClipAnalysis]:
    """Yield what is known of every clip, in order.

    Args:
        clips: The dances.
        seed: Of the noise.
        workers: Processes; when left out as many as there are cores, fewer for few clips.
        progress: Called with (clips done, clips in all).
    """
    jobs = [_Job(clip, seed) for clip in clips]
    count = workers or min(os.cpu_count() or 1, len(jobs) // _CLIPS_PER_WORKER)
    if count <= 1:
        with threadpool_limits(1):
            yield from _with_progress(map(_run_job, jobs), len(jobs), progress)
        return
    # A fresh interpreter for each worker: safe with threads and the same on every system.
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_one_thread) as pool:
        yield from _with_progress(pool.map(_run_job, jobs), len(jobs), progress)


def _with_progress(
    found: Iterator[ClipAnalysis], total: int, progress: Progress | None
) -> Iterator[ClipAnalysis]:
    for done, analyses in enumerate(found, start=1):
        if progress is not None:
            progress(done, total)
        yield analyses


def _one_thread() -> None:
    """Leave the cores to the workers; and the number of threads shows in the last digit."""
    threadpool_limits(1)


@dataclass
class _ClipFiles:
    """Reads a clip's files and notes what can't be used."""

    clip: Clip
    problems: list[Problem] = field(default_factory=list)

    def sound(self, label: str, path: Path | None) -> Sound | None:
        """Return a sound of half a second or more, or None."""
        try:
            sound = read_sound(path) if path else None
            if sound is not None and sound.duration_s < MIN_DURATION_S:
                raise AudioError(f"{path}: {sound.duration_s:.3f} s is too short to judge")
        except KinetuneError as error:
            self.note(label, UNUSABLE, str(error))
            return None
        return sound

    def motion(self) -> MotionClip | None:
        """Return the dance, or None."""
        try:
            return read_motion(self.clip.motion) if self.clip.motion else None
        except KinetuneError as error:
            self.note("motions", UNUSABLE, str(error))
            return None

    def beats(self) -> Times | None:
        """Return the listed beats, or None."""
        try:
            return read_beats(self.clip.beats) if self.clip.beats else None
        except KinetuneError as error:
            self.note("beats", UNUSABLE, str(error))
            return None

    def note(self, label: str, kind: str, detail: str, *, loses_value: bool = True) -> None:
        """Add a problem."""
        self.problems.append(Problem(label, self.clip.name, kind, detail, loses_value))


def _run_job(job: _Job) -> ClipAnalysis:
    with warnings.catch_warnings():
        # librosa warns of silence, which is told as a problem here.
        warnings.simplefilter("ignore")
        return _analyse(job.clip, job.seed)


def _analyse(clip: Clip, seed: int) -> ClipAnalysis:
    files = _ClipFiles(clip)
    named = dict(clip.takes)
    if clip.reference is not None:
        named[baselines.REFERENCE] = (clip.reference,)
    sounds = {
        label: {path: sound for path in paths if (sound := files.sound(label, path)) is not None}
        for label, paths in named.items()
    }
    motion = files.motion()
    duration_s = _span_s(sounds, motion)
    if duration_s < MIN_DURATION_S:
        return ClipAnalysis(clip, 0.0, problems=tuple(files.problems))
    heard = {
        label: tuple(_analyse_take(files, label, sound, duration_s) for sound in takes.values())
        for label, takes in sounds.items()
    }
    motion = cut(motion, 0.0, duration_s) if motion is not None else None
    annotated = files.beats()
    truth = _reference_beats(annotated, heard.get(baselines.REFERENCE), duration_s)
    for label, sound in baseline_audio(
        clip.name, motion, truth, annotated is not None, duration_s, seed
    ):
        heard[label] = (analyse_audio(sound),)
    return ClipAnalysis(
        clip, duration_s, heard, {label: tuple(takes) for label, takes in sounds.items()},
        analyse_motion(motion) if motion is not None else None, truth, tuple(files.problems),
    )  # fmt: skip


def _span_s(sounds: dict[str, dict[Path, Sound]], motion: MotionClip | None) -> float:
    """The dance's span, seconds: of reference and motion the shorter, else the shortest sound."""
    lengths = {label: [s.duration_s for s in takes.values()] for label, takes in sounds.items()}
    deciding = list(lengths.get(baselines.REFERENCE, []))
    deciding += [] if motion is None else [motion.duration_s]
    made = [length for takes in lengths.values() for length in takes]
    return min(deciding or made, default=0.0) if made else 0.0


def _analyse_take(files: _ClipFiles, label: str, sound: Sound, duration_s: float) -> AudioAnalysis:
    """What is heard in a sound brought to the dance's length; what is odd about it is noted."""
    apart_s = sound.duration_s - duration_s
    if abs(apart_s) > _LENGTH_TOLERANCE_S:
        said = "cut" if apart_s > 0 else "the rest judged as silence"
        detail = f"{sound.duration_s:.2f} s for {duration_s:.2f} s: {said}"
        files.note(label, LENGTH, detail, loses_value=False)
    found = analyse_audio(pad_or_crop(sound, duration_s))
    if found.sanity.is_silent:
        files.note(label, SILENT, "below -70 LUFS", loses_value=False)
    return found


def pad_or_crop(sound: Sound, duration_s: float) -> Sound:
    """Return the sound cut, or followed by silence, to last ``duration_s``."""
    count = timebase.samples_in(duration_s, sound.rate_hz)
    samples = sound.samples[:count]
    lacking = [(0, count - len(samples))] + [(0, 0)] * (samples.ndim - 1)
    return Sound(np.pad(samples, lacking), sound.rate_hz)


def _reference_beats(
    annotated: Times | None, reference: tuple[AudioAnalysis, ...] | None, duration_s: float
) -> Times | None:
    if annotated is not None:
        return annotated[annotated < duration_s]
    return reference[0].beats_s if reference else None


def baseline_audio(
    name: str,
    motion: MotionClip | None,
    reference_beats_s: Times | None,
    annotated: bool,
    duration_s: float,
    seed: int,
) -> Iterator[tuple[str, Sound]]:
    """Yield the baselines that are made for a dance, by label.

    The clicks stand on the listed beats; else on the beat found in the body; else on a steady grid
    at the reference's tempo.
    """
    beats_s = reference_beats_s if annotated else None
    if beats_s is None and motion is not None:
        beats_s = beat_grid(motion).beats_s
    if (
        beats_s is None
        and reference_beats_s is not None
        and (tempo := estimate_tempo(reference_beats_s)) > 0
    ):
        beats_s = timebase.beat_times(tempo, float(reference_beats_s[0]), duration_s)
    if beats_s is not None:
        yield baselines.CLICK, baselines.click_track(beats_s, duration_s)
    yield baselines.NOISE, baselines.noise(name, duration_s, seed=seed)
    yield baselines.SILENCE, baselines.silence(duration_s)
