import itertools

import librosa
import numpy as np
import pytest
import torch

from kinetune.audio import griffin_lim as module
from kinetune.audio.griffin_lim import (
    griffin_lim,
    linear_magnitude,
    mel_to_samples,
    plan_chunks,
)
from kinetune.audio.mel import MelConfig, filterbank, log_mel, mel_power
from kinetune.errors import AudioError
from tests.audio.conftest import chord_and_clicks

CONFIG = MelConfig(n_mels=128, reference="fixed")


def spectrum_of(samples):
    window = torch.hann_window(2048)
    return torch.stft(samples, 2048, 512, window=window, pad_mode="constant", return_complex=True)


def convergence(samples, magnitude):
    error = spectrum_of(samples).abs() - magnitude
    return float(error.norm() / magnitude.norm())


def mean_error_db(samples, mel):
    return float((log_mel(samples, CONFIG) - mel).abs().mean()) * CONFIG.top_db / 2


@pytest.fixture(scope="module")
def mel(music):
    return log_mel(music, CONFIG)


@pytest.fixture(scope="module")
def magnitude(music):
    return spectrum_of(music).abs()


def test_linear_magnitudes_have_the_mel_power(music, mel):
    power = mel_power(mel, CONFIG)
    found = linear_magnitude(power, CONFIG)
    again = filterbank(CONFIG, found.device) @ found**2
    assert found.min() >= 0
    assert (again - power).norm() / power.norm() < 0.02


def test_more_updates_come_nearer_to_the_mel_power(mel):
    power = mel_power(mel, CONFIG)
    bank = filterbank(CONFIG, power.device)
    left = [
        float((bank @ linear_magnitude(power, CONFIG, updates=n) ** 2 - power).norm())
        for n in (0, 20)
    ]
    assert left[1] < 0.2 * left[0]


@pytest.mark.slow
def test_it_converges_as_far_as_librosas(magnitude):
    ours = griffin_lim(magnitude, CONFIG)
    theirs = librosa.griffinlim(magnitude[0].numpy(), n_iter=32, random_state=0)
    theirs = convergence(torch.from_numpy(theirs)[None], magnitude)
    assert convergence(ours, magnitude) < 1.05 * theirs


def test_iterations_and_momentum_help(magnitude):
    none, slow, fast = (
        convergence(griffin_lim(magnitude, CONFIG, iterations=n, momentum=momentum), magnitude)
        for n, momentum in ((0, 0.99), (32, 0.0), (32, 0.99))
    )
    assert fast < slow < none


def test_pinned_frames_sound_as_they_were(music, magnitude):
    pinned = spectrum_of(music)[:, :, :40]
    found = griffin_lim(magnitude, CONFIG, pinned=pinned, iterations=8)
    kept = slice(0, 37 * 512)
    torch.testing.assert_close(found[:, kept], music[:, kept], atol=1e-3, rtol=0)
    free = griffin_lim(magnitude, CONFIG, iterations=8)
    assert (free[:, kept] - music[:, kept]).abs().max() > 0.1


def test_a_round_trip_keeps_the_mel(music, mel):
    found = mel_to_samples(mel, CONFIG, length=music.shape[1])
    assert mean_error_db(found, mel) < 1.5
    assert abs(float(found.std() / music.std()) - 1) < 0.05


def test_the_paper_settings_round_trip_too(music):
    config = MelConfig()
    mel = log_mel(music, config)
    found = mel_to_samples(mel, config, length=music.shape[1])
    assert float((log_mel(found, config) - mel).abs().mean()) * 40 < 1.5


def test_relaxed_magnitudes_keep_the_mel_better(music, mel, monkeypatch):
    soft = mean_error_db(mel_to_samples(mel, CONFIG, length=music.shape[1]), mel)
    monkeypatch.setattr(module, "_RELAXATION", 0.0)
    rigid = mean_error_db(mel_to_samples(mel, CONFIG, length=music.shape[1]), mel)
    assert soft < 0.85 * rigid


