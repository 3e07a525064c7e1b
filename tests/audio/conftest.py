"""Synthetic music for the audio tests."""

import numpy as np
import pytest
import torch

RATE_HZ = 22_050


def chord_and_clicks(duration_s: float = 3.0, *, rate_hz: int = RATE_HZ, seed: int = 0):
    """A chord with overtones under a short burst of noise every half second, (N,) float32."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    chord = sum(
        np.sin(2 * np.pi * hz * k * time_s + k) / k**2
        for hz in (220.0, 277.2, 329.6)
        for k in range(1, 9)
    )
    burst = rng.standard_normal(len(time_s)) * np.exp(-(time_s % 0.5) / 0.03)
    return (0.1 * chord + 0.3 * burst).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="session")
def music():
    """Three seconds, (1, N)."""
    return torch.from_numpy(chord_and_clicks())[None]
