import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.model.sampling.initial_noise import phrase_locked_noise

COLUMN_S = 4 * 512 / 22_050
WINDOW = 128


def noise(columns, seed=0):
    return torch.randn(1, 4, 1, columns, generator=torch.Generator().manual_seed(seed))


def bars(bpm, columns, first_s=0.0):
    return timebase.beat_times(bpm, first_s, columns * COLUMN_S)[::4]


def test_a_bar_begins_like_the_same_bar_of_every_phrase():
    columns = 1200
    lines = bars(100.0, columns)
    out = phrase_locked_noise(noise(columns), lines, column_s=COLUMN_S, window=WINDOW, seed=3)
    for number in range(8, len(lines) - 8):
        here, before = (round(lines[k] / COLUMN_S) for k in (number, number - 8))
        torch.testing.assert_close(out[..., here : here + 24], out[..., before : before + 24])


@pytest.mark.parametrize("bpm", [60.0, 100.0, 170.0, 300.0])
def test_no_window_sees_the_same_noise_twice_and_it_stays_gaussian(bpm):
    columns = 1500
    lines = bars(bpm, columns, 0.3)
    out = phrase_locked_noise(noise(columns), lines, column_s=COLUMN_S, window=WINDOW, seed=3)
    assert abs(float(out.mean())) < 0.06
    assert float(out.std()) == pytest.approx(1.0, abs=0.05)
    for start in range(0, columns - WINDOW, 50):
        seen = out[0, :, 0, start : start + WINDOW]
        likeness = torch.corrcoef(seen.T).fill_diagonal_(0.0)
        # Four channels: chance alone comes near to one, but never to it.
        assert not bool((likeness > 0.9999999).any()), (bpm, start)


def test_the_first_phrase_and_a_short_piece_keep_their_noise():
    fresh = noise(150)
    out = phrase_locked_noise(fresh, bars(100.0, 150), column_s=COLUMN_S, window=WINDOW, seed=3)
    torch.testing.assert_close(out, fresh)
    longer = noise(600)
    out = phrase_locked_noise(longer, bars(100.0, 600), column_s=COLUMN_S, window=WINDOW, seed=3)
    torch.testing.assert_close(out[..., :200], longer[..., :200])
    assert not torch.allclose(out[..., 300:], longer[..., 300:])


def test_a_tempo_that_drifts_keeps_its_bars_in_step():
    beats = np.cumsum(np.linspace(0.62, 0.55, 160))
    columns = int(beats[-1] / COLUMN_S)
    lines = beats[::4]
    out = phrase_locked_noise(noise(columns), lines, column_s=COLUMN_S, window=WINDOW, seed=3)
    here, before = (round(lines[k] / COLUMN_S) for k in (30, 22))
    torch.testing.assert_close(out[..., here : here + 20], out[..., before : before + 20])


def test_a_piece_without_bars_keeps_its_noise():
    fresh = noise(300)
    out = phrase_locked_noise(fresh, np.empty(0), column_s=COLUMN_S, window=WINDOW, seed=3)
    torch.testing.assert_close(out, fresh)
