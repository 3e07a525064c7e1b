"""Sounds in memory and sound files.

Samples are float32 in [-1, 1]; axes: N samples, or N x channels. Files are read and written
through soundfile (libsndfile): WAV, FLAC, OGG Vorbis and MP3. Sizes are checked before
decoding. A written file is read back before it replaces its target.
"""

import errno
import math
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.ogg_tags import finish_ogg
from kinetune.errors import AudioError
from kinetune.files import atomic_file
from kinetune.memmap import chunks, zeros_or_memmap

_SUBTYPES = {".wav": "PCM_16", ".flac": "PCM_16", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
_BLOCK = 1 << 16
# Less than a block of samples: what was to be written did not fit.
_FULL_DISK_BYTES = 4 * _BLOCK
# What is read: rates of sound cards, and the longest dance with some room.
_MIN_RATE_HZ, _MAX_RATE_HZ, _MAX_CHANNELS = 4_000, 384_000, 32
_MAX_DURATION_S = 2.5 * 3600.0
# libsndfile's count for a stream of unknown length.
_UNKNOWN_FRAMES = 2**63 - 1
# Bytes of samples from which a file must not expand more than so many times: lossless silence.
_UNCHECKED_BYTES, _MAX_EXPANSION = 1 << 28, 1000
# Samples of the encoder's delay and of the last frame's rest.
_MAX_MP3_PADDING = 4 * 1152
_MAX_COMMENT_BYTES = 1 << 24
# Samples that are brought to another rate at once, and how far SciPy's filter looks, in periods of
# the lower rate.
_STRETCH, _FILTER_REACH = 1 << 20, 12
# The rates MP3 has.
_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, eq=False, repr=False)
class Sound:
    """Samples and their rate.

    Attributes:
        samples: float32, shape (N,) mono or (N, channels).
        rate_hz: Samples per second.

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
    """Read a WAV, FLAC, OGG, MP3 or other file that libsndfile knows, block by block.

    Long sounds come back in a temporary file, see :mod:`kinetune.memmap`.

    Raises:
        AudioError: The file is missing, empty, too long, contains NaN, or is not a sound file.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    try:
        with _SoundStream(_encoded(path)) as file:
            rate_hz, shape = file.samplerate, (file.frames, file.channels)
        _check_header(path, rate_hz, shape[1])
        if shape[0] >= _UNKNOWN_FRAMES:
            shape = (_count_frames(path), shape[1])
        _check_length(path, rate_hz, shape)
        samples = _read_samples(path, shape)
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:
        raise AudioError(
            f"{path}: not a sound file that can be read ({_why_unreadable(error)})"
        ) from error
    if len(samples) == 0:
        raise AudioError(f"{path}: the file holds no samples")
    try:
        return Sound(samples, int(rate_hz))
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error


def _why_unreadable(error: Exception) -> str:
    """Return why a file that exists can't be read; libsndfile says of some that they don't."""
    text = getattr(error, "error_string", "") or str(error) or type(error).__name__
    return "damaged, or of an unknown format" if "does not exist" in text else text


class _SoundStream(soundfile.SoundFile):
    """A file that is read from its beginning to its end.

    soundfile seeks after every read where it can, which fails in a legal FLAC file that was
    streamed and does not know its own length.
    """

    def seekable(self) -> bool:
        return False


def _encoded(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it, also where its name isn't UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _check_header(path: Path, rate_hz: int, channels: int) -> None:
    if not _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ:
        raise AudioError(
            f"{path}: expected {_MIN_RATE_HZ} to {_MAX_RATE_HZ} samples a second, found {rate_hz}"
        )
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f"{path}: expected 1 to {_MAX_CHANNELS} channels, found {channels}")


def _check_length(path: Path, rate_hz: int, shape: tuple[int, int]) -> None:
    """Check from the header that the samples fit in memory, before anything is decoded."""
    duration_s = timebase.duration_of(shape[0], rate_hz)
    if duration_s > _MAX_DURATION_S:
        raise AudioError(
            f"{path}: lasts {duration_s / 3600:.1f} h, at most {_MAX_DURATION_S / 3600:g} h"
        )
    size = 4 * shape[0] * shape[1]
    if size > _UNCHECKED_BYTES and size > _MAX_EXPANSION * path.stat().st_size:
        raise AudioError(
            f"{path}: {path.stat().st_size / 1e6:.1f} MB would become {size / 1e6:.0f} MB of "
            "samples; no music packs that tightly"
        )


def _count_frames(path: Path) -> int:
    """Return the frames of a file that doesn't know its own length, by decoding it."""
    count = 0
    with _SoundStream(_encoded(path)) as file:
        block = np.empty((_BLOCK, file.channels), np.float32)
        while (read := file.buffer_read_into(block, "float32")) > 0:
            count += read
            _check_length(path, file.samplerate, (count, file.channels))
    return count


