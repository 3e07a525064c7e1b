"""The bundled classifier on music from held-out seeds (docs/genre-classifier.md)."""

import numpy as np
import pytest
import torch

from kinetune import genres
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.audio.sound import Sound
from kinetune.corpus.pairs import make_pair
from kinetune.metrics.genre import genre_accuracy, genre_probabilities, kl_divergence

CODES = [*genres.CODES, "HO", "KR"]


@pytest.fixture(scope="module")
def sounds():
    return [
        make_pair(950_000 + number, genre=code, duration_s=6.0).sound
        for number, code in enumerate(CODES)
    ]


def judged(sounds):
    return np.array([genre_probabilities(sound) for sound in sounds])


def through_mel(sound):
    config = MelConfig(n_mels=128, reference="fixed")
    mel = log_mel(torch.from_numpy(sound.samples)[None], config)
    coded = mel_to_samples(mel, config, iterations=16, length=len(sound.samples))[0]
    return Sound(coded.numpy(), sound.rate_hz)


@pytest.mark.slow
def test_it_classifies_twelve_unseen_pieces(sounds):
    assert genre_accuracy(judged(sounds), CODES) >= 0.8


def test_griffin_lim_does_not_mislead_it(sounds):
    original, coded = judged(sounds), judged([through_mel(sound) for sound in sounds])
    assert genre_accuracy(coded, CODES) >= 0.75
    strangers = np.roll(original, 1, axis=0)
    assert kl_divergence(original, coded) < 0.2 * kl_divergence(original, strangers)


def test_probabilities_are_high_for_music_only(sounds):
    rng = np.random.default_rng(0)
    silence = np.zeros(110_250, np.float32)
    noise = (0.1 * rng.normal(size=len(silence))).astype(np.float32)
    for samples in (silence, noise):
        assert genre_probabilities(Sound(samples, 22_050)).max() < 0.4
    assert np.median(judged(sounds).max(axis=1)) > 0.6
