"""What to generate: the typed request, and the files it names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from kinetune.audio.export import ExportFormat
from kinetune.errors import ConfigError
from kinetune.motion.io.formats import ReadOptions
from kinetune.packs.writer import check_tools
from kinetune.tasks import variations
from kinetune.tasks.composing.packs import pack_folder
from kinetune.tasks.recipe import sidecar_path
from kinetune.tasks.requests.composer_outputs import ComposerOutputs
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import Existing, FilmOptions, OutputPaths

# Suffix of each form of the beat map, beside the sound.
BEAT_MAPS = {"json": ".beats.json", "csv": ".beats.csv", "labels": ".beats.txt", "midi": ".mid"}
FORMATS = ("wav", "flac", "ogg", "mp3")


@dataclass(frozen=True)
class GenerateRequest:
    """Music for motion files.

    Attributes:
        motions: Motion files, or folders of them.
        output: A sound file (one motion only) or a folder; None is the current folder.
        recursive: Whether folders stand for the motion files in their subfolders too.
        format: Format of sound files in a folder, one of ``FORMATS``.
        existing: What to do where a file exists: ``refuse``, ``replace`` or ``skip``.
        read: What the motion files don't state themselves.
        options: What decides the music.
        variations: How many pieces a dance gets, with seeds from ``options.seed`` on, ranked best
            first by how well they follow the body; 1 to 64.
        export: Rate, channels and loudness of the sound files.
        beat_maps: Forms of the beat map to write beside the sound; keys of ``BEAT_MAPS``.
        plot: Whether to draw a picture beside the sound.
        film: The film that goes with the music.
        composed: Files beside a composed sound.
        packs: Game engines and audio middleware to write a pack for, of ``packs.writer.TOOLS``.
        together: Whether the dances are one group, which gets one piece: all begin at the same
            moment, and the first file gives the name.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Something is out of range, or unknown.
    """

    motions: tuple[Path, ...]
    output: Path | None = None
    recursive: bool = False
    format: str = "wav"
    existing: Existing = "refuse"
    read: ReadOptions = field(default_factory=ReadOptions)
    options: MusicOptions = field(default_factory=MusicOptions)
    variations: int = 1
    export: ExportFormat = field(default_factory=ExportFormat)
    beat_maps: tuple[str, ...] = ()
    plot: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    composed: ComposerOutputs = field(default_factory=ComposerOutputs)
    packs: tuple[str, ...] = ()
    model: str = "default"
    device: str = "auto"
    together: bool = False

    def __post_init__(self) -> None:
        for name in self.beat_maps:
            if name not in BEAT_MAPS:
                known = ", ".join(BEAT_MAPS)
                raise ConfigError(f"a beat map must be one of {known}; found {name!r}")
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise ConfigError(f"the format must be one of {known}; found {self.format!r}")
        if self.existing not in get_args(Existing):
            known = ", ".join(get_args(Existing))
            raise ConfigError(f"existing files: expected {known}; found {self.existing!r}")
        check_tools(self.packs)
        variations.check_range(self.variations)
        if self.options.engine != "composer" and self.composed != ComposerOutputs():
            raise ConfigError(
                "the diffusion engine has no notes, so no stems, MIDI, layers or practice tempi: "
                "add --engine composer"
            )

    def sounds_for(self, paths: OutputPaths) -> list[Path]:
        """Return the sound files that one dance becomes."""
        if self.variations == 1:
            return [paths.sound]
        return [ranked_path(paths.sound, rank + 1) for rank in range(self.variations)]

    def files_for(self, paths: OutputPaths) -> list[Path]:
        """Return the files that one dance becomes, sounds first.

        A model whose condition is the harmony writes chords too, see ``chords_path``.
        """
        sounds = self.sounds_for(paths)
        others = [sidecar_path(sound) for sound in sounds]
        if self.options.engine == "composer":
            others += [path for sound in sounds for path in self.composed.paths(sound, paths.film)]
        suffixes = [BEAT_MAPS[name] for name in self.beat_maps] + [".png"] * self.plot
        others += [sound.with_suffix(suffix) for sound in sounds for suffix in suffixes]
        others += [pack_folder(sound, tool) for sound in sounds for tool in self.packs]
        if self.variations > 1:
            others.append(sheet_path(paths.sound))
        if paths.film is not None:
            others.append(paths.film)
        return sounds + others


def ranked_path(sound: Path, rank: int) -> Path:
    """Return the sound file of a variation, ranked from 1."""
    return sound.with_stem(f"{sound.stem}-{rank}")


def sheet_path(sound: Path) -> Path:
    """Return the picture of all variations of a dance."""
    return sound.with_name(f"{sound.stem}-variations.png")
