"""A training set from a folder of songs, without any dance.

Each song becomes an item of a prepared folder: its music at the model's rate and loudness, its
beats, key and chords, and the motion features of a body that follows its energy and events. What
was made of a song is kept beside it under the checksum of its file, so a second call only adds what
is new.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from kinetune import genres
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound
from kinetune.corpus.folder import is_held_out
from kinetune.errors import ConfigError, KinetuneError, OutputError
from kinetune.training.data.pairs import TrainingPair
from kinetune.training.data.prepare import Progress, hold_one_out, write_prepared
from kinetune.training.data.prepared_set import PreparedItem, PreparedSet
from kinetune.training.songs.curves import features_from_curves, music_curves
from kinetune.training.songs.decoding import SUFFIXES, decode_song
from kinetune.training.songs.kept_items import content_key, kept_item
from kinetune.training.songs.model_form import FEATURES, ModelForm, model_form
from kinetune.training.songs.song import analyse_song, check_song

# Raised when the same song gives other features than before.
_EDITION = 2
_KEPT = "songs"
_Item = TypeVar("_Item", PreparedItem, TrainingPair)


@dataclass(frozen=True)
class LeftOut:
    """A file that could not be used.

    Attributes:
        file: Its path.
        reason: Why, one line.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class SongSet:
    """What came of preparing.

    Attributes:
        prepared: The prepared set.
        left_out: The files that could not be used.
        notes: What else should be known, one line each.
    """

    prepared: PreparedSet
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SongFile:
    """A song of a set.

    Attributes:
        path: Its file.
        genre: Genre code.
        name: Of its item.
    """

    path: Path
    genre: str
    name: str


@dataclass(frozen=True)
class SetItem:
    """What becomes an item of a set.

    Attributes:
        name: Of the item.
        file: Its file, for the list of those left out.
        prepare: Returns the item.
    """

    name: str
    file: Path
    prepare: Callable[[], PreparedItem]


@dataclass(frozen=True)
class SongSetRequest:
    """A set of songs to prepare.

    Attributes:
        folder: The songs. Without ``genre`` each stands in a subfolder that names its genre.
        out: The prepared folder.
        genre: Genre of all songs: one of the ten, or a new name.
        model: The model that is to be trained on them: gives rate, loudness and units.
        held_out_every: One song in about this many is kept for validation; 0 keeps none.
    """

    folder: Path
    out: Path
    genre: str | None = None
    model: str = "default"
    held_out_every: int = 10

    def form(self) -> ModelForm:
        """Return what the model needs."""
        return model_form(self.model)

    def resolved(self) -> "SongSetRequest":
        """Return the request with absolute paths."""
        return replace(self, folder=self.folder.resolve(), out=self.out.resolve())


def prepare_songs(request: SongSetRequest, *, progress: Progress | None = None) -> SongSet:
    """Prepare the songs of a folder and its subfolders for training.

    Args:
        request: The set.
        progress: Called after every song.

    Raises:
        ConfigError: There are no songs, no genre, or no usable song.
        ModelError: There is no such model.
        OutputError: The folder can't be written to.
    """
    songs, notes = list_songs(request)
    form = request.form()
    items = [
        SetItem(song.name, song.path, partial(prepare_song, song, request.out, form))
        for song in songs
    ]
    made = prepare_set(items, request.out, form, request.held_out_every, [], progress=progress)
    return replace(made, notes=notes)


def prepare_set(
    items: Sequence[SetItem],
    out: Path,
    form: ModelForm,
    held_out_every: int,
    left_out: list[LeftOut],
    *,
    progress: Progress | None = None,
) -> SongSet:
    """Prepare the items of a set; those that can't be used are left out.

    Args:
        items: What is prepared.
        out: The prepared folder.
        form: What the model needs.
        held_out_every: See :func:`held_out_names`.
        left_out: What could not be used already; takes more.
        progress: Called after every item.

    Raises:
        ConfigError: No item can be used.
        OutputError: The folder can't be written to.
    """
    held_out = held_out_names([item.name for item in items], held_out_every)
    readers = [
        _reader_of(item.prepare, item.file, item.name in held_out, left_out) for item in items
    ]
    prepared = write_prepared(
        readers, out, features=FEATURES, rate_hz=form.rate_hz, channels=form.channels,
        progress=progress,
    )  # fmt: skip
    prepared = _with_validation(prepared, held_out_every)
    return SongSet(prepared, tuple(sorted(left_out, key=lambda each: each.file)))


