"""Export format of finished sounds: sample rate, channels, loudness. Hz, LUFS."""

from dataclasses import dataclass

from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import ConfigError
from kinetune.memmap import chunks, zeros_or_memmap

SLOWEST_HZ, FASTEST_HZ = 8_000, 192_000
_QUIETEST_LUFS, _LOUDEST_LUFS = -40.0, -6.0


@dataclass(frozen=True)
class ExportFormat:
    """The format of an exported sound.

    Attributes:
        rate_hz: Samples per second; the sound's own if None.
        channels: 1 or 2; the sound's own if None. A mono sound is the same on both.
        target_lufs: Integrated loudness.

    Raises:
        ConfigError: A number is out of range.
    """

    rate_hz: int | None = None
    channels: int | None = None
    target_lufs: float = -14.0

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not SLOWEST_HZ <= self.rate_hz <= FASTEST_HZ:
            raise ConfigError(
                f"the sample rate must be {SLOWEST_HZ} to {FASTEST_HZ} Hz, found {self.rate_hz}"
            )
        if self.channels not in (None, 1, 2):
            raise ConfigError(f"channels must be 1 or 2, found {self.channels}")
        if not _QUIETEST_LUFS <= self.target_lufs <= _LOUDEST_LUFS:
            raise ConfigError(
                f"the loudness must be {_QUIETEST_LUFS:g} to {_LOUDEST_LUFS:g} LUFS, "
                f"found {self.target_lufs:g}"
            )


def export(sound: Sound, how: ExportFormat) -> Sound:
    """Return a sound in the requested format; unchanged if it has that format already."""
    channels = 1 if sound.samples.ndim == 1 else sound.samples.shape[1]
    wanted = ExportFormat(how.rate_hz or sound.rate_hz, how.channels or channels, how.target_lufs)
    if wanted == ExportFormat(sound.rate_hz, channels):
        return sound
    if wanted.channels == 1 and channels > 1:
        sound = to_mono(sound)
    at_rate = resample(sound, wanted.rate_hz or sound.rate_hz)
    if wanted.channels == 2 and channels == 1:
        at_rate = _on_both(at_rate)
    return normalise_loudness(at_rate, target_lufs=how.target_lufs)


def _on_both(sound: Sound) -> Sound:
    """The same on two channels."""
    both = zeros_or_memmap((len(sound.samples), 2))
    for part in chunks(both, sound.samples):
        both[part] = sound.samples[part, None]
    return Sound(both, sound.rate_hz)
