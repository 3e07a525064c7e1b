"""Packs of a loop with layers and of a piece that drifts, for every tool."""

import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.motion.beats.beat_grid import fixed_grid, grid_of_beats
from kinetune.packs.pack import Marked
from kinetune.packs.writer import TOOLS, Material, write_pack

RATE_HZ = 16_000
LOOP_S = 8.0
MARKED = Marked(
    sections=((0.0, "verse"), (4.25, "drop")), accents=(3.2,), silences=((6.0, 6.5),),
    layers=((0.0, 1), (4.25, 2)),
)  # fmt: skip


def tone(seconds, channels=2):
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = (0.2 * np.sin(2.0 * np.pi * 220.0 * times)).astype(np.float32)
    return Sound(wave if channels == 1 else np.stack([wave, -wave], axis=1), RATE_HZ)


def loop_material():
    """Four bars of four at 120 bpm; the first bar line is a quarter of a second in."""
    grid = fixed_grid(120.0, 0.25, LOOP_S)
    layers = [("1-calm", tone(LOOP_S)), ("2-full", tone(LOOP_S))]
    return Material("my loop", tone(LOOP_S), grid, MARKED, True, layers, "house")


def waltz_material():
    """Bars of three that get slower; nothing else is marked."""
    from dataclasses import replace

    beats = np.cumsum(np.linspace(0.5, 0.7, 16)) - 0.3
    grid = replace(grid_of_beats(beats, 9.5), metre=3, beats_s=beats[beats < 9.5])
    return Material("3 waltz", tone(9.5, channels=1), grid, Marked())


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """Folders and packs by tool and kind."""
    root = tmp_path_factory.mktemp("packs")
    made = {}
    for kind, material in (("loop", loop_material()), ("waltz", waltz_material())):
        for tool in TOOLS:
            folder = root / f"{kind}-{tool}"
            made[kind, tool] = folder, write_pack(tool, folder, material)
    return made
