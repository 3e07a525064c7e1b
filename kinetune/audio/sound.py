"""Sound as data, and its files.

Samples are float32 in [-1, 1]; axes: N samples, or N x channels. Files are read and written
through soundfile (libsndfile): WAV and FLAC, 16, 24 bit or float.
"""

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import AudioError
from kinetune.files import atomic_file
from kinetune.memmap import chunks, zeros_or_memmap

_SUBTYPES = {".wav": "PCM_16", ".flac": "PCM_16", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
_BLOCK = 1 << 16
_MAX_COMMENT_BYTES = 1 << 24
# Samples that are brought to another rate at once, and how far SciPy's filter looks, in periods of
# the lower rate.
_STRETCH, _FILTER_REACH = 1 << 20, 12
# What MP3 knows.
_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, eq=False, repr=False)
class Sound:
    """A stretch of sound.

    Attributes:
        samples: float32, shape (N,) mono or (N, channels).
        rate_hz: Samples a second.

    Raises:
        AudioError: The array has no samples' shape, holds integers, is not finite, or the rate is
            not positive.
    """

    samples: NDArray[np.float32]
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim not in (1, 2):
            raise AudioError(f"expected samples (N,) or (N, channels), found {self.samples.shape}")
        if not np.issubdtype(self.samples.dtype, np.floating):
            raise AudioError(f"expected float samples in [-1, 1], found {self.samples.dtype}")
        if self.rate_hz <= 0:
            raise AudioError(f"the sample rate must be positive, found {self.rate_hz}")
        for part in chunks(self.samples):
            if not np.isfinite(self.samples[part]).all():
                raise AudioError("the sound holds NaN or infinite samples")

    def __repr__(self) -> str:
        count = 1 if self.samples.ndim == 1 else self.samples.shape[1]
        channels = {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
        return f"<Sound: {self.duration_s:.2f} s, {self.rate_hz} Hz, {channels}>"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return timebase.duration_of(len(self.samples), self.rate_hz)

    @property
    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels, shape (N,)."""
        return self.samples if self.samples.ndim == 1 else self.samples.mean(axis=1)


def read_sound(path: Path) -> Sound:
    """Read a WAV, FLAC or other file that libsndfile knows.

    Raises:
        AudioError: The file is missing, empty, holds NaN, or is not a sound file.
    """
    if not Path(path).is_file():
        raise AudioError(f"{path}: no such file")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: not a sound file that can be read ({error})") from error
    if len(samples) == 0:
        raise AudioError(f"{path}: the file holds no samples")
    try:
        return Sound(samples, int(rate_hz))
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error


def check_suffix(path: Path) -> None:
    """See that a sound can be written under that name.

    Raises:
        AudioError: The suffix is not .wav, .flac, .ogg or .mp3.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUBTYPES:
        known = ", ".join(_SUBTYPES)
        raise AudioError(f"{path}: can't write {suffix or 'no suffix'!r}; use one of {known}")


def read_genre(path: Path) -> str:
    """Return the genre that a sound file says it is of, in its own words; empty if it does not."""
    try:
        with soundfile.SoundFile(path) as file:
            return str(file.genre or "").strip()
    except soundfile.LibsndfileError:
        return ""


def read_comment(path: Path) -> str:
    """Return the comment in a sound file's metadata; empty if it has none or can't be read."""
    try:
        if Path(path).suffix.lower() == ".wav" and (comment := _wav_comment(path)):
            return comment
        with soundfile.SoundFile(path) as file:
            return str(file.comment or "").strip("\0 ")
    except (soundfile.LibsndfileError, OSError):
        return ""


def write_sound(
    path: Path, sound: Sound, *, loops: bool = False, genre: str = "", comment: str = ""
) -> None:
    """Write ``sound`` to ``path``, whole or not at all: 16-bit WAV or FLAC, OGG Vorbis or MP3.

    Samples beyond [-1, 1] are held at full scale.

    Args:
        path: The suffix says the format.
        sound: What to write.
        loops: Mark all of it as a loop, for game engines and samplers; WAV only.
        genre: Written into the file, for players and :func:`read_genre`.
        comment: Written into the file, see :func:`read_comment`.

    Raises:
        AudioError: Another suffix, or a rate that MP3 does not know.
        OutputError: The place can't be written to.
    """
    check_suffix(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".mp3" and sound.rate_hz not in _MP3_RATES_HZ:
        known = ", ".join(map(str, _MP3_RATES_HZ))
        raise AudioError(f"{path}: MP3 knows {known} Hz, found {sound.rate_hz}")
    with atomic_file(Path(path)) as aside:
        try:
            is_wav = suffix == ".wav"
            _write_blocks(aside, sound, _SUBTYPES[suffix], genre, "" if is_wav else comment)
            if loops and is_wav:
                _mark_loop(aside, len(sound.samples), sound.rate_hz)
            if comment and is_wav:
                _append_comment(aside, comment)
        except soundfile.LibsndfileError as error:
            raise OSError(str(error)) from error


def _write_blocks(path: Path, sound: Sound, subtype: str, genre: str, comment: str) -> None:
    """Block by block: libsndfile's Vorbis encoder overflows its stack on one long write."""
    channels = 1 if sound.samples.ndim == 1 else sound.samples.shape[1]
    with soundfile.SoundFile(path, "w", sound.rate_hz, channels, subtype) as out:
        if genre:
            out.genre = genre
        if comment:
            out.comment = comment
        for part in chunks(sound.samples, size=_BLOCK):
            out.write(sound.samples[part].clip(-1.0, 1.0))


def _mark_loop(path: Path, n_samples: int, rate_hz: int) -> None:
    """Append a sampler chunk with one forward loop over everything (RIFF's ``smpl``)."""
    # Maker, product, nanoseconds a sample, middle C, its fraction, SMPTE format and offset, one
    # loop, no further data; then the loop: id, forward, first and last sample, fraction, for ever.
    fields = (0, 0, round(1e9 / rate_hz), 60, 0, 0, 0, 1, 0, 0, 0, 0, n_samples - 1, 0, 0)
    _append_chunk(path, b"smpl", struct.pack("<15I", *fields))


def _append_comment(path: Path, comment: str) -> None:
    """Append a comment as RIFF's ``LIST`` of ``INFO``; libsndfile drops those beyond some 4 KB."""
    text = comment.encode() + b"\0"
    padded = text + b"\0" * (len(text) % 2)
    _append_chunk(path, b"LIST", b"INFOICMT" + struct.pack("<I", len(text)) + padded)


def _append_chunk(path: Path, name: bytes, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() % 2:
            file.write(b"\0")
        file.write(name + struct.pack("<I", len(content)) + content)
        size = file.tell()
        file.seek(4)
        file.write(struct.pack("<I", size - 8))


def _wav_comment(path: Path) -> str:
    """Return the last comment of a WAV file's chunks, or nothing."""
    comment = b""
    with open(path, "rb") as file:
        if file.read(12)[8:] != b"WAVE":
            return ""
        while len(head := file.read(8)) == 8:
            name, size = head[:4], struct.unpack("<I", head[4:])[0]
            after = file.tell() + size + size % 2
            if name == b"LIST" and size <= _MAX_COMMENT_BYTES:
                content = file.read(size)
                if content[:8] == b"INFOICMT" and len(content) >= 12:
                    length = struct.unpack("<I", content[8:12])[0]
                    comment = content[12 : 12 + length]
            file.seek(after)
    return comment.rstrip(b"\0").decode(errors="replace")


def to_mono(sound: Sound) -> Sound:
    """Return the mean of the channels."""
    return Sound(sound.mono, sound.rate_hz)


def resample(sound: Sound, rate_hz: int) -> Sound:
    """Return the sound at another rate, by SciPy's polyphase filter, a stretch at a time.

    Raises:
        AudioError: The rate is not positive.
    """
    if rate_hz <= 0:
        raise AudioError(f"the sample rate must be positive, found {rate_hz}")
    if rate_hz == sound.rate_hz:
        return sound
    from scipy.signal import resample_poly

    common = math.gcd(rate_hz, sound.rate_hz)
    up, down = rate_hz // common, sound.rate_hz // common
    given, count = sound.samples, -(-len(sound.samples) * up // down)
    made = zeros_or_memmap((count, *given.shape[1:]))
    # Stretches begin where samples of both rates coincide, and see as far as the filter reaches.
    margin = down * -(-_FILTER_REACH * max(up, down) // (up * down))
    for part in chunks(given, made, size=down * (_STRETCH // down + 1)):
        start = max(0, part.start - margin)
        fine = resample_poly(given[start : part.stop + margin], up, down, axis=0)
        first, last = part.start * up // down, min(count, -(-part.stop * up // down))
        made[first:last] = fine[first - start * up // down :][: last - first]
    return Sound(made, rate_hz)
