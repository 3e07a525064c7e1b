"""Options of the composer, from a key, chords or a file of them, and stretches to redo."""

from collections.abc import Sequence
from pathlib import Path

from kinetune.composer.options import ComposerOptions, Take


def composer_options(
    key: str | None, chords: str | Path | None, takes: Sequence[Take] = ()
) -> ComposerOptions:
    """Return the options of the composer.

    Args:
        key: Such as ``A minor``.
        chords: A progression such as ``Am F C G``, or a chord file.
        takes: Stretches whose bars are regenerated.

    Raises:
        ConfigError: A key, a chord or the file can't be parsed.
    """
    from kinetune.composer.output.chord_files import SUFFIXES, read_chords

    if chords is None:
        return ComposerOptions(key, takes=tuple(takes))
    if isinstance(chords, Path) or chords.lower().endswith(SUFFIXES):
        return ComposerOptions(key, chord_times=read_chords(Path(chords)), takes=tuple(takes))
    return ComposerOptions(key, chords, takes=tuple(takes))
