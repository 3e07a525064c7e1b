"""Sound as data, and its files.

Samples are float32 in [-1, 1]; axes: N samples, or N x channels. Files are read and written
through soundfile (libsndfile): WAV and FLAC, 16, 24 bit or float.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import AudioError
from kinetune.files import whole_file

_SUBTYPES = {".wav": "PCM_16", ".flac": "PCM_16"}


@dataclass(frozen=True, eq=False)
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
        if not np.isfinite(self.samples).all():
            raise AudioError("the sound holds NaN or infinite samples")

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


def write_sound(path: Path, sound: Sound) -> None:
    """Write ``sound`` to ``path`` as 16-bit WAV or FLAC, whole or not at all.

    Samples beyond [-1, 1] are held at full scale.

    Raises:
        AudioError: The suffix is neither .wav nor .flac.
        OutputError: The place can't be written to.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUBTYPES:
        raise AudioError(f"{path}: can't write {suffix or 'no suffix'!r}; use .wav or .flac")
    with whole_file(Path(path)) as aside:
        try:
            soundfile.write(aside, sound.samples, sound.rate_hz, subtype=_SUBTYPES[suffix])
        except soundfile.LibsndfileError as error:
            raise OSError(str(error)) from error


def to_mono(sound: Sound) -> Sound:
    """Return the mean of the channels."""
    return Sound(sound.mono, sound.rate_hz)


def resample(sound: Sound, rate_hz: int) -> Sound:
    """Return the sound at another rate, by SciPy's polyphase filter.

    Raises:
        AudioError: The rate is not positive.
    """
    if rate_hz <= 0:
        raise AudioError(f"the sample rate must be positive, found {rate_hz}")
    if rate_hz == sound.rate_hz:
        return sound
    from scipy.signal import resample_poly

    common = math.gcd(rate_hz, sound.rate_hz)
    samples = resample_poly(sound.samples, rate_hz // common, sound.rate_hz // common, axis=0)
    return Sound(samples.astype(np.float32), rate_hz)
