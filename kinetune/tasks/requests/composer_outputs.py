"""What a composed piece is written as besides its sound: stems, notes, layers, practice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from kinetune.errors import ConfigError

Stems = Literal["none", "mastered", "unmastered"]
_SLOWEST, _FASTEST = 25, 200
# As composer/layers.py has them.
_FEWEST_LAYERS, _MOST_LAYERS = 2, 9
_SHOWN_CHORDS = 8


@dataclass(frozen=True)
class ComposerOutputs:
    """Files beside a composed sound.

    Attributes:
        stems: A folder of one file a part: ``mastered``, whose sum is the sound; ``unmastered``,
            whose sum is the mix before mastering; or ``none``.
        midi: The notes.
        layers: How many intensity layers to write; 0 for none.
        practice: Tempi to play the piece at for practice, percent of its own.

    Raises:
        ConfigError: A choice is unknown or a number is out of range.
    """

    stems: Stems = "none"
    midi: bool = False
    layers: int = 0
    practice: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.stems not in get_args(Stems):
            known = ", ".join(get_args(Stems))
            raise ConfigError(f"the stems must be one of {known}; found {self.stems!r}")
        if self.layers and not _FEWEST_LAYERS <= self.layers <= _MOST_LAYERS:
            raise ConfigError(
                f"layers must be {_FEWEST_LAYERS} to {_MOST_LAYERS}, found {self.layers}"
            )
        for percent in self.practice:
            if not _SLOWEST <= percent <= _FASTEST:
                raise ConfigError(
                    f"a practice tempo must be {_SLOWEST} to {_FASTEST} percent, found {percent}"
                )
        if len(set(self.practice)) < len(self.practice):
            raise ConfigError("a practice tempo is named twice")

    def paths(self, sound: Path, film: Path | None = None) -> list[Path]:
        """Return the files and folders beside a sound and its film."""
        made = [chords_path(sound)]
        if self.stems != "none":
            made.append(stems_folder(sound))
        if self.midi:
            made.append(sound.with_suffix(".mid"))
        if self.layers:
            made.append(layers_folder(sound))
        for percent in self.practice:
            made.append(practice_path(sound, percent))
            if film is not None:
                made.append(practice_path(film, percent))
        return made


def chords_path(sound: Path) -> Path:
    """Return where the chords of a sound file stand."""
    return sound.with_suffix(".chords.txt")


def shown_chords(names: Sequence[str]) -> str:
    """Return the first chords of a piece, for a line of text."""
    return " ".join(names[:_SHOWN_CHORDS]) + (" ..." if len(names) > _SHOWN_CHORDS else "")


def stems_folder(sound: Path) -> Path:
    """Return the folder of a sound file's stems."""
    return sound.with_name(f"{sound.stem}-stems")


def layers_folder(sound: Path) -> Path:
    """Return the folder of a sound file's intensity layers."""
    return sound.with_name(f"{sound.stem}-layers")


def practice_path(path: Path, percent: int) -> Path:
    """Return the sound, or the film, at a practice tempo."""
    return path.with_stem(f"{path.stem}-practice-{percent}")


def practice_tempi(text: str | None) -> tuple[int, ...]:
    """Return the tempi of a list such as ``70,85,100``.

    Raises:
        ConfigError: It is no list of whole numbers.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise ConfigError(
            f"practice tempi are percents such as 70,85,100; found {text!r:.40}"
        ) from error
