"""How well one piece of music follows a body, in three numbers and their mean: to rank takes by.

Conventions: seconds. Beats heard in the music are matched one to one with the grid within 70 ms
(F-measure, as mir_eval has it); energy is the rank correlation of body speed and loudness over
beats; an accent of the body, a sudden stop, is hit by an onset within 50 ms that is among the
strongest quarter (chance: 0.25). What can't be measured, as the accents of a body that
has none, is NaN and left out of the mean.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.signal import find_peaks
from scipy.stats import rankdata

from kinetune import timebase
from kinetune.audio.beats import music_beats, onset_envelope
from kinetune.audio.sound import Sound, to_mono
from kinetune.motion import kinematics
from kinetune.motion.clip import MotionClip, resample

Times = NDArray[np.float64]

_BODY_FPS = 60.0
_BEAT_REACH_S, _ACCENT_REACH_S = 0.07, 0.05
_STRONG_SHARE = 0.25
# Rank correlations of fewer beats say nothing.
_LEAST_BEATS = 4
# Half a beat at 120 bpm: two accents of a body closer than this are one.
_ACCENTS_APART_S = 0.25
_SMOOTH_S = 2.0 / 60.0


@dataclass(frozen=True)
class Following:
    """How well a piece follows a body.

    Attributes:
        beats: F-measure of heard beats against the grid, 0 to 1.
        energy: Rank correlation of body speed and loudness over beats, -1 to 1.
        accents: Share of the body's accents with a strong onset, 0 to 1.
    """

    beats: float
    energy: float
    accents: float

    @property
    def total(self) -> float:
        """The mean of what could be measured, energy brought to 0 to 1; 0 if nothing could."""
        parts = [self.beats, 0.5 * (1.0 + self.energy), self.accents]
        known = [part for part in parts if np.isfinite(part)]
        return float(np.mean(known)) if known else 0.0


def following(clip: MotionClip, sound: Sound, beats_s: Times) -> Following:
    """Return how well a sound follows a dance.

    Args:
        clip: The dance.
        sound: The music; it begins with the dance.
        beats_s: Beats that it should keep, seconds, ascending.
    """
    fine = resample(clip, _BODY_FPS)
    speed = kinematics.joint_speeds(fine).mean(axis=1)
    _, heard = music_beats(sound)
    return Following(
        beat_f(beats_s, heard),
        energy_correlation(speed, sound, beats_s),
        accents_hit(body_accents(speed), onset_envelope(sound)),
    )


def beat_f(true_s: Times, heard_s: Times) -> float:
    """Return the F-measure at 70 ms, 0 to 1; NaN where there are no true beats."""
    if len(true_s) == 0:
        return float("nan")
    hits, free = 0, 0
    # Both ascend, so the earliest free beat that fits is the best match.
    for beat in true_s:
        while free < len(heard_s) and heard_s[free] < beat - _BEAT_REACH_S:
            free += 1
        if free < len(heard_s) and heard_s[free] <= beat + _BEAT_REACH_S:
            hits, free = hits + 1, free + 1
    return 2.0 * hits / (len(true_s) + len(heard_s))


def energy_correlation(speed: Times, sound: Sound, beats_s: Times) -> float:
    """Return the rank correlation of speed (T,) at 60 fps and loudness, over beats; NaN if few."""
    power = to_mono(sound).samples.astype(np.float64) ** 2
    end_s = min(sound.duration_s, timebase.duration_of(len(speed), _BODY_FPS))
    edges_s = beats_s[beats_s <= end_s]
    if len(edges_s) <= _LEAST_BEATS:
        return float("nan")
    body, loud = _means(speed, _BODY_FPS, edges_s), _means(power, sound.rate_hz, edges_s)
    if np.ptp(body) == 0.0:
        return float("nan")
    if np.ptp(loud) == 0.0:
        return 0.0
    return float(np.corrcoef(rankdata(body), rankdata(loud))[0, 1])


def body_accents(speed: Times) -> Times:
    """Return a body's sudden stops, midway from hardest braking to rest, seconds, ascending.

    Args:
        speed: Mean joint speed at 60 fps, (T,).
    """
    smooth = gaussian_filter1d(speed, _SMOOTH_S * _BODY_FPS)
    braking = -np.gradient(smooth)
    apart = timebase.frames_in(_ACCENTS_APART_S, _BODY_FPS)
    # A braking must stand out by as much as brakings usually differ; a still body has none.
    hardest, _ = find_peaks(braking, prominence=max(float(braking.std()), 1e-9), distance=apart)
    rests, _ = find_peaks(-smooth)
    following_rest = np.searchsorted(rests, hardest)
    stopped = following_rest < len(rests)
    middle = 0.5 * (hardest[stopped] + rests[following_rest[stopped]])
    return np.asarray(middle / _BODY_FPS, dtype=np.float64)


def accents_hit(accents_s: Times, strength: NDArray[np.float32]) -> float:
    """Return the share of accents with a strong onset; strength at the mel rate; NaN if none."""
    rate_hz = timebase.mel_rate_hz()
    frames = np.round(accents_s * rate_hz).astype(int)
    frames = frames[frames < len(strength)]
    if len(frames) == 0:
        return float("nan")
    near = maximum_filter1d(strength, 2 * timebase.frames_in(_ACCENT_REACH_S, rate_hz) + 1)
    return float(np.mean(near[frames] > np.quantile(near, 1.0 - _STRONG_SHARE)))


def _means(values: Times, rate_hz: float, edges_s: Times) -> Times:
    edges = [timebase.frames_in(edge, rate_hz) for edge in edges_s]
    return np.array([values[a : max(b, a + 1)].mean() for a, b in pairwise(edges)])
