"""What a body might do to a piece of music: its energy and events as motion features.

Idea of V2M-Zero (arXiv 2603.11042): a model that is told of event curves can learn from the music's
own curves and be driven by a dance's. Two curves are read off the music at 30 fps:

- energy: the short-time level in decibels, less its mean over the piece, smoothed over half a
  second; louder music is danced with more movement.
- events: the onset strength, log(1 + s), less its mean; a hit is met by a sudden change of speed.

They become the rhythm features' columns of speed and acceleration. The units are those of the body:
a curve is divided by its deviation over the corpus, weighted, and put on the mean and deviation
that the columns have over the bodies that a model was trained on (its normaliser), so one
deviation of energy in the music is one deviation of speed in a body. All other columns (height,
reach, lean) are at the body's mean, which the normaliser makes 0. Axes: T frames, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.audio.beats import onset_envelope
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.motion import skeleton
from kinetune.motion.features import RHYTHM_FEATURE_COUNT, Features

Curve = NDArray[np.float64]

_ENERGY_SMOOTHING_S, _EVENT_SMOOTHING_S = 0.5, 0.06
# Quieter than this counts as silence, decibels of full scale.
_FLOOR_DB = -60.0
# Deviations of both curves within the pieces of a corpus: benchmarks/song_curves.py prints them.
ENERGY_SCALE_DB, EVENT_SCALE = 4.8, 0.22
# A curve farther from its mean than this many deviations is cut off, as the normaliser does.
_MOST = 4.0
_SPEED = skeleton.JOINT_COUNT * 2
_MEAN_SPEED, _MEAN_ACCELERATION = _SPEED, _SPEED + 1


@dataclass(frozen=True, eq=False)
class MusicCurves:
    """The curves of a piece, in deviations from its mean, at 30 fps.

    Attributes:
        energy: (T,).
        events: (T,).
    """

    energy: Curve
    events: Curve


@dataclass(frozen=True, eq=False)
class BodyStatistics:
    """How the rhythm features of bodies are distributed.

    Attributes:
        mean: Of each column, (F,).
        deviation: Of each column, (F,).
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def music_curves(sound: Sound) -> MusicCurves:
    """Return the curves of a piece of music, one value a motion frame."""
    mono = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ)
    count = max(1, timebase.frames_in(mono.duration_s, timebase.MOTION_FPS))
    energy = gaussian_filter1d(
        _level_db(mono, count), _ENERGY_SMOOTHING_S * timebase.MOTION_FPS, mode="nearest"
    )
    onsets = np.log1p(onset_envelope(mono).astype(np.float64))
    times_s = timebase.frame_times(len(onsets), timebase.mel_rate_hz())
    events = np.interp(timebase.frame_times(count, timebase.MOTION_FPS), times_s, onsets)
    events = gaussian_filter1d(events, _EVENT_SMOOTHING_S * timebase.MOTION_FPS, mode="nearest")
    return MusicCurves(
        _centred(energy) / ENERGY_SCALE_DB,
        _centred(events) / EVENT_SCALE,
    )


def features_from_curves(curves: MusicCurves, body: BodyStatistics) -> Features:
    """Return rhythm features (T, 58) of a body that follows the curves, at 30 fps.

    Args:
        curves: Of the music.
        body: Mean and deviation of each column over bodies.
    """
    units = np.zeros((len(curves.energy), RHYTHM_FEATURE_COUNT))
    units[:, : _MEAN_SPEED + 1] = curves.energy[:, None]
    units[:, _MEAN_ACCELERATION] = curves.events
    units = units.clip(-_MOST, _MOST)
    return (body.mean + body.deviation * units).astype(np.float32)


def _level_db(mono: Sound, count: int) -> Curve:
    """Return the level of each motion frame, decibels of full scale, (count,)."""
    times_s = timebase.frame_times(count + 1, timebase.MOTION_FPS)
    edges = np.round(times_s * mono.rate_hz).astype(int)
    edges = edges.clip(0, len(mono.samples))
    power = np.concatenate([[0.0], np.cumsum(mono.samples.astype(np.float64) ** 2)])
    mean = np.diff(power[edges]) / np.maximum(np.diff(edges), 1)
    return np.asarray(10.0 * np.log10(np.maximum(mean, 10.0 ** (_FLOOR_DB / 10.0))))


def _centred(curve: Curve) -> Curve:
    return np.asarray(curve - curve.mean())
