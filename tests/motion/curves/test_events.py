import numpy as np
import pytest

from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import cut
from kinetune.motion.curves.events import analyse_curves
from kinetune.motion.curves.puppet import clip_from_curves
from kinetune.motion.curves.reading import curves_of


def ball(period_s, fps, *, first_s=0.2, duration_s=14.0):
    times = np.arange(int(duration_s * fps)) / fps
    since = (times - first_s) % period_s
    return curves_of({"height": 4.9 * since * (period_s - since)}, fps=fps)


@pytest.mark.parametrize("fps", [24.0, 30.0, 100.0])
@pytest.mark.parametrize("period_s", [0.45, 0.55, 0.7, 1.3])
def test_every_bounce_is_on_a_beat(period_s, fps):
    beats = analyse_curves(ball(period_s, fps)).beats
    bounces = np.arange(0.2 + period_s, 13.5, period_s)
    away = np.abs(bounces[:, None] - np.array(beats.beats_s)).min(axis=1)
    assert away.max() < 0.02
    assert 60.0 <= beats.bpm <= 180.0
    times = beats.bpm * period_s / 60.0
    assert times == pytest.approx(round(times), abs=0.01)


def test_events_are_the_bounces_not_the_tops():
    analysis = analyse_curves(ball(0.7, 60.0))
    bounces = np.arange(0.9, 13.5, 0.7)
    strong = analysis.events_s[analysis.weights > 0.5]
    assert np.abs(bounces[:, None] - strong).min(axis=1).max() < 0.02


def test_units_do_not_matter():
    metres = ball(0.55, 30.0)
    inches = curves_of({"height": metres.values[:, 0] * 39.37 + 7.0}, fps=30.0)
    one, other = analyse_curves(metres), analyse_curves(inches)
    np.testing.assert_allclose(one.salience, other.salience, rtol=1e-6)
    np.testing.assert_allclose(one.beats.beats_s, other.beats.beats_s, atol=1e-9)


def test_a_heart_rate_is_the_tempo():
    rates = np.linspace(72.0, 96.0, 61)
    beats_s = np.array(
        analyse_curves(curves_of({"time": np.arange(61.0), "heart_rate": rates})).beats.beats_s
    )
    # The pulse at each beat: 72 + 0.4 t beats a minute.
    middle = 0.5 * (beats_s[1:] + beats_s[:-1])
    np.testing.assert_allclose(60.0 / np.diff(beats_s), 72.0 + 0.4 * middle, atol=0.1)


def test_a_pulse_wave_gives_its_rate():
    phase = np.arange(3000) / 100 * 80 / 60 % 1.0
    noise = 0.02 * np.random.default_rng(0).normal(size=3000)
    wave = np.exp(-(((phase - 0.2) / 0.08) ** 2)) + 0.4 * np.exp(-(((phase - 0.5) / 0.1) ** 2))
    analysis = analyse_curves(curves_of({"ppg": wave + noise}, fps=100.0))
    assert analysis.beats.bpm == pytest.approx(80.0, abs=0.2)


def test_energy_follows_the_speed_of_the_curve():
    times = np.arange(900) / 60
    loud = np.where(times < 7.5, 0.2, 1.0) * np.sin(2 * np.pi * times)
    energy = analyse_curves(curves_of({"x": loud}, fps=60.0)).energy
    assert energy[480:860].mean() == pytest.approx(5.0 * energy[60:420].mean(), rel=0.1)
    assert energy.max() == pytest.approx(1.0)


def test_the_body_has_the_curves_beats_and_energy():
    times = np.arange(1200) / 60
    size = 0.3 + 0.7 * (times > 10.0)
    curves = curves_of({"x": size * np.sin(2 * np.pi * times), "y": size * np.cos(times)}, fps=60.0)
    clip, analysis = clip_from_curves(curves), analyse_curves(curves)
    grid = beat_grid(clip)
    np.testing.assert_allclose(grid.beats_s, analysis.beats.beats_s)
    speed = kinematics.joint_speeds(clip).mean(axis=1)
    assert speed[660:1140].mean() > 1.8 * speed[60:540].mean()


def test_what_a_person_names_goes_before(tmp_path):
    clip = clip_from_curves(ball(0.55, 60.0))
    assert beat_grid(clip).bpm == pytest.approx(60 / 0.55, abs=0.1)
    named = beat_grid(clip, bpm=90.0, first_beat_s=0.1)
    assert (named.bpm, named.first_beat_s) == (90.0, pytest.approx(0.1))
    assert beat_grid(clip, metre=3).metre == 3
    assert beat_grid(clip, reading=2).bpm == pytest.approx(beat_grid(clip).readings[1].bpm)


def test_beats_move_with_a_cut():
    clip = clip_from_curves(ball(0.6, 60.0))
    late = cut(clip, 1.0, 6.0)
    expected = [beat - 1.0 for beat in clip.known_beats.beats_s if beat >= 1.0]
    np.testing.assert_allclose(late.known_beats.beats_s, expected)


def test_a_straight_line_has_a_tempo_without_confidence():
    beats = analyse_curves(curves_of({"x": np.arange(300.0)}, fps=60.0)).beats
    assert (beats.bpm, beats.confidence) == (105.0, 0.0)
