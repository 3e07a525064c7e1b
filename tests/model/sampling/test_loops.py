from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.model.condition import DanceInput
from kinetune.model.conditioning.control_score import Accent, ControlScore, Section, Silence
from kinetune.model.sampling.loops import crossfade_loop, fit_loop, tile_features
from kinetune.model.sampling.windows import map_windows, plan_loop
from kinetune.model.synthesis import Synthesiser
from kinetune.motion.beats.beat_grid import fixed_grid
from tests.conftest import swaying_clip

COLUMN_S, WINDOW_S = 4 * 512 / 22_050, 11.9


def fitted(duration_s=8.2, bpm=120.0, first_beat_s=0.3, *, hold=False):
    clip = swaying_clip(duration_s=duration_s)
    grid = fixed_grid(bpm, first_beat_s, duration_s)
    return fit_loop(clip, grid, column_s=COLUMN_S, window_s=WINDOW_S, hold_tempo=hold)


def test_whole_bars_fill_the_dance():
    loop = fitted()
    heard = loop.output_grid
    assert loop.duration_s == pytest.approx(8.2)
    assert len(heard.beats_s) == 16
    assert np.diff(heard.beats_s) == pytest.approx(8.2 / 16)
    assert heard.beats_s[0] + 16 * 60 / heard.bpm == pytest.approx(heard.beats_s[0] + 8.2)
    assert loop.clip.duration_s == pytest.approx(loop.columns * COLUMN_S)
    assert abs(loop.stretch - 1.0) < 0.5 * COLUMN_S / 8.2 + 1e-9


def test_a_loop_in_three_is_whole_bars_of_three():
    """8.2 s at 120 bpm hold 16.4 beats, five bars of three."""
    clip, grid = swaying_clip(duration_s=8.2), replace(fixed_grid(120.0, 0.3, 8.2), metre=3)
    options = {"column_s": 0.0929, "window_s": 11.9}
    loop = fit_loop(clip, grid, hold_tempo=True, **options)
    assert loop.duration_s == pytest.approx(7.5)
    assert len(loop.output_grid.beats_s) == 15
    assert loop.output_grid.metre == 3
    moved = fit_loop(clip, replace(grid, bpm=112.0), hold_tempo=False, **options)
    assert len(moved.output_grid.beats_s) == 15
    assert moved.duration_s == pytest.approx(8.2)


def test_a_tempo_that_is_held_ends_the_loop_with_its_last_bar():
    loop = fitted(9.7, hold=True)
    assert loop.duration_s == pytest.approx(8.0)
    assert loop.output_grid.bpm == pytest.approx(120.0)


def test_a_short_dance_is_filled_with_beats():
    loop = fitted(1.5, 118.0)
    assert len(loop.output_grid.beats_s) == 3
    assert loop.output_grid.bpm == pytest.approx(120.0)


def test_a_held_tempo_needs_a_bar():
    with pytest.raises(MotionError, match="less than a bar"):
        fitted(1.5, hold=True)


def test_tiled_features_repeat():
    rows = torch.randn(90, 3)
    dance = DanceInput(rows, "HO", np.arange(20) * 0.5, 0.0)
    longer = tile_features(dance, period_s=3.0, window_s=4.0).features
    torch.testing.assert_close(longer[:90], rows)
    torch.testing.assert_close(longer[90:180], rows)


@pytest.mark.parametrize("columns", [5, 40, 90])
def test_a_ring_has_no_seam(columns):
    """Windows that agree join without error, wherever they begin."""
    plan = plan_loop(columns, width=32, useful=32, overlap=8)
    assert plan.total == columns
    row = torch.randn(1, 2, 1, columns)
    torch.testing.assert_close(map_windows(plan, row, lambda windows, _: windows), row)
    fine = map_windows(plan, row, lambda w, _: w.repeat_interleave(4, dim=-1), per_column=4)
    torch.testing.assert_close(fine, row.repeat_interleave(4, dim=-1))


def test_turning_the_ring_turns_the_result():
    plan = plan_loop(64, width=32, useful=32, overlap=16)
    row = torch.randn(1, 1, 1, 64)

    def smooth(windows, places):
        return torch.nn.functional.avg_pool1d(windows[:, 0], 5, 1, 2)[:, None]

    one = map_windows(plan, row, smooth)
    two = map_windows(plan, row.roll(16, dims=-1), smooth)
    torch.testing.assert_close(one.roll(16, dims=-1), two, atol=1e-5, rtol=1e-5)


