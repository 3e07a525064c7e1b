"""Synthetic dances with music, in folders as users have them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kinetune.audio.sound import Sound, write_sound
from kinetune.metrics.evaluation import baselines
from kinetune.motion.io.amass import write_amass
from tests.conftest import swaying_clip

RATE_HZ = 22_050
DURATION_S = 5.0
BPMS = {f"dance{k}": 84.0 + 11.0 * k for k in range(8)}


def bursts(beats_s, duration_s=DURATION_S, *, rate_hz=RATE_HZ, seed=0):
    """Bursts of noise on beats over a soft chord."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    chord = sum(np.sin(2 * np.pi * hz * times + hz) for hz in rng.uniform(150, 700, 3))
    samples = 0.02 * chord + 0.001 * rng.standard_normal(len(times))
    for beat in beats_s:
        after = times - beat
        samples += (
            0.4 * (after >= 0) * np.exp(-after.clip(0) / 0.03) * rng.standard_normal(len(times))
        )
    return Sound(samples.clip(-1, 1).astype(np.float32), rate_hz)


@dataclass(frozen=True)
class World:
    """Folders of eight dances: their music, a system's music, the dances."""

    reference: Path
    system: Path
    motions: Path


def write_world(root):
    """Write the folders; the system plays each dance's beats 30 ms late."""
    world = World(root / "reference", root / "system", root / "motions")
    for number, (name, bpm) in enumerate(BPMS.items()):
        beats = np.arange(0.2, DURATION_S, 60.0 / bpm)
        write_sound(world.reference / f"{name}.wav", bursts(beats, seed=number))
        write_sound(world.system / f"{name}.wav", bursts(beats + 0.03, seed=100 + number))
        clip = swaying_clip(bpm=bpm, duration_s=DURATION_S, seed=number)
        write_amass(world.motions / f"{name}.npz", clip)
    return world


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def click_sound():
    """Five seconds of clicks every half second from 0.25 s on."""
    return baselines.click_track(np.arange(0.25, DURATION_S, 0.5), DURATION_S)
