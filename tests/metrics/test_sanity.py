import numpy as np
import pytest

from kinetune.audio.loudness import integrated_lufs
from kinetune.audio.sound import Sound
from kinetune.errors import MetricError
from kinetune.metrics import sanity
from kinetune.metrics.evaluation import baselines

RATE_HZ = 22_050


def tone(level, duration_s=2.0):
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return Sound((level * np.sin(2 * np.pi * 997 * times)).astype(np.float32), RATE_HZ)


def test_a_plain_tone_is_sane():
    found = sanity.evaluate(tone(0.5))
    assert found["clipped_share"] == found["silent_share"] == 0.0
    assert found["loudness_lufs"] == integrated_lufs(tone(0.5))


def test_clipping_is_counted_by_samples():
    clipped = Sound(tone(2.0).samples.clip(-1, 1), RATE_HZ)
    # A sine of twice full scale is beyond it two thirds of the time.
    assert sanity.clipped_share(clipped) == pytest.approx(2 / 3, abs=0.01)
    assert sanity.clipped_share(Sound(np.float32(0.5) * clipped.samples, RATE_HZ)) == 0.0
    stereo = Sound(np.stack([clipped.samples, 0.1 * clipped.samples], axis=1), RATE_HZ)
    assert sanity.clipped_share(stereo) == pytest.approx(1 / 3, abs=0.01)


def test_silence_is_counted_by_blocks_and_has_no_loudness():
    half = Sound(np.concatenate([tone(0.5).samples, np.zeros(2 * RATE_HZ, np.float32)]), RATE_HZ)
    assert sanity.silent_share(half) == pytest.approx(0.5, abs=0.01)
    silence = baselines.silence(1.0)
    found = sanity.evaluate(silence)
    assert found["silent_share"] == 1.0
    assert np.isnan(found["loudness_lufs"])
    assert sanity.analyse_recording(silence).is_silent
    assert not sanity.analyse_recording(half).is_silent


def test_no_samples_are_reported():
    with pytest.raises(MetricError, match="found none"):
        sanity.evaluate(Sound(np.empty(0, np.float32), RATE_HZ))


def test_silence_begins_below_the_gate_of_bs1770():
    assert not sanity.RecordingQuality(-70.0, 0.0, 0.0).is_silent
    assert sanity.RecordingQuality(-70.1, 0.0, 0.0).is_silent
    assert sanity.RecordingQuality(-np.inf, 0.0, 1.0).is_silent
