"""What a composed piece is written as besides its sound: chords, stems, notes, layers, practice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune import genres
from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound, write_sound
from kinetune.composer.output.chord_files import write_chords
from kinetune.files import atomic_folder, write_json
from kinetune.memmap import chunks
from kinetune.motion.group import dance_of, dancers_of
from kinetune.tasks.composing.engine import ComposedMusic, piece_request, play
from kinetune.tasks.film import write_film
from kinetune.tasks.music import PlayedHarmony
from kinetune.tasks.requests.composer_outputs import (
    ComposerOutputs,
    chords_path,
    layers_folder,
    practice_path,
    shown_chords,
    stems_folder,
)
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import FilmOptions

if TYPE_CHECKING:
    from kinetune.composer.piece import Piece
    from kinetune.composer.rendering import Block
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

# The file in a folder that says what the others are; a folder with it may be replaced.
_STEMS_FILE, LAYERS_FILE = "stems.json", "layers.json"


@dataclass(frozen=True)
class ComposedFiles:
    """What is known of a composed piece, and the files that came with it.

    Attributes:
        key: Its key, such as ``A minor``.
        chords: The chords of its first bars.
        form: Its sections, with the times of their starts, seconds.
        chords_file: All chords with their times, as Audacity labels.
        stems: The folder of stems.
        midi: The notes.
        layers: The folder of intensity layers.
        practice: Sounds, and films, at practice tempi.
    """

    key: str
    chords: str
    form: tuple[tuple[float, str], ...]
    chords_file: str
    stems: str | None = None
    midi: str | None = None
    layers: str | None = None
    practice: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, eq=False)
class Source:
    """What a piece was made from, for what is made of it.

    Attributes:
        clip: The dance, or a group of dancers.
        options: What decided the music.
        export: Rate, channels and loudness.
        film: Where its film stands; None without one.
    """

    clip: "Dancers"
    options: MusicOptions
    export: ExportFormat
    film: Path | None = None


def write_outputs(
    made: ComposedMusic, target: Path, wanted: ComposerOutputs, source: Source
) -> ComposedFiles:
    """Write what goes with a composed sound, beside it.

    Args:
        made: The music.
        target: Its sound file.
        wanted: What to write.
        source: What it was made from.

    Raises:
        ConfigError: More layers are wanted than the piece has parts.
        OutputError: A file can't be written.
    """
    from kinetune.composer.output.midi import write_midi

    piece = made.piece
    layers = _write_layers(made, target, wanted.layers, source) if wanted.layers else None
    files = _describe(piece, write_piece_chords(piece, target))
    if wanted.stems != "none":
        _write_stems(made, target, unmastered=wanted.stems == "unmastered", export=source.export)
        files = replace(files, stems=str(stems_folder(target)))
    if wanted.midi:
        write_midi(target.with_suffix(".mid"), piece)
        files = replace(files, midi=str(target.with_suffix(".mid")))
    practice = [
        path
        for percent in wanted.practice
        for path in _write_practice(piece, target, percent, source)
    ]
    return replace(
        files, layers=None if layers is None else str(layers), practice=tuple(map(str, practice))
    )


def check_layers(source: Source, genre: str, grid: "BeatGrid | None", count: int) -> None:
    """See that a piece has as many parts as there are to be layers, before it is played.

    Raises:
        ConfigError: It has fewer.
    """
    from kinetune.composer.output.layers import layer_groups, layered_piece

    request = piece_request(source.clip, source.options, genre=genre, grid=grid)
    layer_groups(layered_piece(request), count)


def write_piece_chords(piece: "Piece", target: Path) -> PlayedHarmony:
    """Write the chords of a composed piece beside its sound."""
    write_chords(chords_path(target), piece.chords, piece.duration_s)
    names = [chord.symbol.name for chord in piece.chords]
    return PlayedHarmony(piece.key.name, shown_chords(names), str(chords_path(target)))


def _describe(piece: "Piece", harmony: PlayedHarmony) -> ComposedFiles:
    return ComposedFiles(
        key=harmony.key,
        chords=harmony.chords,
        form=tuple(
            (round(max(0.0, float(piece.bars_s[section.first_bar])), 4), section.name)
            for section in piece.sections
        ),
        chords_file=harmony.chords_file,
    )


def _write_stems(
    made: ComposedMusic, target: Path, *, unmastered: bool, export: ExportFormat
) -> None:
    """Write the stems, and with unmastered ones their mix and what the master did to it."""
    from kinetune.composer.output.mastering import headroom, master_stem, peak_of
    from kinetune.composer.output.mastering import unmastered as before_mastering

    piece, rate_hz = made.piece, made.sound.rate_hz
    stems = made.stems
    if stems is None:
        stems = play(piece, export, keep_stems=True).stems or {}
    gain = headroom([*stems.values(), made.mix]) if unmastered else 1.0
    suffix = _lossless(target)
    names = []
    with atomic_folder(stems_folder(target), markers=[_STEMS_FILE]) as folder:
        for name, stem in stems.items():
            if unmastered:
                sound = before_mastering(piece, stem, rate_hz, gain)
            else:
                sound = master_stem(piece, made.master, stem)
            # Where the others cancel it, a mastered part may go beyond full scale.
            is_over = peak_of([sound.samples]) > 1.0
            names.append(f"{name}.wav" if is_over else f"{name}{suffix}")
            _write(folder / names[-1], sound, piece, bits=32 if is_over else 24)
        if unmastered:
            mix = before_mastering(piece, made.mix, rate_hz, gain)
            _write(folder / f"mix{suffix}", mix, piece)
        write_json(
            folder / _STEMS_FILE,
            {
                "sum": f"mix{suffix}" if unmastered else target.name,
                "stems": names,
                "mastered": not unmastered,
                "gain": gain,
                "master": made.master.settings,
            },
        )


def _lossless(target: Path) -> str:
    """The suffix of stems: that of the sound, or .wav for one that loses something."""
    return ".flac" if target.suffix.lower() == ".flac" else ".wav"


def _write(path: Path, sound: Sound, piece: "Piece", *, bits: int = 24) -> None:
    # 24 bits: the rounding of nine files adds up.
    write_sound(path, sound, loops=piece.loop, genre=genres.genre_name(piece.genre), bits=bits)


def _write_layers(made: ComposedMusic, target: Path, count: int, source: Source) -> Path:
    """Write the intensity layers and the JSON that says when each sounds; return their folder."""
    from kinetune.composer.output.layers import layer_groups, layered_piece
    from kinetune.composer.output.mastering import master_stem

    request = piece_request(source.clip, source.options, genre=made.genre, grid=made.piece.grid)
    full = layered_piece(request)
    groups = layer_groups(full, count)
    played = play(full, source.export, groups=groups, keep_stems=True)
    folder = layers_folder(target)
    layers = {
        f"{name}{_lossless(target)}": master_stem(full, played.master, layer).samples
        for name, layer in (played.stems or {}).items()
    }
    gain = _turn_down(layers)
    with atomic_folder(folder, markers=[LAYERS_FILE]) as aside:
        for name, samples in layers.items():
            _write(aside / name, Sound(samples, played.sound.rate_hz), full)
        write_json(aside / LAYERS_FILE, _layers_table(made.piece, list(layers), gain))
    return folder


def _turn_down(layers: Mapping[str, "Block"]) -> float:
    """Turn all layers down by the same until none exceeds full scale; return the gain."""
    from kinetune.composer.output.mastering import peak_of

    gain = np.float32(min(1.0, 1.0 / max(peak_of(layers.values()), 1e-9)))
    for samples in layers.values():
        for part in chunks(samples):
            samples[part] *= gain
    return float(gain)


def _layers_table(piece: "Piece", names: list[str], gain: float) -> dict[str, object]:
    from kinetune.composer.output.layers import automation

    return {
        "layers": names,
        "gain": gain,
        "bpm": round(piece.grid.bpm, 4),
        "bar_beats": piece.grid.metre,
        "duration_s": piece.duration_s,
        "loops": piece.loop,
        "automation": [asdict(state) for state in automation(piece, len(names))],
        "energy": [
            [round(float(time_s), 4), round(float(energy), 4)]
            for time_s, energy in zip(piece.beats_s, piece.energy, strict=True)
        ],
    }


def _write_practice(piece: "Piece", target: Path, percent: int, source: Source) -> list[Path]:
    """Write the piece at a practice tempo, and its film if the piece has one."""
    from kinetune.composer.output import practice

    slow = replace(practice.slowed(piece, percent), loop=False)
    sound = practice.with_count_in(slow, play(slow, source.export).sound)
    paths = [practice_path(target, percent)]
    write_sound(paths[0], sound, genre=genres.genre_name(piece.genre))
    if source.film is not None:
        paths.append(practice_path(source.film, percent))
        lead_s = practice.count_in_s(slow)
        grid = replace(
            slow.grid,
            beats_s=slow.grid.beats_s + lead_s,
            bar_start_s=slow.grid.bar_start_s + lead_s,
        )
        slow_clips = [practice.slowed_clip(slow, c, percent) for c in dancers_of(source.clip)]
        title = f"{source.clip.name}: {percent} % of the tempo"
        write_film(paths[1], dance_of(slow_clips), grid, sound, title=title, options=FilmOptions())
    return paths
