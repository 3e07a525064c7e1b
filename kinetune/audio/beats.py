"""Beats, downbeats and onsets of a sound; librosa is loaded only when needed."""

import importlib.util
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.processes import one_process_at_a_time

_LOG = logging.getLogger(__name__)
Times = NDArray[np.float64]
# librosa's own window, and ours.
_WINDOW = 2048


@dataclass(frozen=True, eq=False)
class MusicBeats:
    """Beats of a piece of music.

    Attributes:
        bpm: Tempo, beats per minute; 0 without beats.
        beats_s: Beat times, seconds, ascending.
        downbeats_s: Those that open a bar; empty where the tracker finds none.
    """

    bpm: float
    beats_s: Times
    downbeats_s: Times


def music_beats(sound: Sound) -> MusicBeats:
    """Return the beats of a sound; none in silence.

    The ``beat_this`` package (Foscarin, Schlueter & Widmer 2024), which knows downbeats too, is
    used where it is installed and its weights are in torch's hub cache; nothing is downloaded.
    Otherwise librosa's tracker.
    """
    mono = _prepared(sound)
    if not np.any(mono):
        return MusicBeats(0.0, np.empty(0), np.empty(0))
    weights = _beat_this_weights()
    if weights is not None:
        return _beat_this(mono, weights)
    compile_librosa()
    from librosa.beat import beat_track

    _LOG.debug("beats by librosa")
    bpm, beats = beat_track(y=mono, sr=timebase.SAMPLE_RATE_HZ, units="time")
    beats_s = np.asarray(beats, dtype=np.float64)
    return MusicBeats(float(np.atleast_1d(bpm)[0]), beats_s, np.empty(0))


def beat_tracker() -> str:
    """Return the name of the tracker that :func:`music_beats` uses here."""
    weights = _beat_this_weights()
    return "librosa" if weights is None else f"beat_this {weights.name}"


def _beat_this_weights() -> Path | None:
    """Return the file of beat_this's main model, or None where package or file is missing."""
    if importlib.util.find_spec("beat_this") is None:
        return None
    import torch

    files = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("*final0*.ckpt"))
    return files[0] if files else None


def _beat_this(mono: NDArray[np.float32], weights: Path) -> MusicBeats:
    """Return the beats of mono sound at 22,050 Hz by beat_this."""
    from beat_this.inference import Audio2Beats

    _LOG.debug("beats and downbeats by beat_this (%s)", weights.name)
    track = Audio2Beats(checkpoint_path=str(weights), device="cpu", dbn=False)
    beats_s, downbeats_s = (
        np.asarray(times, dtype=np.float64) for times in track(mono, timebase.SAMPLE_RATE_HZ)
    )
    bpm = timebase.bpm_of(float(np.median(np.diff(beats_s)))) if len(beats_s) > 1 else 0.0
    return MusicBeats(bpm, beats_s, downbeats_s)


def onset_envelope(sound: Sound) -> NDArray[np.float32]:
    """Return librosa's onset strength, one value a mel frame of 22,050 Hz sound."""
    compile_librosa()
    from librosa.onset import onset_strength

    strength: NDArray[np.float32] = onset_strength(
        y=_prepared(sound), sr=timebase.SAMPLE_RATE_HZ, hop_length=timebase.HOP_LENGTH
    )
    return strength


def onset_times(sound: Sound) -> Times:
    """Return onset times, seconds, ascending."""
    compile_librosa()
    from librosa.onset import onset_detect

    times = onset_detect(
        y=_prepared(sound), sr=timebase.SAMPLE_RATE_HZ, hop_length=timebase.HOP_LENGTH, units="time"
    )
    return np.asarray(times, dtype=np.float64)


@cache
def compile_librosa() -> None:
    """Have librosa's beat and onset functions compiled, by one process at a time.

    On their first use after an installation numba compiles them and keeps the result in files.
    Two processes that write these at once leave a mixture, and whatever reads it crashes.
    """
    with one_process_at_a_time("librosa"):
        from librosa.beat import beat_track
        from librosa.onset import onset_detect, onset_strength

        rate_hz = timebase.SAMPLE_RATE_HZ
        clicks = np.zeros(4 * rate_hz, np.float32)
        clicks[:: rate_hz // 2] = 1.0
        beat_track(y=clicks, sr=rate_hz, units="time")
        onset_detect(y=clicks, sr=rate_hz, units="time")
        beat_track(onset_envelope=onset_strength(y=clicks, sr=rate_hz), sr=rate_hz)


def _prepared(sound: Sound) -> NDArray[np.float32]:
    """Mono at 22,050 Hz, with silence behind what is shorter than librosa's window."""
    samples = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ).samples
    return np.pad(samples, (0, max(0, _WINDOW - len(samples))))