def test_the_same_seed_gives_the_same_sound(mel):
    first, again, other = (
        mel_to_samples(mel, CONFIG, iterations=2, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_a_batch_is_what_its_items_are_alone(mel):
    batch = torch.cat([mel, mel.flip(-1)])
    alone = torch.cat([mel_to_samples(item[None], CONFIG, iterations=4) for item in batch])
    together = mel_to_samples(batch, CONFIG, iterations=4)
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


@pytest.mark.parametrize("length", [1, 511, 512, 30_000, 66_150, 70_000])
def test_the_length_is_exact(mel, length):
    assert mel_to_samples(mel, CONFIG, iterations=1, length=length).shape == (1, length)
    magnitude = linear_magnitude(mel_power(mel, CONFIG), CONFIG, updates=1)
    assert griffin_lim(magnitude, CONFIG, iterations=1, length=length).shape == (1, length)


@pytest.mark.parametrize("hop_length", [512, 1024])
def test_the_overlap_is_levelled_by_the_sum_of_squared_windows(hop_length):
    config = MelConfig(hop_length=hop_length)
    sounding = slice(1024, 1024 + 9 * hop_length)
    gain = module._overlap_gain(10, config, sounding, torch.device("cpu")).numpy()
    sums = librosa.filters.window_sumsquare(
        window="hann", n_frames=10, hop_length=hop_length, win_length=2048, n_fft=2048
    )
    np.testing.assert_allclose(gain[sounding], 1.0 / sums[sounding], rtol=1e-4)
    assert not gain[: sounding.start].any()
    assert not gain[sounding.stop :].any()


def test_silence_gives_silence():
    assert (mel_to_samples(torch.full((1, 128, 50), -1.0), CONFIG) == 0).all()


def test_chunks_keep_the_mel_as_well_as_the_whole():
    music = torch.from_numpy(chord_and_clicks(6.0))[None]
    mel = log_mel(music, CONFIG)
    whole = mel_to_samples(mel, CONFIG, length=music.shape[1])
    parts = mel_to_samples(mel, CONFIG, length=music.shape[1], chunk_frames=60)
    assert mean_error_db(parts, mel) < 1.05 * mean_error_db(whole, mel)


def test_no_join_is_audible():
    # A steady tone: a slip of phase at a join would show as a click above or beside it.
    time_s = np.arange(8 * 22_050) / 22_050
    tone = torch.from_numpy(0.5 * np.sin(2 * np.pi * 441.0 * time_s).astype(np.float32))[None]
    mel = log_mel(tone, CONFIG)
    found = mel_to_samples(mel, CONFIG, length=tone.shape[1], chunk_frames=60)[0]
    bend = (found[2:] - 2 * found[1:-1] + found[:-2]).abs()
    joins = [
        (chunk.first + chunk.pinned) * 512 - 1024
        for chunk in plan_chunks(mel.shape[-1], CONFIG, 60)[1:]
    ]
    assert len(joins) > 4
    at_joins = torch.stack([bend[join - 1024 : join + 1024].max() for join in joins])
    elsewhere = bend[2048:-2048].unfold(0, 2048, 512).amax(dim=1)
    assert at_joins.max() <= elsewhere.quantile(0.95) * 1.05
    assert at_joins.median() <= elsewhere.median() * 1.2


@pytest.mark.parametrize("n_frames", [1, 59, 60, 61, 76, 77, 300, 1001])
def test_chunks_cover_every_frame_and_overlap(n_frames):
    chunks = plan_chunks(n_frames, CONFIG, 60)
    assert chunks[0].first == chunks[0].pinned == 0
    assert chunks[-1].end == n_frames
    for before, after in itertools.pairwise(chunks):
        assert before.first < after.first < before.end < after.end
        assert after.pinned > 0
    assert max(chunk.end - chunk.first for chunk in chunks) < 60 + 16 + 1


def test_work_space_does_not_grow_with_the_music():
    chunks = plan_chunks(300_000, CONFIG, 860)
    assert max(chunk.end - chunk.first for chunk in chunks) <= 860 + 16


def test_chunks_shorter_than_their_overlap_are_refused(mel):
    with pytest.raises(AudioError, match="chunks must be 32 frames or longer, found 20"):
        mel_to_samples(mel, CONFIG, chunk_frames=20)


@pytest.mark.parametrize("shape", [(128, 50), (1, 80, 50), (1, 128, 0)])
def test_a_mel_of_another_shape_is_refused(shape):
    with pytest.raises(AudioError, match="128 rows"):
        mel_to_samples(torch.zeros(shape), CONFIG)


def test_magnitudes_of_another_shape_are_refused():
    with pytest.raises(AudioError, match="1025 rows"):
        griffin_lim(torch.zeros(1, 128, 50), CONFIG)
