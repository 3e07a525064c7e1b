"""The offset and stretch that bring a song's beats to a dance's, and how good the fit is.

Conventions: seconds; song time t plays at ``offset_s + stretch * t`` of the dance. A dance has
several readings (tempo, beat and probability); a song's beat may also be counted at half or double
its tempo. Every pair of them whose stretch is within the limit is a candidate. Of the offsets that
bring the same beats together, one a beat, the best is that with the most agreement of energy and
accents and the largest learned similarity.

The score is the share of the body's beat activation at the song's beats, each instant weighted by
exp(-d^2 / (2 w^2)) of its distance d to the nearest song beat, w = 50 ms as in the beat alignment
score (Li et al. 2021). Chance is the same at random offsets. The p-value is the share of other
tempi, each at its best offset, whose gain over chance is as large.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.fitting.body import BodyAnalysis
from kinetune.fitting.similarity import similarity_at, similarity_of_map
from kinetune.fitting.song import SongAnalysis, countings, line_through
from kinetune.fitting.time_map import LARGEST_STRETCH, TimeMap, steady_map, warp_map
from kinetune.metrics.alignment import WIDTH_S
from kinetune.metrics.body import CHANCE_ACCENT_HIT, accents_hit, energy_correlation
from kinetune.motion.beats.beat_grid import HARDLY_MOVES
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.readings import Reading

Array = NDArray[np.float64]
Verdict = Literal["fits", "unsure", "no fit"]

# Deviation of the prior over stretches, as a natural logarithm: small ones are likelier.
_STRETCH_DEVIATION = 0.2
_RANDOM_OFFSETS = 200
# Other tempi for the p-value, and offsets tried at each.
_OTHER_TEMPI_BPM, _PHASES = np.geomspace(62.0, 178.0, 50), 16
# Nearer than this (octaves) to a simple multiple of the tempo is no other tempo.
_OTHER_OCTAVES, _RELATED = 0.05, (1.0, 2.0, 0.5, 1.5, 2 / 3, 3.0, 1 / 3, 0.75, 4 / 3)
# The verdicts' limits on p-value and on the probability of the dance's reading.
_FITS_P, _UNSURE_P, _GUESS, _UNLIKELY = 0.05, 0.2, 0.3, 0.05
# Weight of the song's bars against those of the dance, where both are known.
_BAR_WEIGHT = 0.3
# A short song overlaps the dance by this part of the shorter one at least.
_LEAST_OVERLAP = 0.5
_NOTHING = 1e-9


@dataclass(frozen=True)
class Candidate:
    """A way to bring song and dance together.

    Attributes:
        reading: Number of the dance's reading, from 1.
        dance_bpm: Its tempo.
        song_bpm: Tempo at which the song is counted.
        stretch: Dance seconds over song seconds.
        offset_s: Time in the dance at which the song begins, at the offset nearest to 0.
        probability: Of the dance's reading.
        weight: How likely this candidate is against the others; they sum to 1.
        counting: How the song is counted: 0 as tracked, 1 twice as fast, 2 and 3 every second beat.
    """

    reading: int
    dance_bpm: float
    song_bpm: float
    stretch: float
    offset_s: float
    probability: float
    weight: float
    counting: int = 0


@dataclass(frozen=True)
class Fit:
    """How a song fits a dance.

    Attributes:
        song: Name of the song.
        dance: Name of the dance.
        verdict: ``fits``, ``unsure`` or ``no fit``.
        reason: Why it isn't ``fits``, a few words; else empty.
        offset_s: Time in the dance at which the song begins; negative where the dance begins
            within the song. None where no stretch within the limit brings the beats together.
        stretch: Dance seconds over song seconds; the mean where the map is beat by beat.
        score: Share of the body's beat activation at the song's beats, 0 to 1.
        chance_score: Mean of the score at random offsets.
        p_value: Share of other tempi that gain as much over chance at their best offset.
        energy: Rank correlation of body speed and loudness, -1 to 1, or None.
        accents: Share of the body's accents at a strong onset, 0 to 1 (chance 0.25), or None.
        readings: All candidates, most likely first.
        time_map: Song time to dance time.
        similarity: Learned similarity of dance and song, -1 to 1, or None.
    """

    song: str
    dance: str
    verdict: Verdict
    reason: str = ""
    offset_s: float | None = None
    stretch: float | None = None
    score: float = 0.0
    chance_score: float = 0.0
    p_value: float = 1.0
    energy: float | None = None
    accents: float | None = None
    readings: tuple[Candidate, ...] = ()
    time_map: TimeMap | None = None
    similarity: float | None = None

    @property
    def gain(self) -> float:
        """Score above chance, as part of what is possible above chance."""
        return (self.score - self.chance_score) / max(1.0 - self.chance_score, _NOTHING)


def find_fit(
    song: SongAnalysis,
    body: BodyAnalysis,
    *,
    limit: float = LARGEST_STRETCH,
    from_start: bool = False,
    per_beat: bool = False,
) -> Fit:
    """Return how a song fits a dance best.

    Args:
        song: The song.
        body: The dance.
        limit: Largest stretch, 0 to 0.1.
        from_start: Take the offset nearest to 0, so that the song begins with the dance.
        per_beat: Map beat by beat, where song or dance drift; else one ratio.
    """
    if song.line is None:
        return Fit(song.name, body.name, "no fit", "the song has no beat")
    if body.grid.note == HARDLY_MOVES or body.activation.sum() <= _NOTHING:
        return Fit(song.name, body.name, "no fit", "the body hardly moves")
    readings = candidates(song, body, limit)
    if not readings:
        return Fit(song.name, body.name, "no fit", _tempi_apart(song, body))
    best = readings[0]
    song = countings(song)[best.counting][0]
    offset_s = best.offset_s if from_start else _best_offset(song, body, best)
    time_map = steady_map(offset_s, best.stretch, song.duration_s)
    if not song.steady:
        time_map = _local_map(song, body, best, time_map, limit)
    if per_beat:
        time_map = _map_per_beat(song, body, best, time_map, limit)
    return _scored(song, body, readings, time_map)


def candidates(song: SongAnalysis, body: BodyAnalysis, limit: float) -> tuple[Candidate, ...]:
    """Return all ways to bring the beats together, most likely first; none if there is none."""
    each_way = [
        candidate
        for counting, (counted, weight) in enumerate(countings(song))
        for number, reading in enumerate(_readings(body), start=1)
        if (candidate := _candidate(counted, reading, (counting, number), weight, limit))
    ]
    total = sum(each.weight for each in each_way)
    ranked = sorted(each_way, key=lambda each: -each.weight)
    return tuple(replace(each, weight=each.weight / total) for each in ranked)


def _candidate(
    song: SongAnalysis, reading: Reading, numbers: tuple[int, int], weight: float, limit: float
) -> Candidate | None:
    """The candidate of a counting and a reading, not yet weighed; None beyond the limit."""
    assert song.line is not None
    period_s = timebase.beat_period_s(reading.bpm)
    stretch = period_s / song.line.period_s
    if abs(stretch - 1.0) > limit + _NOTHING:
        return None
    prior = float(np.exp(-0.5 * (np.log(stretch) / _STRETCH_DEVIATION) ** 2))
    offset_s = reading.first_beat_s - stretch * song.line.first_s
    offset_s -= period_s * round(offset_s / period_s)
    return Candidate(
        numbers[1], reading.bpm, timebase.bpm_of(song.line.period_s), stretch, offset_s,
        reading.probability, max(reading.probability, 1e-6) * weight * prior, numbers[0],
    )  # fmt: skip


def _readings(body: BodyAnalysis) -> Sequence[Reading]:
    """The readings of a dance; beats that a person names are the only one."""
    grid = body.grid
    if grid.readings:
        return grid.readings
    return [Reading(grid.bpm, grid.first_beat_s, grid.bar_start_s, grid.metre, grid.confidence)]


def _tempi_apart(song: SongAnalysis, body: BodyAnalysis) -> str:
    assert song.line is not None
    bpm = timebase.bpm_of(song.line.period_s)
    return (
        f"the tempi are too far apart: song {bpm:.1f} bpm, dance {body.grid.bpm:.1f} bpm (half and "
        "double tried too)"
    )


# Which of the offsets, one a beat


def _best_offset(song: SongAnalysis, body: BodyAnalysis, best: Candidate) -> float:
    period_s = timebase.beat_period_s(best.dance_bpm)
    length_s = best.stretch * song.duration_s
    shared_s = min(body.duration_s, length_s)
    # A song with a bar to spare plays all through the dance. Others may miss a part of it.
    spare = length_s >= body.duration_s + timebase.BEATS_IN_BAR * period_s
    least_s = shared_s if spare else _LEAST_OVERLAP * shared_s
    first = int(np.ceil((least_s - length_s - best.offset_s) / period_s))
    last = int(np.floor((body.duration_s - least_s - best.offset_s) / period_s))
    offsets = best.offset_s + period_s * np.arange(first, last + 1)
    if len(offsets) == 0:
        return best.offset_s
    similar = similarity_at(song, body, stretch=best.stretch, offsets_s=offsets)
    merits = [
        _merit(song, body, best, float(offset_s), shared_s, float(similarity))
        for offset_s, similarity in zip(offsets, similar, strict=True)
    ]
    # Equal ones go to the offset nearest to 0.
    order = np.lexsort((np.abs(offsets), -np.round(merits, 6)))
    return float(offsets[order[0]])


def _merit(
    song: SongAnalysis,
    body: BodyAnalysis,
    best: Candidate,
    offset_s: float,
    shared_s: float,
    similarity: float,
) -> float:
    """How well a song agrees at an offset, times the share that overlaps.

    The mean of energy and accents counts as much as the learned similarity, as in
    :mod:`kinetune.metrics.ranking`; bars count beside them.
    """
    energy, accents = _agreement(song, body, steady_map(offset_s, best.stretch, song.duration_s))
    parts = [0.5 * (1.0 + (energy or 0.0)), CHANCE_ACCENT_HIT if accents is None else accents]
    overlap_s = min(body.duration_s, offset_s + best.stretch * song.duration_s) - max(0.0, offset_s)
    bars = _BAR_WEIGHT * _bar_agreement(song, body, best, offset_s)
    agreement = 0.5 * (float(np.mean(parts)) + similarity)
    return (agreement + bars) * min(1.0, overlap_s / shared_s)


def _agreement(
    song: SongAnalysis, body: BodyAnalysis, time_map: TimeMap
) -> tuple[float | None, float | None]:
    """Energy correlation and accents hit, where the song plays; None where undefined."""
    start_s, end_s = _overlap(song, body, time_map)
    rate_hz = timebase.mel_rate_hz()
    times_s = start_s + timebase.frame_times(
        max(1, timebase.frames_in(end_s - start_s, rate_hz)), rate_hz
    )
    frames = time_map.in_song(times_s) * rate_hz
    index = np.arange(len(song.power), dtype=np.float64)
    power = np.interp(frames, index, song.power)
    strength = np.interp(frames, np.arange(len(song.strength), dtype=np.float64), song.strength)
    speed = body.speed[
        timebase.frames_in(start_s, ANALYSIS_FPS) : timebase.frames_in(end_s, ANALYSIS_FPS)
    ]
    inside = (body.accents_s >= start_s) & (body.accents_s < end_s)
    energy = energy_correlation(speed, power) if len(speed) else np.nan
    accents = accents_hit(body.accents_s[inside] - start_s, strength)
    return _defined(energy), _defined(accents)


def _overlap(song: SongAnalysis, body: BodyAnalysis, time_map: TimeMap) -> tuple[float, float]:
    start_s, end_s = time_map.in_dance(np.array([0.0, song.duration_s]))
    return max(0.0, float(start_s)), min(body.duration_s, float(end_s))


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _bar_agreement(
    song: SongAnalysis, body: BodyAnalysis, best: Candidate, offset_s: float
) -> float:
    """Share of the song's downbeats on the dance's, 0 where the song's are unknown."""
    downbeats_s = offset_s + best.stretch * song.downbeats_s
    downbeats_s = downbeats_s[(downbeats_s >= 0.0) & (downbeats_s < body.duration_s)]
    if len(downbeats_s) == 0:
        return 0.0
    reading = _readings(body)[best.reading - 1]
    period_s = timebase.beat_period_s(reading.bpm)
    bars = (downbeats_s - reading.bar_start_s) / (reading.metre * period_s)
    return float(np.mean(np.abs(bars - np.round(bars)) * reading.metre < 0.5))


