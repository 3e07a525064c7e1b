"""Choice of the genre of a piece."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinetune import genres
from kinetune.errors import AudioError

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound

# The genre of a dance where neither the user nor a file gives one.
DEFAULT_GENRE = "house"
Source = Literal["request", "recipe", "file name", "sound file", "classifier", "default"]


@dataclass(frozen=True)
class GenreChoice:
    """A genre and what decided it.

    Attributes:
        code: Two letters, see ``kinetune.genres``.
        source: ``request``; ``recipe`` of the music; ``file name`` of the dance; ``sound file``,
            its genre tag; ``classifier``, from the sound; or ``default``.
    """

    code: str
    source: Source

    @property
    def name(self) -> str:
        """The readable name."""
        return genres.genre_name(self.code)


def genre_for_dance(name: str, requested: str | None = None) -> GenreChoice:
    """Return the genre for a dance: as requested, from an AIST++ file name, or the default.

    Args:
        name: The dance's file name; AIST++ names begin with a genre, such as ``gBR_``.
        requested: Name or code of a genre.

    Raises:
        ConfigError: No such genre.
    """
    if requested is not None:
        return GenreChoice(genres.genre_code(requested), "request")
    if code := genres.genre_from_filename(name):
        return GenreChoice(code, "file name")
    return GenreChoice(genres.genre_code(DEFAULT_GENRE), "default")


def genre_of_music(music: Path, sound: "Sound", motion_name: str) -> GenreChoice:
    """Return the genre of a sound file: from its tag, its dance's name, or its sound.

    Args:
        music: The file.
        sound: What is in it.
        motion_name: File name of the dance.
    """
    from kinetune.audio.sound import read_genre

    if code := genres.find_genre(read_genre(music)):
        return GenreChoice(code, "sound file")
    if code := genres.genre_from_filename(motion_name):
        return GenreChoice(code, "file name")
    import numpy as np

    from kinetune.metrics.genre import genre_probabilities

    try:
        return GenreChoice(genres.CODES[int(np.argmax(genre_probabilities(sound)))], "classifier")
    except AudioError:
        # Too short for the classifier.
        return GenreChoice(genres.genre_code(DEFAULT_GENRE), "default")
