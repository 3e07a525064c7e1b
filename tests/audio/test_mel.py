import librosa
import numpy as np
import pytest
import torch

from kinetune.audio.mel import MelConfig, log_mel, mel_power


def some_music(duration_s=2.0, seed=0):
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * 22_050)) / 22_050
    chord = sum(np.sin(2 * np.pi * f * times) for f in (110.0, 220.5, 331.0, 1320.0)) * 0.1
    clicks = np.where((times % 0.5) < 0.02, rng.normal(size=len(times)) * 0.3, 0.0)
    return torch.from_numpy((chord + clicks).astype(np.float32))


def librosas(samples, n_mels=256):
    power = librosa.feature.melspectrogram(
        y=samples.numpy(), sr=22_050, n_fft=2048, hop_length=512, n_mels=n_mels
    )
    return librosa.power_to_db(power, ref=np.max, top_db=80)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_papers_mel_is_librosas(seed):
    samples = some_music(seed=seed)
    expected = librosas(samples) / 40.0 + 1.0
    np.testing.assert_allclose(log_mel(samples[None], MelConfig())[0], expected, atol=1e-3)


def test_a_batch_is_its_items():
    one, two = some_music(seed=0), 0.1 * some_music(seed=1)
    both = log_mel(torch.stack([one, two]), MelConfig())
    torch.testing.assert_close(both[1], log_mel(two[None], MelConfig())[0], atol=1e-5, rtol=0)


def test_the_papers_mel_forgets_loudness():
    samples = some_music()
    torch.testing.assert_close(
        log_mel(samples[None], MelConfig()), log_mel(0.1 * samples[None], MelConfig()),
        atol=1e-4, rtol=0,
    )  # fmt: skip


def test_the_fixed_reference_keeps_loudness():
    config = MelConfig(n_mels=128, reference="fixed", reference_power=3162.0)
    samples = some_music()
    loud, soft = log_mel(samples[None], config), log_mel(samples[None] / 10.0, config)
    inside = (soft > -0.99) & (loud < 0.99)
    # 20 dB of 80 dB that are 2 wide.
    torch.testing.assert_close((loud - soft)[inside], torch.full((int(inside.sum()),), 0.5),
                               atol=1e-3, rtol=0)  # fmt: skip


def test_silence_is_the_floor_and_finite():
    silence = torch.zeros(1, 22_050)
    config = MelConfig(reference="fixed")
    assert (log_mel(silence, config) == -1).all()
    assert torch.isfinite(log_mel(silence, MelConfig())).all()


def test_power_comes_back():
    config = MelConfig(n_mels=128, reference="fixed", reference_power=3162.0)
    samples = some_music()
    power = librosa.feature.melspectrogram(
        y=samples.numpy(), sr=22_050, n_fft=2048, hop_length=512, n_mels=128
    )
    again = mel_power(log_mel(samples[None], config), config)[0].numpy()
    loud = power > 3162e-8 * 1.1
    np.testing.assert_allclose(again[loud], power[loud], rtol=2e-3)