# Songs and dances that drift


def _beat_pairs(
    song: SongAnalysis, body: BodyAnalysis, best: Candidate, time_map: TimeMap
) -> tuple[Array, Array]:
    """Song beats that play within the dance, and the dance beat nearest to each."""
    beats_s = _dance_beats(body, best)
    placed_s = time_map.in_dance(song.beats_s)
    margin_s = timebase.beat_period_s(best.dance_bpm)
    inside = (placed_s > beats_s[0] - margin_s) & (placed_s < beats_s[-1] + margin_s)
    nearest = np.abs(placed_s[inside, None] - beats_s).argmin(axis=1)
    targets, first = np.unique(nearest, return_index=True)
    return song.beats_s[inside][first], beats_s[targets]


def _dance_beats(body: BodyAnalysis, best: Candidate) -> Array:
    """Beats of the dance by the candidate's reading; two or more."""
    if best.reading == 1 and len(body.grid.beats_s) > 1:
        return body.grid.beats_s
    reading = _readings(body)[best.reading - 1]
    period_s = timebase.beat_period_s(reading.bpm)
    beats_s = timebase.beat_times(reading.bpm, reading.first_beat_s, body.duration_s)
    if len(beats_s) < 2:
        return np.array([reading.first_beat_s, reading.first_beat_s + period_s])
    return beats_s


