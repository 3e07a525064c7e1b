"""Packs for game engines and audio middleware, beside a finished sound."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune import genres
from kinetune.packs.pack import Marked
from kinetune.packs.writer import Material, write_pack
from kinetune.tasks.composing.outputs import LAYERS_FILE, ComposedFiles

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.render.marks import Marks
    from kinetune.tasks.music import Music
    from kinetune.tasks.recipe import Recipe


def pack_folder(sound: Path, tool: str) -> Path:
    """Return the folder of a sound file's pack for a tool."""
    return sound.with_name(f"{sound.stem}-{tool}")


def write_packs(
    music: "Music", target: Path, tools: Sequence[str], composed: ComposedFiles | None = None
) -> tuple[str, ...]:
    """Write packs of a piece beside its sound file; return their folders.

    Args:
        music: The piece.
        target: Its sound file.
        tools: Names of the tools.
        composed: What came with composed music: its form, and its layers if there are any.

    Raises:
        OutputError: A folder can't be written to, or holds other files.
    """
    if not tools:
        return ()
    sections = None if composed is None else composed.form
    called, layers = _layers(composed)
    material = Material(
        target.stem, music.sound, music.beats, _marked(music.marks, sections, called),
        music.loops, layers, genres.genre_name(music.genre),
    )  # fmt: skip
    return _write(target, tools, material)


def write_packs_of(target: Path, recipe: "Recipe", tools: Sequence[str]) -> tuple[str, ...]:
    """Write packs of a sound that was not composed, beside it; return their folders.

    Args:
        target: The sound file.
        recipe: How it was made: its beats, and what is marked on it.
        tools: Names of the tools.

    Raises:
        OutputError: A folder can't be written to, or holds other files.
    """
    from kinetune.audio.sound import read_sound
    from kinetune.render.marks import marks_of

    if not tools:
        return ()
    sound, grid, options = read_sound(target), recipe.grid.beat_grid(), recipe.options
    marks = marks_of(options.score, grid, sound.duration_s, loop=options.loop)
    genre = genres.genre_name(recipe.genre)
    material = Material(target.stem, sound, grid, _marked(marks), options.loop, (), genre)
    return _write(target, tools, material)


def _marked(
    marks: "Marks",
    sections: tuple[tuple[float, str], ...] | None = None,
    called: tuple[tuple[float, int], ...] = (),
) -> Marked:
    """What is marked on a piece; its sections are those of the score unless it has a form."""
    if sections is None:
        sections = tuple((span.start_s, span.label) for span in marks.sections)
    silences = tuple((span.start_s, span.end_s) for span in marks.silences)
    return Marked(sections, marks.accents_s, silences, called)


def _write(target: Path, tools: Sequence[str], material: Material) -> tuple[str, ...]:
    folders = [pack_folder(target, tool) for tool in tools]
    for tool, folder in zip(tools, folders, strict=True):
        write_pack(tool, folder, material)
    return tuple(map(str, folders))


def _layers(
    composed: ComposedFiles | None,
) -> tuple[tuple[tuple[float, int], ...], list[tuple[str, "Sound"]]]:
    """How many layers sound from when on, and the layers by name, as they were written."""
    from kinetune.audio.sound import read_sound

    if composed is None or composed.layers is None:
        return (), []
    folder = Path(composed.layers)
    table = json.loads((folder / LAYERS_FILE).read_text(encoding="utf-8"))
    called = tuple((row["start_s"], row["layers"]) for row in table["automation"])
    return called, [(Path(name).stem, read_sound(folder / name)) for name in table["layers"]]