def _read_samples(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the samples, (N,) or (N, channels); fewer than the header says if the file ends."""
    samples = zeros_or_memmap(shape[:1] if shape[1] == 1 else shape)
    with _SoundStream(_encoded(path)) as file:
        for part in chunks(samples, size=_BLOCK):
            read = file.buffer_read_into(samples[part], "float32")
            if read < part.stop - part.start:
                return samples[: part.start + read]
    return samples


def check_suffix(path: Path, *, loops: bool = False, rate_hz: int | None = None) -> None:
    """See that a sound can be written under that name.

    Args:
        path: The name.
        loops: Whether it is to loop.
        rate_hz: Its samples per second; None if they aren't known yet.

    Raises:
        AudioError: The suffix is not .wav, .flac, .ogg or .mp3; or it is .mp3 for a loop or for a
            rate that MP3 does not know.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUBTYPES:
        known = ", ".join(_SUBTYPES)
        raise AudioError(f"{path}: can't write {suffix or 'no suffix'!r}; use one of {known}")
    if loops and suffix == ".mp3":
        raise AudioError(
            f"{path}: MP3 pads both ends with silence, so it can't loop without a gap; "
            "write .ogg, .wav or .flac"
        )
    if suffix == ".mp3" and rate_hz is not None and rate_hz not in _MP3_RATES_HZ:
        known = ", ".join(map(str, _MP3_RATES_HZ))
        raise AudioError(
            f"{path}: MP3 knows {known} Hz, found {rate_hz}; choose one of them, or write .ogg, "
            ".wav or .flac"
        )


def read_genre(path: Path) -> str:
    """Return the genre tag of a sound file as written; empty if there is none."""
    try:
        with soundfile.SoundFile(_encoded(path)) as file:
            return str(file.genre or "").strip()
    except soundfile.LibsndfileError:
        return ""


def read_comment(path: Path) -> str:
    """Return the comment in a sound file's metadata; empty if it has none or can't be read."""
    try:
        if Path(path).suffix.lower() == ".wav" and (comment := _wav_comment(path)):
            return comment
        with soundfile.SoundFile(_encoded(path)) as file:
            return str(file.comment or "").strip("\0 ")
    except (soundfile.LibsndfileError, OSError):
        return ""


def write_sound(
    path: Path,
    sound: Sound,
    *,
    loops: bool = False,
    genre: str = "",
    comment: str = "",
    bits: int = 16,
) -> None:
    """Write ``sound`` to ``path``, whole or not at all: WAV, FLAC, OGG Vorbis or MP3.

    Samples beyond [-1, 1] are clipped, except in floating point.

    Args:
        path: The suffix says the format.
        sound: What to write.
        loops: Mark all of it as a loop, for game engines and samplers: a sampler chunk in WAV,
            LOOPSTART and LOOPLENGTH (samples) in OGG.
        genre: Written into the file, for players and :func:`read_genre`.
        comment: Written into the file, see :func:`read_comment`.
        bits: Of a WAV or FLAC file, 16 or 24; 32 for a WAV file in floating point.

    Raises:
        AudioError: Another suffix, a rate that MP3 does not know, or a loop as MP3.
        OutputError: The folder can't be written to, or the disk is full.
    """
    check_suffix(path, loops=loops, rate_hz=sound.rate_hz)
    suffix = Path(path).suffix.lower()
    with atomic_file(Path(path)) as aside:
        try:
            is_wav = suffix == ".wav"
            subtype = "FLOAT" if bits == 32 else _SUBTYPES[suffix].replace("16", str(bits))
            _write_blocks(aside, sound, subtype, genre, "" if is_wav else comment)
            if loops and is_wav:
                _mark_loop(aside, len(sound.samples), sound.rate_hz)
            if suffix == ".ogg":
                points = {"LOOPSTART": "0", "LOOPLENGTH": str(len(sound.samples))}
                finish_ogg(aside, points if loops else {})
            if comment and is_wav:
                _append_comment(aside, comment)
            _check_written(aside, len(sound.samples))
        except (soundfile.LibsndfileError, AudioError) as error:
            raise OSError(_reason(aside, error)) from error


def _reason(path: Path, error: Exception) -> str:
    """Say why a sound was not written: libsndfile says "System error" whatever it was."""
    if shutil.disk_usage(path.parent).free < _FULL_DISK_BYTES:
        return os.strerror(errno.ENOSPC)
    message = str(error)
    return "the disk or the longest file allowed is full" if "System error" in message else message


def _check_written(path: Path, n_samples: int) -> None:
    """Read length and last block back: libsndfile does not report a disk that fills at the end.

    Raises:
        OSError: The file is cut off.
    """
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    with soundfile.SoundFile(_encoded(path)) as written:
        # An MP3 file may keep its encoder's padding.
        extra = written.frames - n_samples
        if not 0 <= extra <= (_MAX_MP3_PADDING if path.suffix.lower() == ".mp3" else 0):
            raise OSError(f"only {written.frames} of {n_samples} samples were written; disk full?")
        last = min(n_samples, _BLOCK)
        written.seek(n_samples - last)
        if len(written.read(last)) < last:
            raise OSError("the end was not written; disk full?")


def _write_blocks(path: Path, sound: Sound, subtype: str, genre: str, comment: str) -> None:
    """Block by block: libsndfile's Vorbis encoder overflows its stack on one long write."""
    channels = 1 if sound.samples.ndim == 1 else sound.samples.shape[1]
    with soundfile.SoundFile(_encoded(path), "w", sound.rate_hz, channels, subtype) as out:
        if genre:
            out.genre = genre
        if comment:
            out.comment = comment
        for part in chunks(sound.samples, size=_BLOCK):
            samples = sound.samples[part]
            out.write(samples if subtype == "FLOAT" else samples.clip(-1.0, 1.0))


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
