"""How a finished sound is handed over: rate, channels, loudness. Hz, LUFS."""

from dataclasses import dataclass

from kinetune import timebase
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound, resample
from kinetune.errors import ConfigError
from kinetune.memmap import chunks, zeros_or_memmap

SLOWEST_HZ, FASTEST_HZ = 8_000, 192_000
_QUIETEST_LUFS, _LOUDEST_LUFS = -40.0, -6.0


@dataclass(frozen=True)
class ExportFormat:
    """What a listener or an editor asks for.

    Attributes:
        rate_hz: Samples a second.
        channels: 1, or 2 for the same sound on both.
        target_lufs: Integrated loudness.

    Raises:
        ConfigError: A number is out of range.
    """

    rate_hz: int = timebase.SAMPLE_RATE_HZ
    channels: int = 1
    target_lufs: float = -14.0

    def __post_init__(self) -> None:
        if not SLOWEST_HZ <= self.rate_hz <= FASTEST_HZ:
            raise ConfigError(
                f"the sample rate must be {SLOWEST_HZ} to {FASTEST_HZ} Hz, found {self.rate_hz}"
            )
        if self.channels not in (1, 2):
            raise ConfigError(f"channels must be 1 or 2, found {self.channels}")
        if not _QUIETEST_LUFS <= self.target_lufs <= _LOUDEST_LUFS:
            raise ConfigError(
                f"the loudness must be {_QUIETEST_LUFS:g} to {_LOUDEST_LUFS:g} LUFS, "
                f"found {self.target_lufs:g}"
            )


def export(sound: Sound, how: ExportFormat) -> Sound:
    """Return a mono sound as asked; one that is so already comes back as it is."""
    if how == ExportFormat(rate_hz=sound.rate_hz):
        return sound
    at_rate = resample(sound, how.rate_hz)
    if how.channels == 2:
        at_rate = _on_both(at_rate)
    return normalise_loudness(at_rate, target_lufs=how.target_lufs)


def _on_both(sound: Sound) -> Sound:
    """The same on two channels."""
    both = zeros_or_memmap((len(sound.samples), 2))
    for part in chunks(both, sound.samples):
        both[part] = sound.samples[part, None]
    return Sound(both, sound.rate_hz)
