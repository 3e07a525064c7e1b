"""Which beats the music is made to: what the user names, and what is found in the dance."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip

_FACTORS = {"auto": 1.0, "half": 0.5, "double": 2.0}


@dataclass(frozen=True)
class AskedGrid:
    """What a user says about the beat.

    Attributes:
        bpm: A number, or ``auto``, ``half`` or ``double`` of the tempo found in the dance.
        first_beat_s: Time at which a bar begins.
        beats: A file of beat times; it leaves nothing for the others to say.

    Raises:
        ConfigError: The tempo is neither a number nor one of the words, or is out of range; or a
            file of beats is named beside another wish.
    """

    bpm: str = "auto"
    first_beat_s: float | None = None
    beats: Path | None = None

    def __post_init__(self) -> None:
        if self.bpm not in _FACTORS and not 30.0 <= self._number() <= 300.0:
            raise ConfigError(f"--bpm must be 30 to 300, found {self.bpm}")
        if self.beats is not None and (self.bpm != "auto" or self.first_beat_s is not None):
            raise ConfigError("--beats says all beats; leave --bpm and --first-beat out")

    @property
    def is_named(self) -> bool:
        """Whether the user, not the dance, says the tempo."""
        return self.beats is not None or self.bpm not in _FACTORS

    def of(self, clip: "MotionClip") -> "BeatGrid":
        """Return the grid for a dance.

        Raises:
            AudioError: The file of beats can't be read.
            MotionError: Its beats don't fit the dance, or a tempo is out of range.
        """
        from kinetune.audio.beat_map import read_beats
        from kinetune.motion.beats.beat_grid import beat_grid, grid_of_beats

        if self.beats is not None:
            return grid_of_beats(read_beats(self.beats), clip.duration_s)
        if self.bpm not in _FACTORS:
            return beat_grid(clip, bpm=self._number(), first_beat_s=self.first_beat_s)
        if self.bpm == "auto":
            return beat_grid(clip, first_beat_s=self.first_beat_s)
        found_bpm = beat_grid(clip).bpm * _FACTORS[self.bpm]
        return beat_grid(clip, bpm=found_bpm, first_beat_s=self.first_beat_s)

    def _number(self) -> float:
        try:
            return float(self.bpm)
        except ValueError:
            words = ", ".join(_FACTORS)
            raise ConfigError(f"--bpm must be a number, {words}; found {self.bpm!r}") from None
