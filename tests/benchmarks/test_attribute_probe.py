"""The probe of attributes: it learns what sounds have, beyond what their genre tells."""

import numpy as np
import pytest

from kinetune.audio.sound import Sound


@pytest.fixture
def ap():
    import attribute_probe

    return attribute_probe


def clicks(bpm, *, hz=1000.0, seconds=10.0, rate_hz=22_050):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    since = times % (60.0 / bpm)
    wave = np.exp(-since / 0.03) * np.sin(2.0 * np.pi * hz * since)
    return Sound(wave.astype(np.float32), rate_hz)


def test_the_level_of_a_sound_does_not_matter(ap):
    loud = clicks(100.0)
    soft = Sound(0.25 * loud.samples, loud.rate_hz)
    difference = ap.statistics(ap.log_mel(loud)) - ap.statistics(ap.log_mel(soft))
    assert np.abs(difference).max() < 0.02


def test_repeats_are_strongest_at_the_period_of_the_clicks(ap):
    mel = ap.log_mel(clicks(90.0)).astype(np.float32)
    lags = ap._repeats(mel)[:, 1:].mean(axis=0)
    period = 60.0 / 90.0 * ap.RATE_HZ / ap.HOP  # 28.7 frames
    assert np.argmax(lags[10:45]) + 11 == pytest.approx(period, abs=1.0)


def test_what_the_genre_tells_is_not_learned(ap):
    # The first half of the pieces is a genre that always has the attribute, and sounds otherwise.
    rng = np.random.default_rng(0)
    genre = np.repeat([1.0, 0.0], 60)
    repeats = ap._REPEAT_BANDS * (ap._LONGEST_REPEAT + 1)
    rows = rng.normal(size=(120, repeats + 40)).astype(np.float32)
    rows[:, 0] += 5.0 * genre
    labels = np.zeros((120, 2), np.float32)
    labels[:, 0] = genre
    labels[:, 1] = rows[:, 1] > 0.0  # Of either genre: only the sound tells.
    shares = ap.group_shares([str(each) for each in genre], labels)
    probe = ap.fit(rows, labels - shares)
    learned = ap.kernel(ap.standardised(rows, probe.mean, probe.deviation), probe.pieces)
    scores = learned @ probe.weights
    assert np.abs(scores[:, 0]).max() < 1e-4
    assert scores[labels[:, 1] > 0.5, 1].min() > scores[labels[:, 1] < 0.5, 1].max()


def test_limits_are_quantiles_of_the_pieces_without_and_with_it(ap):
    scores = np.r_[np.arange(101.0), np.arange(200.0, 301.0)][:, None]
    has = np.r_[np.zeros(101, bool), np.ones(101, bool)][:, None]
    found = ap.measure(scores, has)
    assert found.auc[0] == pytest.approx(1.0)
    assert found.limits[0] == pytest.approx(95.0)
    assert found.absent[0] == pytest.approx(205.0)


def test_too_few_pieces_have_no_limit(ap):
    found = ap.measure(np.arange(9.0)[:, None], (np.arange(9) == 8)[:, None])
    assert np.isnan(found.auc[0])
    assert found.absent[0] == -np.inf


def test_a_probe_is_read_as_it_was_written(ap, tmp_path):
    rng = np.random.default_rng(1)
    repeats = ap._REPEAT_BANDS * (ap._LONGEST_REPEAT + 1)
    probe = ap.fit(rng.normal(size=(8, repeats + 4)).astype(np.float32), np.eye(8)[:, :3])
    known = ap.Measures(np.full(3, 0.5), np.full(3, 1.0), np.full(3, -1.0))
    ap.save(probe, known, tmp_path)
    again, measures = ap.load(tmp_path)
    np.testing.assert_array_equal(again.weights, probe.weights)
    np.testing.assert_array_equal(measures.limits, known.limits)
