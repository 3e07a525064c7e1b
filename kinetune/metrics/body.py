"""Motion-music correlation: loudness and onset density against speed, onsets on accents.

Conventions: seconds; body speed in m/s at 60 fps (T,), loudness as mean square and onset strength
at the mel rate (L,). Speed, loudness and number of onsets are averaged over windows of a second,
every quarter second, and correlated by rank (Spearman), so neither units nor the loudness of the
recording matter. Music that never changes scores 0; for a dance that never changes the scores are
undefined (NaN). These are kinetune's own measures; windows, radius and quarter were chosen on
dances and music of kinetune's corpus (docs/metrics.md).
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MetricError
from kinetune.metrics.latency import ONSET_STRENGTH_LATENCY_S
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS

Array = NDArray[np.float64]
NAN = float("nan")
WINDOW_S, STEP_S = 1.0, 0.25
# A rank correlation of fewer windows means nothing.
_MIN_WINDOWS = 4
# An accent is hit by an onset within 50 ms that is among the strongest quarter of its clip: chance
# is then a quarter, however busy the music.
_HIT_RADIUS_S, _STRONG_FRACTION = 0.05, 0.25
CHANCE_ACCENT_HIT = _STRONG_FRACTION


def validate(speed: Array, music: Array) -> None:
    """Check that both are curves.

    Raises:
        MetricError: They are not 1-D, or hold NaN.
    """
    for name, curve in (("speed", speed), ("music", music)):
        if curve.ndim != 1 or not np.isfinite(curve).all():
            raise MetricError(f"{name}: expected finite values (N,), found shape {curve.shape}")


def energy_correlation(speed: Array, power: Array) -> float:
    """Return the rank correlation of body speed (T,) and mean-square loudness (L,), -1 to 1."""
    return _correlation(speed, power)


def density_correlation(speed: Array, onsets_s: Array) -> float:
    """Return the rank correlation of body speed (T,) and number of onsets, -1 to 1.

    Args:
        speed: Mean joint speed, m/s, at 60 fps, (T,).
        onsets_s: Onset times, seconds, (K,).
    """
    validate(speed, onsets_s)
    rate_hz = timebase.mel_rate_hz()
    length = timebase.frames_in(timebase.duration_of(len(speed), ANALYSIS_FPS), rate_hz)
    frames = np.round(onsets_s * rate_hz).astype(int)
    counts = np.bincount(frames[frames < length], minlength=length)
    return _correlation(speed, counts.astype(np.float64))


def accents_hit(accents_s: Array, strength: Array) -> float:
    """Return the share of the body's accents at which the music has a strong onset.

    Args:
        accents_s: Times of sudden stops, seconds, (K,).
        strength: Onset strength at the mel rate, (L,).

    Returns:
        0 to 1, chance 0.25; 0 for music without onsets, NaN for a dance without accents.
    """
    from scipy.ndimage import maximum_filter1d

    validate(accents_s, strength)
    rate_hz = timebase.mel_rate_hz()
    # The onset strength peaks a latency after the attack.
    frames = np.round((accents_s + ONSET_STRENGTH_LATENCY_S) * rate_hz).astype(int)
    frames = frames[frames < len(strength)]
    if len(frames) == 0:
        return NAN
    radius = timebase.frames_in(_HIT_RADIUS_S, rate_hz)
    near = maximum_filter1d(strength, 2 * radius + 1)
    return float(np.mean(near[frames] > np.quantile(near, 1.0 - _STRONG_FRACTION)))


def _correlation(speed: Array, music: Array) -> float:
    from scipy.stats import rankdata

    validate(speed, music)
    body, sound = windowed(speed, ANALYSIS_FPS), windowed(music, timebase.mel_rate_hz())
    count = min(len(body), len(sound))
    if count < _MIN_WINDOWS or np.ptp(body[:count]) <= 1e-9:
        return NAN
    if np.ptp(sound[:count]) <= 1e-9 * max(1e-3, float(sound[:count].max())):
        return 0.0
    return float(np.corrcoef(rankdata(body[:count]), rankdata(sound[:count]))[0, 1])


def windowed(values: Array, rate_hz: float) -> Array:
    """Return means over windows of a second every quarter second, (N,) -> (W,)."""
    duration_s = timebase.duration_of(len(values), rate_hz)
    count = max(0, int((duration_s - WINDOW_S + 1e-6) // STEP_S) + 1)
    starts = [timebase.frames_in(k * STEP_S, rate_hz) for k in range(count)]
    width = timebase.frames_in(WINDOW_S, rate_hz)
    return np.array([values[start : start + width].mean() for start in starts])


def evaluate(
    speed: Array, accents_s: Array, power: Array, strength: Array, onsets_s: Array
) -> dict[str, float]:
    """Return all scores of one clip by name."""
    return {
        "energy_correlation": energy_correlation(speed, power),
        "density_correlation": density_correlation(speed, onsets_s),
        "accents_hit": accents_hit(accents_s, strength),
    }
