import numpy as np
import pytest

from kinetune.audio.beats import music_beats, onset_envelope, onset_times
from kinetune.errors import MetricError
from kinetune.metrics import latency
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from tests.metrics.conftest import bursts

HOP_S = 512 / 22_050


def strength_peaks(sound):
    """Times of the frames that stand out in the onset strength."""
    strength = onset_envelope(sound)
    inner = strength[1:-1]
    peaks = (inner > strength[:-2]) & (inner >= strength[2:]) & (inner > 0.3 * strength.max())
    return (np.flatnonzero(peaks) + 1) * HOP_S


@pytest.mark.parametrize(
    ("detect", "stated_s"),
    [
        (onset_times, latency.ONSET_LATENCY_S),
        (lambda sound: music_beats(sound).beats_s, latency.BEAT_LATENCY_S),
        (strength_peaks, latency.ONSET_STRENGTH_LATENCY_S),
    ],
    ids=["onsets", "beats", "onset strength"],
)
def test_the_stated_latency_is_the_measured_one(detect, stated_s):
    measured = latency.measure_latency(detect)
    assert measured.mean_s == pytest.approx(stated_s, abs=0.0015)
    # Hops of 23.2 ms alone spread detections by a twelfth's root of a hop.
    assert measured.deviation_s == pytest.approx(HOP_S / np.sqrt(12), abs=0.002)
    assert measured.detected > 0.9


@pytest.mark.parametrize("name", ["onsets_s", "beats_s"])
def test_the_analysis_puts_clicks_where_they_are(name):
    measured = latency.measure_latency(lambda sound: getattr(analyse_audio(sound), name))
    assert measured.mean_s == pytest.approx(0.0, abs=0.0015)


@pytest.mark.parametrize("late_s", [0.03, -0.02, 0.0])
def test_a_detector_of_known_latency(late_s):
    def detect(sound):
        # A click is the first sample that isn't zero after 0.2 s of falling level.
        attack = np.flatnonzero(np.abs(sound.samples) > 0.01)
        starts = attack[np.diff(attack, prepend=-22_050) > 2_000]
        return starts / sound.rate_hz + late_s

    measured = latency.measure_latency(detect)
    assert measured.mean_s == pytest.approx(late_s, abs=0.0002)
    assert measured.deviation_s < 0.0002
    assert measured.detected == 1.0


def test_other_attacks_can_be_measured():
    measured = latency.measure_latency(onset_times, click=bursts)
    assert 0.010 < measured.mean_s < 0.018


def test_detections_far_from_every_click_do_not_count():
    half = latency.measure_latency(lambda sound: np.array([0.51, 1.26, 1.26 + 0.3]))
    assert 0.0 < half.detected < 0.1
    with pytest.raises(MetricError, match="none of 221 clicks was detected"):
        latency.measure_latency(lambda sound: np.empty(0))


def test_no_time_becomes_negative_and_none_doubles():
    times_s = latency.without_latency(np.array([0.0, 0.01, 0.5, 1.0]), 0.02)
    np.testing.assert_allclose(times_s, [0.0, 0.48, 0.98])


def test_published_onsets_and_beats_keep_the_detectors_times():
    sound = bursts(np.arange(0.3, 6.0, 0.5), 6.0)
    analysis = analyse_audio(sound)
    assert np.all(np.isclose(analysis.onsets_published_s / HOP_S % 1.0, [[0.0], [1.0]]).any(axis=0))
