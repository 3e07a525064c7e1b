import librosa
import numpy as np
import pytest
import torch

from kinetune.audio.mel import MelConfig, filterbank, log_mel, mel_power
from kinetune.errors import AudioError, ConfigError

CPU = torch.device("cpu")
FIXED = MelConfig(n_mels=128, reference="fixed")


@pytest.mark.parametrize("n_mels", [80, 128, 256])
def test_the_filters_are_librosas(n_mels):
    expected = librosa.filters.mel(sr=22_050, n_fft=2048, n_mels=n_mels, fmin=30, fmax=10_000)
    config = MelConfig(n_mels=n_mels, f_min_hz=30.0, f_max_hz=10_000.0)
    np.testing.assert_allclose(filterbank(config, CPU).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("gain", [1.0, 1e-4])
def test_max_is_the_papers_spectrogram(music, gain):
    samples = gain * music
    power = librosa.feature.melspectrogram(y=samples[0].numpy(), sr=22_050, n_mels=256)
    expected = librosa.power_to_db(power, ref=np.max, top_db=80) / 40.0 + 1.0
    found = log_mel(samples, MelConfig())
    assert found.shape == (1, 256, MelConfig().frames_of(music.shape[1]))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-3)


def test_max_reference_is_gain_invariant(music):
    loud, quiet = (log_mel(gain * music, MelConfig()) for gain in (0.9, 0.09))
    torch.testing.assert_close(loud, quiet, atol=1e-4, rtol=0)


def test_fixed_reference_shows_the_gain_in_decibels(music):
    loud, quiet = log_mel(music, FIXED), log_mel(0.1 * music, FIXED)
    inside = (quiet > -1) & (loud < 1)
    # 20 dB of the 80 dB that fill [-1, 1].
    torch.testing.assert_close((loud - quiet)[inside].mean(), torch.tensor(0.5))


def test_the_reference_power_is_the_top_of_the_range(music):
    lower = MelConfig(n_mels=128, reference="fixed", reference_power=FIXED.reference_power / 10)
    high, low = log_mel(music, lower), log_mel(music, FIXED)
    shift = (high - low)[(high < 1) & (low > -1)]
    torch.testing.assert_close(shift, torch.full_like(shift, 0.25))


def test_top_db_sets_the_range(music):
    wide = MelConfig(n_mels=128, reference="fixed", top_db=100.0)
    assert log_mel(music, wide).mean() > log_mel(music, FIXED).mean()


@pytest.mark.parametrize("config", [MelConfig(), FIXED])
def test_a_batch_is_what_its_items_are_alone(music, config):
    batch = torch.cat([music, 0.3 * music.flip(-1)])
    alone = torch.cat([log_mel(item[None], config) for item in batch])
    torch.testing.assert_close(log_mel(batch, config), alone)


def test_mel_power_takes_the_logarithm_back(music):
    mel = log_mel(music, FIXED)
    clear = (mel > -0.4) & (mel < 1)
    spectrum = torch.stft(
        music, 2048, window=torch.hann_window(2048), pad_mode="constant", return_complex=True
    )
    expected = filterbank(FIXED, CPU) @ spectrum.abs() ** 2
    torch.testing.assert_close(mel_power(mel, FIXED)[clear], expected[clear], rtol=0.01, atol=0)


def test_max_gives_power_as_librosa_does(music):
    mel = log_mel(music, MelConfig())
    expected = librosa.db_to_power((mel.numpy() - 1.0) * 40.0)
    np.testing.assert_allclose(mel_power(mel, MelConfig()).numpy(), expected, rtol=1e-4)


def test_silence_stays_silence_under_fixed():
    mel = log_mel(torch.zeros(1, 5_000), FIXED)
    assert (mel == -1).all()
    assert (mel_power(mel, FIXED) == 0).all()


def test_the_shortest_sound_has_a_frame():
    assert log_mel(torch.full((1, 1), 0.5), FIXED).shape == (1, 128, 1)


@pytest.mark.parametrize("shape", [(1, 0), (5,), (1, 1, 5)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(AudioError, match="expected samples"):
        log_mel(torch.zeros(shape), FIXED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reference": "mean"}, "'mean'; choose one of max, fixed"),
        ({"n_mels": 0}, "positive"),
        ({"hop_length": 500}, "multiple"),
        ({"hop_length": 0}, "multiple"),
        ({"f_max_hz": 20_000.0}, "within"),
        ({"f_min_hz": 500.0, "f_max_hz": 400.0}, "within"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        MelConfig(**settings)


def test_more_bands_than_bins_are_refused(music):
    with pytest.raises(ConfigError, match="fewer bands"):
        log_mel(music, MelConfig(n_mels=1000))
