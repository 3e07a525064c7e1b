"""A piece of music in memory, with its dance, its beats and its recipe."""

import base64
import html
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune import genres
from kinetune.errors import MissingExtraError
from kinetune.model.conditioning.harmony import Harmony
from kinetune.render.marks import Marks
from kinetune.tasks.film import write_film
from kinetune.tasks.recipe import Origin, Recipe, make_recipe, sidecar_path, write_sidecar
from kinetune.tasks.requests.composer_outputs import chords_path, shown_chords
from kinetune.tasks.requests.output_paths import FilmOptions, check_absent

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

# Longer pieces are compressed in a notebook.
_MAX_WAV_S = 30.0


@dataclass(frozen=True)
class PlayedHarmony:
    """Key and chords of music, as written beside it.

    Attributes:
        key: Such as ``A minor``.
        chords: The first chords.
        chords_file: All chords with their times, as Audacity labels.
    """

    key: str
    chords: str
    chords_file: str


@dataclass(frozen=True, eq=False, repr=False)
class Music:
    """A piece of music for a dance.

    In a notebook it shows a player and a picture.

    Attributes:
        sound: The music.
        beats: The beats it was made to.
        genre: Genre code.
        seed: The seed it was made from.
        clip: The dance, or the group of dancers.
        origin: What it was made from.
        draw: Draws its picture to a .png file.
        loops: Whether its end leads to its beginning.
        marks: Sections, silences, accents and the loop's wrap, for pictures and films.
        harmony: Key and chords that a model was told to play; None of other music.
        model_lufs: Loudness as a model made it, before it was matched; None of other music.
        attributes: Musical attributes that a model was told to play, 1 with and -1 without.
    """

    sound: "Sound"
    beats: "BeatGrid"
    genre: str
    seed: int
    clip: "Dancers"
    origin: Origin
    draw: Callable[[Path], None]
    loops: bool = False
    marks: Marks = field(default_factory=Marks)
    harmony: Harmony | None = None
    model_lufs: float | None = None
    attributes: dict[str, float] = field(default_factory=dict)

    @property
    def bpm(self) -> float:
        """Beats per minute; the mean where the tempo drifts."""
        return self.beats.bpm

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return self.sound.duration_s

    def recipe(self, output: Path) -> Recipe:
        """Return how it was made, with paths seen from the folder of ``output``."""
        return make_recipe(
            self.origin, output, genre=self.genre, grid=self.beats, duration_s=self.duration_s,
            harmony=self.harmony, model_lufs=self.model_lufs, attributes=self.attributes,
        )  # fmt: skip

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a .wav, .flac, .ogg or .mp3 file and its recipe beside it, ``NAME.json``.

        Args:
            path: The sound file.
            overwrite: Replace files that exist.

        Returns:
            The sound file.

        Raises:
            OutputError: A file exists, or can't be written.
            AudioError: Another suffix, or a rate that the format doesn't know.
        """
        target = Path(path)
        if not overwrite:
            check_absent([target, sidecar_path(target)])
        write_piece(self, target)
        return target

    def film(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Film the dancer with the music on it, as an .mp4 file.

        Raises:
            OutputError: The file exists, or can't be written.
            ConfigError: Another suffix.
        """
        target = Path(path)
        if not overwrite:
            check_absent([target])
        write_film(
            target,
            self.clip,
            self.beats,
            self.sound,
            title=self.title,
            options=FilmOptions(),
            marks=self.marks,
        )
        return target

    @property
    def title(self) -> str:
        """Dance, genre and tempo in a line."""
        return f"{self.clip.name}: {genres.genre_name(self.genre)} at {self.bpm:.1f} bpm"

    def __repr__(self) -> str:
        return (
            f"<Music for {self.clip.name}: {self.duration_s:.1f} s of "
            f"{genres.genre_name(self.genre)} at {self.bpm:.1f} bpm, seed {self.seed}>"
        )

    def _repr_html_(self) -> str:
        kind, data = _encoded(self.sound)
        player = f'<audio controls src="data:audio/{kind};base64,{_base64(data)}"></audio>'
        parts = [f"<p>{html.escape(self.title)}, seed {self.seed}</p>", player]
        if picture := self._png():
            parts.append(f'<br><img style="max-width:100%" src="data:image/png;base64,{picture}">')
        return f"<div>{''.join(parts)}</div>"

    def _png(self) -> str:
        """The picture in base64, or nothing where matplotlib is not installed."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "music.png"
            try:
                self.draw(path)
            except MissingExtraError:
                return ""
            return _base64(path.read_bytes())


def write_piece(music: Music, target: Path) -> Recipe:
    """Write a piece and its recipe, replacing files that exist.

    Args:
        music: The piece.
        target: The sound file.

    Returns:
        The recipe.
    """
    from kinetune.audio.sound import write_sound

    recipe = music.recipe(target)
    name = genres.genre_name(music.genre)
    write_sound(target, music.sound, loops=music.loops, genre=name, comment=recipe.comment())
    write_sidecar(target, recipe)
    return recipe


def write_harmony(music: Music, target: Path) -> PlayedHarmony | None:
    """Write the chords of a model's music beside it, as the composer's are; None without any.

    Args:
        music: The piece.
        target: Its sound file.
    """
    from kinetune.composer.output.chord_files import write_chord_spans

    if music.harmony is None:
        return None
    chords, path = music.harmony.chords, chords_path(target)
    write_chord_spans(path, [(c.start_s, c.name) for c in chords], music.duration_s)
    return PlayedHarmony(music.harmony.key, shown_chords([c.name for c in chords]), str(path))


def _encoded(sound: "Sound") -> tuple[str, bytes]:
    """A sound file in memory: WAV, or OGG if it is long."""
    import soundfile

    from kinetune.audio.sound import write_sound

    if sound.duration_s <= _MAX_WAV_S:
        buffer = io.BytesIO()
        soundfile.write(buffer, sound.samples, sound.rate_hz, format="WAV", subtype="PCM_16")
        return "wav", buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "music.ogg"
        write_sound(path, sound)
        return "ogg", path.read_bytes()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
