"""What a composed piece is written as besides its sound."""

from dataclasses import dataclass
from pathlib import Path

from kinetune.composer.chord_files import write_chords
from kinetune.tasks.composing.engine import ComposedMusic


@dataclass(frozen=True)
class ComposedFiles:
    """What is known of a composed piece, and the files that came with it.

    Attributes:
        key: Its key, such as ``A minor``.
        chords: The chords of its first bars.
        form: Its sections, with the times of their starts, seconds.
        chords_file: All chords with their times, as Audacity labels.
    """

    key: str
    chords: str
    form: tuple[tuple[float, str], ...]
    chords_file: str


_SHOWN_CHORDS = 8


def chords_path(sound: Path) -> Path:
    """Return where the chords of a sound file stand."""
    return sound.with_suffix(".chords.txt")


def write_outputs(made: ComposedMusic, target: Path) -> ComposedFiles:
    """Write what goes with a composed sound, beside it.

    Args:
        made: The music.
        target: Its sound file.

    Raises:
        OutputError: A file can't be written.
    """
    piece = made.piece
    write_chords(chords_path(target), piece.chords, piece.duration_s)
    names = [chord.symbol.name for chord in piece.chords[:_SHOWN_CHORDS]]
    more = " ..." if len(piece.chords) > _SHOWN_CHORDS else ""
    return ComposedFiles(
        key=piece.key.name,
        chords=" ".join(names) + more,
        form=tuple(
            (round(max(0.0, float(piece.bars_s[section.first_bar])), 4), section.name)
            for section in piece.sections
        ),
        chords_file=str(chords_path(target)),
    )
