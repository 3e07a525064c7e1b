import librosa
import numpy as np
import pytest

from kinetune import timebase


def test_beat_times_fill_the_span_from_any_beat_of_the_grid():
    np.testing.assert_allclose(timebase.beat_times(120.0, 1.25, 2.0), [0.25, 0.75, 1.25, 1.75])


def test_a_beat_that_falls_on_the_end_is_outside():
    np.testing.assert_allclose(timebase.beat_times(60.0, 0.0, 3.0), [0.0, 1.0, 2.0])


def test_a_beat_just_before_a_period_is_the_beat_at_zero():
    assert timebase.beat_times(100.0, 0.6 - 1e-12, 1.0)[0] == 0.0


@pytest.mark.parametrize("n_samples", [1, 511, 512, 22_050, 100_000])
def test_mel_frame_count_is_librosas(n_samples):
    samples = np.zeros(n_samples, dtype=np.float32)
    frames = librosa.util.frame(np.pad(samples, 1024), frame_length=2048, hop_length=512)
    assert timebase.mel_frames_in(n_samples) == frames.shape[1]


def test_tempo_and_period_are_inverses():
    assert timebase.bpm_of(timebase.beat_period_s(97.0)) == pytest.approx(97.0)


def test_the_first_frame_from_a_time_is_at_it_or_later():
    assert timebase.first_frame_from(0.0, 100.0) == 0
    assert timebase.first_frame_from(0.07, 100.0) == 7
    assert timebase.first_frame_from(0.0701, 100.0) == 8
    assert timebase.first_frame_from(-0.015, 100.0) == -1
