import librosa
import numpy as np
import pytest
import torch

from kinetune.audio.griffin_lim import griffin_lim, linear_magnitude, mel_to_samples
from kinetune.audio.mel import MelConfig, filterbank, log_mel, mel_power
from tests.audio.test_mel import some_music

CONFIG = MelConfig(n_mels=128, reference="fixed", reference_power=3162.0)


def convergence(samples, magnitude):
    """Spectral convergence in dB: the smaller, the nearer the wanted magnitudes."""
    found = librosa.stft(samples, n_fft=2048, hop_length=512)
    count = min(found.shape[1], magnitude.shape[1])
    error = np.linalg.norm(np.abs(found[:, :count]) - magnitude[:, :count])
    return 20 * np.log10(error / np.linalg.norm(magnitude[:, :count]))


def test_the_magnitudes_have_the_mel_power_and_are_not_negative():
    power = mel_power(log_mel(some_music()[None], CONFIG), CONFIG)
    magnitude = linear_magnitude(power, CONFIG)
    assert (magnitude >= 0).all()
    error = torch.linalg.norm(filterbank(CONFIG) @ magnitude**2 - power)
    oracle = librosa.feature.inverse.mel_to_stft(power[0].numpy(), sr=22_050, n_fft=2048)
    theirs = np.linalg.norm(filterbank(CONFIG).numpy() @ oracle**2 - power[0].numpy())
    assert error < max(1.5 * theirs, 0.01 * torch.linalg.norm(power))


def test_it_converges_like_librosas():
    magnitude = np.abs(librosa.stft(some_music().numpy(), n_fft=2048, hop_length=512))
    theirs = librosa.griffinlim(magnitude, n_iter=32, hop_length=512, random_state=0)
    ours = griffin_lim(torch.from_numpy(magnitude)[None], CONFIG)[0].numpy()
    assert convergence(ours, magnitude) < convergence(theirs, magnitude) + 1.0


def test_there_and_back_keeps_the_mel():
    mel = log_mel(some_music()[None], CONFIG)
    again = log_mel(mel_to_samples(mel, CONFIG), CONFIG)
    count = again.shape[-1]
    assert (again - mel[..., :count]).abs().mean() < 0.06  # 2.4 dB of the 80.


def test_the_same_seed_gives_the_same_samples_and_another_others():
    mel = log_mel(some_music()[None], CONFIG)
    one, two, three = (mel_to_samples(mel, CONFIG, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.allclose(one, three)


def test_a_batch_is_its_items():
    mel = torch.cat([log_mel(some_music(seed=s)[None], CONFIG) for s in (0, 1)])
    both = mel_to_samples(mel, CONFIG, iterations=4)
    alone = mel_to_samples(mel[1:], CONFIG, iterations=4)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("length", [1, 700, 30_000])
def test_the_length_is_the_one_asked_for(frames, length):
    mel = torch.zeros(1, 128, frames)
    samples = mel_to_samples(mel, CONFIG, iterations=2, length=length)
    assert samples.shape == (1, length)
    assert torch.isfinite(samples).all()


def test_more_rounds_come_nearer():
    magnitude = np.abs(librosa.stft(some_music().numpy(), n_fft=2048, hop_length=512))
    few, many = (
        convergence(
            griffin_lim(torch.from_numpy(magnitude)[None], CONFIG, iterations=n)[0].numpy(),
            magnitude,
        )
        for n in (4, 60)
    )
    assert many < few - 2.0


def test_joins_of_chunks_do_not_stand_out():
    """Spectral flux at the joins lies inside its usual range, on a held chord."""
    times = np.arange(22_050 * 12) / 22_050
    chord = sum(np.sin(2 * np.pi * f * times) for f in (110.0, 164.8, 220.0, 440.0)) * 0.1
    mel = log_mel(torch.from_numpy(chord.astype(np.float32))[None], CONFIG)
    samples = mel_to_samples(mel, CONFIG, chunk_frames=100)[0].numpy()
    flux = np.abs(np.diff(np.abs(librosa.stft(samples, n_fft=1024, hop_length=256)), axis=1))
    flux = flux.sum(axis=0)[40:-40]
    joins = [(84 * k + offset) * 2 - 40 for k in range(1, 6) for offset in range(17)]
    joins = [j for j in joins if 0 <= j < len(flux)]
    assert flux[joins].max() < 1.5 * np.percentile(flux, 99)
    loudness = librosa.feature.rms(y=samples, frame_length=1024, hop_length=256)[0][40:-40]
    assert loudness.min() > 0.5 * np.median(loudness)


def test_chunks_of_noise_give_as_good_a_sound_as_one_piece():
    mel = log_mel(some_music(8.0)[None], CONFIG)
    whole, parts = (
        log_mel(mel_to_samples(mel, CONFIG, chunk_frames=n), CONFIG) for n in (10_000, 90)
    )
    count = whole.shape[-1]
    error = [(x - mel[..., :count]).abs().mean().item() for x in (whole, parts)]
    assert error[1] < 1.15 * error[0]
