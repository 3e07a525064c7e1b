"""Dance analysis for the composer: impacts, contrast, build-ups, hits, rests."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import spearmanr

from kinetune import genres, timebase
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.dance_analysis import (
    dance_profile,
    expand_contrast,
    impact_strengths,
)
from kinetune.corpus.rendering.mixer import render
from kinetune.errors import ConfigError
from tests.corpus.test_music import plan

RATE_HZ = 16_000


def stop_and_go(fps=60.0, duration_s=6.0, stop_s=3.0):
    """A dance whose body drifts steadily and stops dead once."""
    clip = choreograph(1, DanceRequest(genre="PO", bpm=120.0, duration_s=duration_s, fps=fps)).clip
    times = timebase.frame_times(clip.frame_count, clip.fps)
    root = np.zeros_like(clip.root_m)
    root[:, 0] = np.minimum(times, stop_s)
    still = np.repeat(clip.rotations[:1], clip.frame_count, axis=0)
    return dataclasses.replace(clip, root_m=root, rotations=still)


def test_a_sudden_stop_is_the_strongest_impact():
    beats = np.arange(0.0, 6.0, 0.5)
    impacts = impact_strengths(stop_and_go(), beats, 0.5)
    assert impacts.shape == (24,)
    assert np.argmax(impacts) == 12


def test_a_plan_covers_the_dance():
    dance = choreograph(3, DanceRequest(genre="LO", bpm=110.0, duration_s=8.0))
    made = dance_profile(dance)
    assert len(made.impacts) == 2 * len(made.energy) == 2 * len(dance.beats_s)
    assert 0.0 <= made.impacts.min() <= made.impacts.max() <= 1.0


def test_contrast_keeps_the_order_and_leaves_a_flat_dance_alone():
    energy = np.array([0.4, 0.5, 0.45, 0.6, 0.5])
    assert np.array_equal(np.argsort(expand_contrast(energy)), np.argsort(energy))
    assert np.ptp(expand_contrast(energy)) > 1.5 * np.ptp(energy)
    assert np.allclose(expand_contrast(np.full(8, 0.3)), 0.3)


def test_a_sudden_moment_is_hit():
    impacts = np.zeros(20)
    impacts[9] = 1.0
    quiet, struck = plan("LO"), dataclasses.replace(plan("LO"), impacts=impacts)
    wanted_s = 9 * 0.3
    hits = [n.start_s for n in compose(struck, 1).notes if n.part == "accent"]
    assert hits
    assert all(abs(start - wanted_s) < 0.08 for start in hits)
    assert not [n for n in compose(quiet, 1).notes if n.part == "accent"]


def test_a_stronger_bar_is_led_up_to():
    energy = np.full(16, 0.25)
    energy[8:] = 0.8
    rising = dataclasses.replace(plan("HO", bpm=120.0, duration_s=8.0), energy=energy)
    risers = [
        note.start_s for seed in range(6) for note in compose(rising, seed).notes
        if note.part == "riser"
    ]  # fmt: skip
    assert any(2.8 < start < 4.0 for start in risers)


def test_a_freeze_rests():
    energy = np.full(32, 0.8)
    energy[18:20] = 0.02
    frozen = dataclasses.replace(plan("LO", bpm=120.0, duration_s=16.0), energy=energy)
    counts = {"still": 0, "moving": 0}
    for seed in range(6):
        starts = np.array([note.start_s for note in compose(frozen, seed).notes])
        counts["still"] += np.sum((starts > 8.95) & (starts < 9.95))
        counts["moving"] += np.sum((starts > 6.95) & (starts < 7.95))
    assert counts["still"] < 0.5 * counts["moving"]


def test_impacts_of_another_length_are_refused():
    with pytest.raises(ConfigError, match="half-beats"):
        compose(dataclasses.replace(plan(), impacts=np.ones(3)), 1)


def bars_of(score, samples):
    """Energy, loudness and notes of every whole bar."""
    starts = np.array([note.start_s for note in score.notes])
    rows = []
    for start, end in zip(score.bars_s, score.bars_s[1:], strict=False):
        inside = (score.beats_s >= start - 1e-6) & (score.beats_s < end - 1e-6)
        if np.count_nonzero(inside) == 4:
            bar = samples[int(start * RATE_HZ) : int(end * RATE_HZ)]
            count = np.sum((starts >= start - 0.03) & (starts < end - 0.03))
            rows.append((score.energy[inside].mean(), np.mean(bar**2), count))
    return np.array(rows)


@pytest.mark.slow
def test_loudness_and_density_follow_the_body():
    loud, dense = [], []
    for seed, code in enumerate(genres.CODES):
        dance = choreograph(seed, DanceRequest(genre=code, bpm=110.0, duration_s=24.0))
        score = compose(dance, seed)
        rows = bars_of(score, render(score, RATE_HZ, channels=1).samples)
        loud.append(spearmanr(rows[:, 0], rows[:, 1])[0])
        dense.append(spearmanr(rows[:, 0], rows[:, 2])[0])
    assert np.median(loud) > 0.6
    assert np.median(dense) > 0.5
