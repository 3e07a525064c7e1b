"""Packs written as folders: sound files, the table of events, and what the tool imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kinetune.audio.sound import Sound, write_sound
from kinetune.errors import ConfigError
from kinetune.files import atomic_folder, write_text
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.packs import fmod, godot, unity, unreal, wwise
from kinetune.packs.pack import TABLE, Marked, Pack, make_pack, write_table

_README = "README.txt"


class _Tool(Protocol):
    """What a tool's module has."""

    SUFFIX: str

    def write(self, folder: Path, pack: Pack, /) -> None:
        """Write what goes with the sound files of a pack."""

    def steps(self, pack: Pack) -> str:
        """Return how the pack is used."""


_TOOLS: Mapping[str, _Tool] = {
    "godot": godot, "unity": unity, "unreal": unreal, "wwise": wwise, "fmod": fmod,
}  # fmt: skip
#: The tools that packs are made for.
TOOLS = tuple(_TOOLS)


@dataclass(frozen=True, eq=False)
class Material:
    """What a pack is made of.

    Attributes:
        name: Of the piece.
        sound: All of it.
        grid: Its beats.
        marked: What else is marked on it.
        loop: Whether its end leads to its beginning.
        layers: Its intensity layers by name, calm first, each as long as the piece.
        genre: Written into the sound files.
    """

    name: str
    sound: Sound
    grid: BeatGrid
    marked: Marked
    loop: bool = False
    layers: Sequence[tuple[str, Sound]] = ()
    genre: str = ""


def check_tools(tools: Sequence[str]) -> None:
    """Check the names of tools.

    Raises:
        ConfigError: One is unknown, or named twice.
    """
    for tool in tools:
        if tool not in _TOOLS:
            raise ConfigError(f"a pack must be for one of {', '.join(TOOLS)}; found {tool!r:.40}")
    if len(set(tools)) < len(tools):
        raise ConfigError("a pack is named twice")


def write_pack(tool: str, folder: Path, material: Material) -> Pack:
    """Write a pack as a folder; one that exists is replaced if it is a pack.

    Args:
        tool: One of ``TOOLS``.
        folder: The folder.
        material: What the pack is made of.

    Raises:
        OutputError: The folder can't be written to, or holds other files.
    """
    kind = _TOOLS[tool]
    sound = material.sound
    pack = make_pack(
        material.name, material.grid, material.marked, samples=len(sound.samples),
        sample_rate=sound.rate_hz, loop=material.loop,
        layers=[name for name, _ in material.layers], suffix=kind.SUFFIX,
    )  # fmt: skip
    sounds = [sound, *(layer for _, layer in material.layers)]
    with atomic_folder(folder, markers=[TABLE]) as aside:
        for file, each in zip(pack.files, sounds, strict=True):
            write_sound(aside / file, each, loops=pack.loop, genre=material.genre)
        write_table(aside, pack)
        kind.write(aside, pack)
        write_text(aside / _README, kind.steps(pack))
    return pack