def _local_map(
    song: SongAnalysis, body: BodyAnalysis, best: Candidate, time_map: TimeMap, limit: float
) -> TimeMap:
    """One ratio from the beats of the part that plays, for a song whose tempo changes."""
    song_s, dance_s = _beat_pairs(song, body, best, time_map)
    if line_through(song_s) is None:
        return time_map
    stretch, offset_s = np.polyfit(song_s, dance_s, 1)
    if abs(stretch - 1.0) > limit:
        return time_map
    return steady_map(float(offset_s), float(stretch), song.duration_s)


def _map_per_beat(
    song: SongAnalysis, body: BodyAnalysis, best: Candidate, time_map: TimeMap, limit: float
) -> TimeMap:
    song_s, dance_s = _beat_pairs(song, body, best, time_map)
    return warp_map(song_s, dance_s, limit) if len(song_s) > 1 else time_map


# The score


def _scored(
    song: SongAnalysis, body: BodyAnalysis, readings: tuple[Candidate, ...], time_map: TimeMap
) -> Fit:
    best, span = readings[0], _overlap(song, body, time_map)
    beats_s = _continued(time_map.in_dance(song.beats_s))
    score = beat_score(body.activation, beats_s, span)
    period_s = timebase.beat_period_s(best.dance_bpm)
    shifts_s = np.random.default_rng(0).uniform(-2.0, 2.0, _RANDOM_OFFSETS) * period_s
    chance = float(np.mean([beat_score(body.activation, beats_s + s, span) for s in shifts_s]))
    gain = (score - chance) / max(1.0 - chance, _NOTHING)
    p_value = _p_value(body, best.dance_bpm, gain, span)
    verdict, reason = _verdict(p_value, best.probability)
    offset_s = float(time_map.in_dance(np.zeros(1))[0])
    ends_s = time_map.in_dance(np.array([0.0, song.duration_s]))
    energy, accents = _agreement(song, body, time_map)
    return Fit(
        song.name, body.name, verdict, reason, offset_s,
        float(np.ptp(ends_s)) / song.duration_s, score, chance, p_value, energy, accents,
        readings, time_map, similarity_of_map(song, body, time_map),
    )  # fmt: skip


