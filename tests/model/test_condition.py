import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.model.condition import (
    DanceCondition,
    DanceInput,
    PaperCondition,
    grid_channels,
    resample_rows,
    stack,
)
from kinetune.model.conditioning.window_conditions import dance_input, encode_windows
from kinetune.motion.beats.beat_grid import beat_grid, fixed_grid
from kinetune.motion.features import genre_one_hot
from tests.motion.beats.test_beat_grid import stepping_clip


@pytest.fixture
def dance():
    features = torch.randn(300, 58, generator=torch.Generator().manual_seed(0))
    return DanceInput(features, "HO", timebase.beat_times(120.0, 0.25, 10.0), 0.25)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return DanceCondition(mel_frames=128, channels=32)


def test_the_grid_features_encode_beats_and_bars():
    beats = timebase.beat_times(120.0, 0.25, 10.0)
    times = np.arange(0, 10, 0.01)
    grid = grid_channels(beats, 0.75, times).numpy()
    on_beat = np.searchsorted(times, beats + 1e-6)[:-1]
    np.testing.assert_allclose(grid[on_beat, 1], 1.0, atol=0.02)  # Cosine of the beat's phase.
    np.testing.assert_allclose(grid[on_beat, 4], 1.0, atol=0.1)  # The pulse.
    assert grid[on_beat + 25, 4].max() < 1e-6
    np.testing.assert_allclose(grid[on_beat[1::4], 3], 1.0, atol=0.02)  # The bar, from 0.75 s on.
    np.testing.assert_allclose(grid[on_beat[3::4], 3], -1.0, atol=0.02)
    np.testing.assert_allclose(grid[:, 5], np.log2(120.0 / 105.0), atol=1e-3)


def test_the_grid_goes_straight_on_beyond_its_ends():
    grid = grid_channels(np.array([4.0, 4.5]), 4.0, np.array([0.0, 0.25, 9.0])).numpy()
    np.testing.assert_allclose(grid[:, 1], [1.0, -1.0, 1.0], atol=1e-6)


def test_no_beats_means_no_grid():
    assert (grid_channels(np.empty(0), 0.0, np.arange(5.0)) == 0).all()


def test_rows_are_read_between_and_held_beyond_the_ends():
    rows = torch.arange(30.0)[:, None]
    read = resample_rows(rows, -0.1, 13, 10.0)[:, 0]
    np.testing.assert_allclose(read[:4], [0.0, 0.0, 3.0, 6.0], atol=1e-5)
    assert read[-1] == 29.0


def test_the_papers_condition_is_its_features_and_the_genre(dance):
    condition = PaperCondition(motion_frames=150, feature_count=58)
    batch = condition.gather(dance, 1.0)
    told = condition(batch)["encoder_hidden_states"]
    assert told.shape == (1, 150, 68)
    torch.testing.assert_close(told[0, :, :58], dance.features[30:180])
    np.testing.assert_array_equal(told[0, :, 58:], genre_one_hot("HO", 150))
    assert (condition(batch.dropped())["encoder_hidden_states"] == 0).all()


def test_columns_tokens_and_vector_have_their_shapes(dance, encoder):
    batch = stack([encoder.gather(dance, 0.0), encoder.gather(dance, 3.0)])
    told = encoder(batch)
    assert told["columns"].shape == (2, 32, 32)
    assert told["encoder_hidden_states"].shape == (2, 9, 32)
    assert told["vector"].shape == (2, 32)


@pytest.mark.parametrize("name", ["keep_motion", "keep_grid", "keep_genre"])
def test_each_condition_can_be_dropped_alone(dance, encoder, name):
    from dataclasses import replace

    batch = encoder.gather(dance, 0.0)
    whole, without = encoder(batch), encoder(replace(batch, **{name: torch.zeros(1)}))
    changed = "vector" if name == "keep_genre" else "columns"
    assert not torch.allclose(whole[changed], without[changed])


def test_a_dropped_condition_hides_the_dance(dance, encoder):
    one = encoder(encoder.gather(dance, 0.0).dropped())
    two = encoder(encoder.gather(dance, 3.0).dropped())
    for name, value in one.items():
        torch.testing.assert_close(value, two[name])


def test_a_tempo_that_drifts_reaches_every_window(mono_pipeline):
    """From 100 to 112 bpm in a minute: early windows get the slow tempo, late ones the fast."""
    clip, beats = stepping_clip(100.0, duration_s=60.0, drift=0.12)
    grid = beat_grid(clip)
    assert not grid.steady
    dance = dance_input(mono_pipeline.normaliser, clip, grid, "HO")
    encoder = mono_pipeline.condition_encoder
    tempi = [
        105.0 * 2.0 ** float(encoder.gather(dance, start_s).grid[0, :, 5].median())
        for start_s in (5.0, 28.0, 52.0)
    ]
    true = [60.0 / np.diff(beats)[np.abs(beats[1:] - at).argmin()] for at in (6.5, 29.5, 53.5)]
    # Half and double time are the same beat seen otherwise.
    octave = 2.0 ** np.round(np.log2(tempi[1] / true[1]))
    np.testing.assert_allclose(np.array(tempi) / octave, true, rtol=0.04)
    assert tempi[2] > 1.05 * tempi[0]
    assert mono_pipeline(clip, genre="HO", grid=grid).grid is grid


def test_the_unconditional_input_is_kept_once(mono_pipeline, clip):
    plan = mono_pipeline.plan(30.0)
    dance = dance_input(
        mono_pipeline.normaliser, clip, fixed_grid(120.0, 0.0, clip.duration_s), "HO"
    )
    starts_s = [mono_pipeline.layout.seconds_of(start) for start in plan.starts]
    encoder = mono_pipeline.condition_encoder
    encoded, uncond = encode_windows(encoder, dance, starts_s, guided=True)
    assert {len(rows) for rows in encoded.stacked.values()} == {len(plan.starts)}
    assert {len(rows) for rows in uncond.values()} == {1}
    last_s = mono_pipeline.layout.seconds_of(plan.starts[-1])
    encoder = mono_pipeline.condition_encoder
    own = encoder(encoder.gather(dance, last_s).dropped())
    for name, value in own.items():
        torch.testing.assert_close(uncond[name], value)