def test_a_closed_sound_leads_from_its_end_to_its_beginning():
    rate_hz, n = 8_000, 8_000
    time_s = np.arange(3 * n) / rate_hz
    # Not a whole number of turns: cut plainly it would click.
    tone = np.sin(2 * np.pi * 100.3 * time_s).astype(np.float32)
    loop = crossfade_loop(tone, before=n, count=n, rate_hz=rate_hz, output=n)
    step = np.abs(np.diff(np.concatenate([loop, loop])))
    assert step[n - 5 : n + 5].max() < 1.3 * np.median(np.sort(step)[-n // 4 :])
    assert len(crossfade_loop(tone, before=n, count=n, rate_hz=rate_hz, output=7_900)) == 7_900


def test_a_loop_is_whole_bars_long_and_the_same_for_the_same_seed(mono_pipeline):
    dance = swaying_clip(duration_s=6.3)
    one, two = (mono_pipeline(dance, genre="HO", seed=3, loop=True) for _ in range(2))
    np.testing.assert_array_equal(one.sound.samples, two.sound.samples)
    assert one.sound.duration_s == pytest.approx(6.3, abs=1e-3)
    assert len(one.grid.beats_s) * 60.0 / one.grid.bpm == pytest.approx(6.3, abs=1e-6)
    held = mono_pipeline(dance, genre="HO", grid=fixed_grid(100.0, 0.0, 6.3), loop=True)
    assert held.sound.duration_s == pytest.approx(4.8, abs=1e-3)
    assert held.mel.shape[-1] * timebase.HOP_LENGTH / 22_050 == pytest.approx(4.8, abs=0.05)


def test_a_loop_is_synthesised_with_a_second_before_and_behind(mono_pipeline, monkeypatch):
    requested = []

    def samples(_, mel, n_samples, *, seed):
        requested.append((mel.shape[-1], n_samples, seed))
        return np.arange(n_samples, dtype=np.float32)

    monkeypatch.setattr(Synthesiser, "samples", samples)
    loop = SimpleNamespace(duration_s=172 * 512 / 22_050)
    samples = mono_pipeline.synthesiser.loop_samples(torch.zeros(1, 32, 172), loop, seed=5)
    assert requested == [(172 + 2 * 43, (172 + 2 * 43) * 512, 5)]
    # The ramp of the loop itself begins a second in, 43 frames.
    middle = slice(20_000, 60_000)
    np.testing.assert_allclose(np.diff(samples[middle]).mean(), 1.0, atol=0.01)
    assert samples[middle].mean() == pytest.approx(43 * 512 + 40_000, rel=0.01)


def test_the_papers_design_loops_too(paper_pipeline):
    music = paper_pipeline(swaying_clip(duration_s=6.0), genre="BR", loop=True)
    assert np.isfinite(music.sound.samples).all()


LOOPED = {"genre": "HO", "seed": 3, "loop": True, "grid": fixed_grid(120.0, 0.0, 6.3)}


@pytest.mark.parametrize(
    ("score", "changed_s"),
    [
        (ControlScore(accents=(Accent(4.0),)), (3.8, 4.4)),
        (ControlScore(accents=(Accent(0.0),)), (5.8, 6.0)),
        (ControlScore(silences=(Silence(1.9, 4.1),)), (2.0, 3.9)),
    ],
)
def test_a_score_is_played_in_a_loop(mono_pipeline, score, changed_s):
    dance = swaying_clip(duration_s=6.3)
    plain, scored = (mono_pipeline(dance, **LOOPED, score=wish) for wish in (None, score))
    assert plain.sound.duration_s == scored.sound.duration_s == pytest.approx(6.0, abs=1e-3)
    apart = np.abs(plain.mel - scored.mel).max(axis=0)
    rate_hz = apart.shape[0] / 6.0
    inside = slice(*(round(time_s * rate_hz) for time_s in changed_s))
    assert apart[inside].max() > 0.01
    assert apart[round(4.6 * rate_hz) : round(5.6 * rate_hz)].max() == 0.0


def test_a_loops_silence_is_silent_in_the_output(mono_pipeline):
    score = ControlScore(silences=(Silence(1.9, 4.1),))
    sound = mono_pipeline(swaying_clip(duration_s=6.3), **LOOPED, score=score).sound
    assert (sound.samples[44_100 : int(3.99 * 22_050)] == 0.0).all()
    assert np.abs(sound.samples[int(4.05 * 22_050) :]).max() > 0.0


@pytest.mark.parametrize("change", [{"genre": "krump"}, {"energy": 2.0}])
def test_a_loops_section_has_its_own_genre_and_energy(mono_pipeline, change):
    dance = swaying_clip(duration_s=6.3)
    score = ControlScore((Section(2.0, 4.0, **change),))
    one, two = (mono_pipeline(dance, **LOOPED, score=wish).mel for wish in (None, score))
    assert not np.allclose(one, two, atol=1e-4)


def test_a_section_over_the_whole_loop_is_another_genre(mono_pipeline):
    dance = swaying_clip(duration_s=6.3)
    score = ControlScore((Section(0.0, 60.0, "krump"),), exact=True)
    one = mono_pipeline(dance, **LOOPED, score=score).mel
    two = mono_pipeline(dance, **(LOOPED | {"genre": "KR"})).mel
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_crossfade_loop_is_linear_into_the_lead_in():
    """Level -1 before the loop, 1 in it: over 30 ms the end goes from 1 to just short of -1."""
    rate_hz, n = 8_000, 8_000
    samples = np.concatenate([np.full(n, -1.0), np.full(2 * n, 1.0)]).astype(np.float32)
    loop = crossfade_loop(samples, before=n, count=n, rate_hz=rate_hz, output=n)
    fade = round(0.03 * rate_hz)
    np.testing.assert_allclose(loop[:-fade], 1.0, atol=1e-5)
    np.testing.assert_allclose(loop[-fade:], 1.0 - 2.0 * np.arange(fade) / fade, atol=1e-5)