def _reader_of(
    prepare: Callable[[], _Item], file: Path, held_out: bool, left_out: list[LeftOut]
) -> Callable[[], _Item | None]:
    """Return what prepares an item; one that can't be used is left out, and None.

    Args:
        prepare: Returns the item.
        file: Its file, for the list of those left out.
        held_out: Whether it is kept for validation.
        left_out: Takes the file and the reason.
    """

    def read() -> _Item | None:
        try:
            return replace(prepare(), held_out=held_out)
        except OutputError:
            # A full disk is no fault of the song.
            raise
        except KinetuneError as error:
            left_out.append(LeftOut(str(file), str(error)))
            return None

    return read


def prepare_song(song: SongFile, out: Path, form: ModelForm) -> PreparedItem:
    """Return the item of a song, written into ``out`` unless it is there already.

    Args:
        song: The song.
        out: The prepared folder.
        form: What the model needs.

    Raises:
        AudioError: It is damaged, silent, too short, too long, or has no regular beat.
        OutputError: The folder can't be written to.
    """

    def read() -> TrainingPair:
        return song_pair(decode_song(song.path), song.name, song.genre, form, file=song.path)

    kept = out / _KEPT / f"{song.name}.json"
    key = content_key([song.path], (_EDITION,), form)
    item = kept_item(kept, key, out, form, read, music=song.path)
    return replace(item, genre=song.genre)


def song_pair(
    sound: Sound, name: str, genre: str, form: ModelForm, *, file: Path | None = None
) -> TrainingPair:
    """Return a song as training data.

    Args:
        sound: The song.
        name: Of the item.
        genre: Code of its genre.
        form: What the model needs.
        file: Where it is from, for messages.

    Raises:
        AudioError: It is silent, too short or without a regular beat.
    """
    label = str(file or name)
    check_song(sound, label)
    analysis = analyse_song(sound, label)
    level = normalise_loudness(sound, target_lufs=form.training_lufs)
    return TrainingPair(
        name=name,
        genre=genre,
        clip=None,
        sound=level,
        beats_s=tuple(round(float(beat), 6) for beat in analysis.beats_s),
        bar_start_s=round(analysis.bar_start_s, 6),
        held_out=False,
        metre=analysis.metre,
        tonic=analysis.tonic,
        chords=analysis.chords,
        rows=features_from_curves(music_curves(level), form.body),
    )


def list_songs(request: SongSetRequest) -> tuple[list[SongFile], tuple[str, ...]]:
    """Return the songs of a request, each under a name of its own, and what should be known.

    Raises:
        ConfigError: There are none, or one has no genre.
    """
    folder, genre = request.folder, request.genre
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    paths = sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )  # fmt: skip
    if not paths:
        raise ConfigError(f"{folder}: holds no songs ({', '.join(SUFFIXES)})")
    used: dict[str, Path] = {}
    songs, notes = [], []
    for path in paths:
        code = _genre_of(path.relative_to(folder), genre, folder)
        plain = plain_name(f"{code.lower()}-{path.stem}")
        name = next(n for n in _numbered(plain) if n not in used)
        if name != plain:
            notes.append(f"{path}: named {name}, because {used[plain]} has the same name")
        used[name] = path
        songs.append(SongFile(path, code, name))
    return songs, tuple(notes)


def _genre_of(path: Path, genre: str | None, folder: Path) -> str:
    if genre is None and len(path.parts) < 2:
        raise ConfigError(
            f"{folder / path}: of which genre? Give --genre NAME, or put it in a folder that is "
            "named after its genre"
        )
    return genres.known_or_new(path.parts[0] if genre is None else genre)


def held_out_names(names: Sequence[str], every: int) -> set[str]:
    """Return the names of the items that are kept for validation.

    About one in ``every``, decided by each name alone, but one at least of two or more: a small set
    must be judged too.

    Args:
        names: Of all items.
        every: 0 keeps none.
    """
    chosen = {name for name in names if is_held_out(name, every)}
    if not chosen and every > 0 and len(names) > 1:
        chosen = {min(names, key=lambda name: zlib.crc32(name.encode()))}
    return chosen


def _with_validation(prepared: PreparedSet, every: int) -> PreparedSet:
    """Return a set with a held-out item, although those that were chosen can't be used.

    Args:
        prepared: The set.
        every: See :func:`held_out_names`.
    """
    if any(item.held_out for item in prepared.items):
        return prepared
    chosen = held_out_names([item.name for item in prepared.items], every)
    return hold_one_out(prepared, min(chosen)) if chosen else prepared


def plain_name(text: str) -> str:
    """Return a text as a plain file name: letters, digits and ``-_.`` stay."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:120] or "song"


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
