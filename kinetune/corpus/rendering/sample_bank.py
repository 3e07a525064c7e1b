"""The bundled bank of recorded instruments, and resampling of its sounds to a pitch.

``data/instruments.zip`` holds a mono Ogg Vorbis file an instrument and an index of its zones
(pitch, force, variant, start, length, loop); tools/make_instrument_bank.py makes it from FluidR3 GM
and CC0 one-shots. An instrument is decoded on first use and cached; the caches hold only what is
in the file, so threads may share them. Seconds, MIDI pitches, samples (N,).
"""

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import fft

from kinetune import files
from kinetune.errors import ConfigError

BANK = files.CORPUS_DATA / "instruments.zip"
# Zeros after a sound while it is resampled, so that its end does not wrap round to its start.
_MARGIN = 256
# Share of a loop that is cross-faded into its start.
_CROSSFADE = 0.25
# Lengths tried for the Fourier transforms; the pair that comes closest to the pitch is taken.
_LENGTHS_TRIED = 16

Wave = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Zone:
    """One recorded sound.

    Attributes:
        wave: Samples at the bank's rate, shape (N,).
        pitch: MIDI pitch it was recorded at.
        velocity: Velocity it was played with, 0 to 1.
        variant: Which of several variants of the instrument it is.
        loop: First and end sample of its loop, or None where it decays.
    """

    wave: NDArray[np.float32]
    pitch: float
    velocity: float
    variant: int
    loop: tuple[int, int] | None


@cache
def _index() -> dict[str, Any]:
    with zipfile.ZipFile(BANK) as archive:
        return dict(json.loads(archive.read("index.json")))


def names() -> tuple[str, ...]:
    """Return the names of the bank's instruments."""
    return tuple(_index()["instruments"])


def rate_hz() -> int:
    """Return the bank's own sample rate."""
    return int(_index()["rate_hz"])


def sources() -> tuple[str, ...]:
    """Return where the sounds come from, each source once."""
    rows = (row for entry in _index()["instruments"].values() for row in entry["zones"])
    return tuple(sorted({row["source"] for row in rows}))


@cache
def zones(name: str) -> tuple[Zone, ...]:
    """Return the sounds of an instrument.

    Raises:
        ConfigError: The bank has no such instrument.
    """
    if name not in names():
        raise ConfigError(f"{name}: not in the bank, which has {', '.join(names())}")
    with zipfile.ZipFile(BANK) as archive:
        whole, _ = soundfile.read(io.BytesIO(archive.read(f"{name}.ogg")), dtype="float32")
    out = []
    for row in _index()["instruments"][name]["zones"]:
        wave = whole[row["start"] : row["start"] + row["length"]]
        loop = tuple(row["loop"]) if "loop" in row else None
        out.append(Zone(wave, row["pitch"], row["force"], row["variant"], loop))
    return tuple(out)


def nearest_zone(name: str, *, pitch: float, velocity: float, variant: float = 0.0) -> Zone:
    """Return the zone for a note: its variant first, then its pitch, then its velocity.

    Args:
        name: The instrument.
        pitch: MIDI pitch.
        velocity: 0 to 1.
        variant: 0 to below 1, spread over the variants there are.
    """
    able = zones(name)
    variants = sorted({zone.variant for zone in able})
    chosen = variants[min(int(variant * len(variants)), len(variants) - 1)]
    return min(
        (zone for zone in able if zone.variant == chosen),
        key=lambda zone: (abs(zone.pitch - pitch), abs(zone.velocity - velocity)),
    )


def resampled_zone(zone: Zone, *, pitch: float, duration_s: float, rate: int) -> Wave:
    """Return a zone at another pitch and rate, at most ``duration_s`` long, shape (N,).

    Resampled by the Fourier method, which lets nothing fold back from above half the rate.

    Args:
        zone: The recording.
        pitch: MIDI pitch.
        duration_s: A looped zone lasts as long; another ends sooner if its recording does.
        rate: Samples per second of the result.
    """
    # Samples out for each sample in.
    ratio = rate / rate_hz() * 2.0 ** ((zone.pitch - pitch) / 12.0)
    count = max(16, round(duration_s * rate))
    source = _extend_loop(zone, int(count / ratio) + 1)
    count = min(count, int(len(source) * ratio))
    n_in, n_out = _fft_lengths(len(source) + _MARGIN, round(ratio, 7))
    spectrum = fft.rfft(source, n_in)
    wave = fft.irfft(_resize_spectrum(spectrum, n_out // 2 + 1), n_out)
    return np.asarray(wave[:count] * (n_out / n_in), dtype=np.float64)


def _resize_spectrum(spectrum: NDArray[np.complex64], bins: int) -> NDArray[np.complex64]:
    return spectrum[:bins] if bins <= len(spectrum) else np.pad(
        spectrum, (0, bins - len(spectrum))
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _fft_lengths(least: int, ratio: float) -> tuple[int, int]:
    """Two lengths that are quick to transform, in nearly the given ratio."""
    best, error = (least, round(least * ratio)), np.inf
    n_in = least
    for _ in range(_LENGTHS_TRIED):
        n_in = fft.next_fast_len(n_in)
        wanted = n_in * ratio
        n_out = fft.next_fast_len(int(wanted))
        if abs(n_out / wanted - 1.0) < error:
            best, error = (n_in, n_out), abs(n_out / wanted - 1.0)
        n_in += 1
    return best


def _extend_loop(zone: Zone, count: int) -> NDArray[np.float32]:
    """The first ``count`` samples, repeating the loop as often as needed."""
    if zone.loop is None or count <= zone.loop[1]:
        return zone.wave[:count]
    first, end = zone.loop
    length = end - first
    blend = min(int(_CROSSFADE * length), first)
    # The loop's end is cross-faded into what precedes its start.
    rise = np.linspace(0.0, 1.0, blend, dtype=np.float32)
    cycle = zone.wave[first:end].copy()
    cycle[length - blend :] *= 1.0 - rise
    cycle[length - blend :] += rise * zone.wave[first - blend : first]
    repeats = -(-(count - first) // length)
    return np.concatenate([zone.wave[:first], np.tile(cycle, repeats)])[:count]
