import numpy as np
import pyloudnorm
import pytest

from kinetune.audio.export import ExportFormat, export
from kinetune.audio.loudness import true_peak_dbtp
from kinetune.audio.sound import Sound
from tests.audio.conftest import chord_and_clicks


@pytest.fixture(scope="module")
def sound():
    return Sound(0.2 * chord_and_clicks(3.0), 22_050)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
@pytest.mark.parametrize("target_lufs", [-14.5, -23.0])
def test_an_export_has_its_rate_channels_loudness_and_ceiling(
    sound, channels, rate_hz, target_lufs
):
    out = export(sound, ExportFormat(rate_hz, channels, target_lufs))
    count = round(3.0 * rate_hz)
    assert out.samples.shape == ((count,) if channels == 1 else (count, 2))
    assert out.rate_hz == rate_hz
    loudness = pyloudnorm.Meter(rate_hz).integrated_loudness(out.samples.astype(np.float64))
    assert loudness == pytest.approx(target_lufs, abs=0.15)
    assert true_peak_dbtp(out) <= -0.99
    if channels == 2:
        assert np.array_equal(out.samples[:, 0], out.samples[:, 1])


def test_loudness_of_stereo_counts_3_db_per_channel(sound):
    one = export(sound, ExportFormat(22_050, 1, -23.0)).samples
    two = export(sound, ExportFormat(22_050, 2, -23.0)).samples[:, 0]
    ratio_db = 20.0 * np.log10(np.abs(one).max() / np.abs(two).max())
    assert ratio_db == pytest.approx(3.01, abs=0.1)


def test_export_mixes_stereo_to_mono_as_the_mean(sound):
    stereo = Sound(sound.samples[:, None] * np.float32([0.9, 0.3]), 22_050)
    assert export(stereo, ExportFormat()) is stereo
    quieter = export(stereo, ExportFormat(target_lufs=-23.0)).samples
    assert quieter.shape == stereo.samples.shape
    np.testing.assert_allclose(quieter[:, 1], quieter[:, 0] / 3.0, atol=1e-6)
    mono = export(stereo, ExportFormat(None, 1, -23.0)).samples
    expected = export(sound, ExportFormat(None, 1, -23.0)).samples
    np.testing.assert_allclose(mono, expected, atol=1e-4)


def test_a_sound_that_has_the_format_is_returned_unchanged(sound):
    assert export(sound, ExportFormat()) is sound
