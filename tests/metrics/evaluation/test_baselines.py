import numpy as np
import pytest

from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import analyse_audio


def test_clicks_are_where_the_beats_are():
    beats = np.arange(0.4, 12.0, 0.6)
    sound = baselines.click_track(beats, 12.0)
    assert sound.duration_s == 12.0
    heard = analyse_audio(sound)
    assert np.abs(heard.onsets_s[:, None] - beats).min(axis=1).max() < 0.03
    assert heard.tempo_bpm == pytest.approx(100.0, rel=0.02)


def test_beats_outside_are_left_out_and_a_click_at_the_end_is_cut():
    sound = baselines.click_track(np.array([-1.0, 1.99, 2.0, 3.0]), 2.0)
    assert np.abs(sound.samples[: int(1.98 * 22_050)]).max() == 0.0
    assert np.abs(sound.samples).max() > 0.1


def test_noise_is_the_same_for_a_name_and_another_for_another():
    one = baselines.noise("a", 1.0)
    np.testing.assert_array_equal(one.samples, baselines.noise("a", 1.0).samples)
    for other in (baselines.noise("b", 1.0), baselines.noise("a", 1.0, seed=1)):
        assert abs(np.corrcoef(one.samples, other.samples)[0, 1]) < 0.05
    assert np.sqrt(np.mean(one.samples**2)) == pytest.approx(0.1, rel=0.05)


def test_silence_is_silent():
    assert not baselines.silence(1.0).samples.any()


def test_random_partners_are_others_and_do_not_depend_on_order():
    names = [f"n{k}" for k in range(9)]
    chosen = baselines.random_partners(names, "n3", draws=4)
    assert "n3" not in chosen
    assert len(set(chosen)) == 4
    assert chosen == baselines.random_partners(names[::-1], "n3", draws=4)
    assert chosen != baselines.random_partners(names, "n3", draws=4, seed=1)
    assert baselines.random_partners(["n3"], "n3", draws=4) == []
    assert len(baselines.random_partners(names, "n3", draws=99)) == 8