def _continued(beats_s: Array) -> Array:
    """Beats with four more at each end, at the pace there: trackers miss the outermost ones."""
    more = np.arange(1.0, 5.0)
    before = beats_s[0] - more[::-1] * (beats_s[1] - beats_s[0])
    after = beats_s[-1] + more * (beats_s[-1] - beats_s[-2])
    return np.concatenate([before, beats_s, after])


def beat_score(activation: Array, beats_s: Array, span: tuple[float, float]) -> float:
    """Return the share of a body's beat activation at beats.

    Args:
        activation: At 60 frames per second, (T,).
        beats_s: Beats, seconds, ascending, (K,).
        span: Start and end of what counts, seconds.

    Returns:
        0 to 1; 0 without beats or activation.
    """
    times_s = timebase.frame_times(len(activation), ANALYSIS_FPS)
    inside = (times_s >= span[0]) & (times_s < span[1])
    total = float(activation[inside].sum())
    if len(beats_s) == 0 or total <= _NOTHING:
        return 0.0
    after = np.searchsorted(beats_s, times_s[inside]).clip(1, max(len(beats_s) - 1, 1))
    after = np.minimum(after, len(beats_s) - 1)
    before = np.maximum(after - 1, 0)
    away_s = np.minimum(
        np.abs(times_s[inside] - beats_s[before]), np.abs(times_s[inside] - beats_s[after])
    )
    near = np.exp(-(away_s**2) / (2.0 * WIDTH_S**2))
    return float((activation[inside] * near).sum() / total)


def _p_value(body: BodyAnalysis, bpm: float, gain: float, span: tuple[float, float]) -> float:
    """Share of other tempi that gain as much at their best of 16 offsets."""
    gains = []
    for other_bpm in _OTHER_TEMPI_BPM:
        octaves = [abs(np.log2(other_bpm / (bpm * ratio))) for ratio in _RELATED]
        if min(octaves) < _OTHER_OCTAVES:
            continue
        period_s = timebase.beat_period_s(other_bpm)
        grid_s = np.arange(-period_s, body.duration_s + 2.0 * period_s, period_s)
        scores = [
            beat_score(body.activation, grid_s + period_s * k / _PHASES, span)
            for k in range(_PHASES)
        ]
        chance = float(np.mean(scores))
        gains.append((max(scores) - chance) / max(1.0 - chance, _NOTHING))
    return (1 + int(np.sum(np.array(gains) >= gain))) / (1 + len(gains))


def _verdict(p_value: float, probability: float) -> tuple[Verdict, str]:
    if p_value > _UNSURE_P:
        return "no fit", f"other tempi meet the body as well (p = {p_value:.2f})"
    if probability < _UNLIKELY:
        return (
            "no fit",
            f"only an unlikely reading of the dance ({probability:.0%}) meets its tempo",
        )
    if p_value > _FITS_P:
        return "unsure", f"few other tempi meet the body as well (p = {p_value:.2f})"
    if probability < _GUESS:
        return "unsure", f"the dance's beat is a guess ({probability:.0%})"
    return "fits", ""
