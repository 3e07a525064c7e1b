"""A training set from one's own dances with their own music.

A dance belongs to the music of the same name (``jump.bvh``, ``jump.mp3``), or as a table says: a
CSV file with the columns ``motion`` and ``music``, and ``offset_s`` and ``genre`` if wanted. The
offset is the time in the music at which the dance begins, seconds; a negative one says that the
music begins after the dance.
"""

import csv
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kinetune import genres, timebase
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ConfigError, KinetuneError
from kinetune.motion.clip import MotionClip, cut
from kinetune.motion.io.formats import MOTION_SUFFIXES, read_motion
from kinetune.training.data.pairs import TrainingPair
from kinetune.training.data.prepare import Progress
from kinetune.training.data.prepared_set import PreparedItem
from kinetune.training.songs.decoding import SUFFIXES, decode_song
from kinetune.training.songs.kept_items import content_key, kept_item
from kinetune.training.songs.model_form import ModelForm, model_form
from kinetune.training.songs.song import SHORTEST_S, analyse_song, check_song
from kinetune.training.songs.song_set import (
    LeftOut,
    SetItem,
    SongSet,
    plain_name,
    prepare_set,
)

_COLUMNS = ("motion", "music", "offset_s", "genre")
_DEFAULT_GENRE = "house"
# Raised when the same pair gives other data than before.
_EDITION = 2
_KEPT = "pairs"


@dataclass(frozen=True)
class PairFiles:
    """A dance and its music.

    Attributes:
        motion: The dance's file.
        music: The music's.
        offset_s: Time in the music at which the dance begins, seconds.
        genre: Genre code.
    """

    motion: Path
    music: Path
    offset_s: float
    genre: str


@dataclass(frozen=True)
class PairSetRequest:
    """A set of dances with their music to prepare.

    Attributes:
        motions: Folder of the dances.
        music: Folder of the music.
        out: The prepared folder.
        table: CSV file that says which belong together; by name if None.
        genre: Genre of all, one of the ten or a new name; None takes that of the table or of an
            AIST++ file name, else house.
        model: The model that is to be trained on them.
        held_out_every: One dance in about this many is kept for validation; 0 keeps none.
    """

    motions: Path
    music: Path
    out: Path
    table: Path | None = None
    genre: str | None = None
    model: str = "default"
    held_out_every: int = 10

    def form(self) -> ModelForm:
        """Return what the model needs."""
        return model_form(self.model)

    def resolved(self) -> "PairSetRequest":
        """Return the request with absolute paths."""
        return replace(
            self, motions=self.motions.resolve(), music=self.music.resolve(),
            out=self.out.resolve(), table=None if self.table is None else self.table.resolve(),
        )  # fmt: skip


def prepare_pairs(request: PairSetRequest, *, progress: Progress | None = None) -> SongSet:
    """Prepare dances with their music for training.

    Args:
        request: The set.
        progress: Called after every dance.

    Raises:
        ConfigError: The table is damaged, or no dance has its music.
        ModelError: There is no such model.
        OutputError: The folder can't be written to.
    """
    pairs, left_out = list_pairs(request)
    form = request.form()
    items = [
        SetItem(name, pair.motion, partial(prepare_pair, pair, name, request.out, form))
        for name, pair in pairs.items()
    ]
    return prepare_set(
        items, request.out, form, request.held_out_every, left_out, progress=progress
    )


def list_pairs(request: PairSetRequest) -> tuple[dict[str, PairFiles], list[LeftOut]]:
    """Return the pairs of a request by the names of their items, and what has no partner.

    Raises:
        ConfigError: The table is damaged, or no dance has its music.
    """
    left_out: list[LeftOut] = []
    code = None if request.genre is None else genres.known_or_new(request.genre)
    motions, music = request.motions, request.music
    if request.table is None:
        pairs = pairs_by_name(motions, music, code, left_out)
    else:
        pairs = read_table(request.table, motions, music, code, left_out)
    if not pairs:
        reason = f"; {left_out[0].reason}" if left_out else ""
        raise ConfigError(f"{motions}, {music}: no dance has its music{reason}")
    return dict(zip(_names(pairs), pairs, strict=True)), left_out


def pairs_by_name(
    motions: Path, music: Path, genre: str | None, left_out: list[LeftOut]
) -> list[PairFiles]:
    """Return the dances whose music has the same name without suffix; the others are left out."""
    sounds: dict[str, list[Path]] = {}
    for path in _files(music, SUFFIXES):
        sounds.setdefault(path.stem, []).append(path)
    pairs = []
    for motion in _files(motions, MOTION_SUFFIXES):
        matches = sounds.get(motion.stem, [])
        if len(matches) == 1:
            pairs.append(PairFiles(motion, matches[0], 0.0, genre or _genre_of(motion)))
        else:
            several = " and ".join(path.name for path in matches)
            reason = (
                f"several pieces of that name: {several}" if matches else "no music of that name"
            )
            left_out.append(LeftOut(str(motion), f"{motion}: {reason} in {music}"))
    return pairs


def read_table(
    table: Path, motions: Path, music: Path, genre: str | None, left_out: list[LeftOut]
) -> list[PairFiles]:
    """Return the pairs of a CSV file; lines that can't be used are left out.

    Raises:
        ConfigError: The file can't be read, or its columns are others.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table}: not a CSV file that can be read ({error})") from error
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown or "motion" not in columns or "music" not in columns:
        raise ConfigError(
            f"{table}: expected the columns motion, music and perhaps offset_s, genre; found "
            f"{', '.join(map(str, columns)) or 'none'}"
        )
    pairs = []
    for number, row in enumerate(rows, start=2):
        try:
            pairs.append(_read_row(row, motions, music, genre))
        except KinetuneError as error:
            left_out.append(LeftOut(f"{table}:{number}", f"{table}:{number}: {error}"))
    return pairs


def _read_row(
    row: dict[str, str | None], motions: Path, music: Path, genre: str | None
) -> PairFiles:
    motion, sound = motions / (row["motion"] or ""), music / (row["music"] or "")
    for path in (motion, sound):
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
    text = (row.get("offset_s") or "0").strip()
    try:
        offset_s = float(text)
    except ValueError:
        offset_s = math.nan
    if not math.isfinite(offset_s):
        raise ConfigError(f"offset_s: expected seconds, found {text!r}")
    named = (row.get("genre") or "").strip()
    code = genre or (genres.known_or_new(named) if named else _genre_of(motion))
    return PairFiles(motion, sound, offset_s, code)


def prepare_pair(pair: PairFiles, name: str, out: Path, form: ModelForm) -> PreparedItem:
    """Return the item of a pair, written into ``out`` unless it is there already.

    Args:
        pair: Its files.
        name: Of the item.
        out: The prepared folder.
        form: What the model needs.

    Raises:
        KinetuneError: See :func:`read_pair`; or the folder can't be written to.
    """
    key = content_key([pair.motion, pair.music], (_EDITION, pair.offset_s), form)
    kept = out / _KEPT / f"{name}.json"
    read = partial(read_pair, pair, name, form)
    item = kept_item(kept, key, out, form, read, music=pair.music)
    return replace(item, genre=pair.genre)


def read_pair(pair: PairFiles, name: str, form: ModelForm) -> TrainingPair:
    """Return a dance with its music as training data.

    Args:
        pair: Its files.
        name: Of the item.
        form: What the model needs.

    Raises:
        KinetuneError: A file can't be used, the offset leaves less than 6 s that both cover, or the
            music has no regular beat.
    """
    clip, sound = align(
        read_motion(pair.motion), decode_song(pair.music), pair.offset_s, name=str(pair.motion)
    )
    common_s = min(clip.duration_s, sound.duration_s)
    if common_s < SHORTEST_S:
        raise AudioError(
            f"{pair.motion}: dance and {pair.music.name} have {max(0.0, common_s):.1f} s in common "
            f"at an offset of {pair.offset_s:g} s, expected {SHORTEST_S:g} s or more"
        )
    check_song(sound, str(pair.music))
    analysis = analyse_song(sound, str(pair.music))
    return TrainingPair(
        name=name,
        genre=pair.genre,
        clip=clip,
        sound=normalise_loudness(sound, target_lufs=form.training_lufs),
        beats_s=tuple(round(float(beat), 6) for beat in analysis.beats_s),
        bar_start_s=round(analysis.bar_start_s, 6),
        held_out=False,
        metre=analysis.metre,
        tonic=analysis.tonic,
        chords=analysis.chords,
    )


def align(
    clip: MotionClip, sound: Sound, offset_s: float, *, name: str = ""
) -> tuple[MotionClip, Sound]:
    """Return dance and music from their first common moment to their last.

    Args:
        clip: The dance.
        sound: The music.
        offset_s: Time in the music at which the dance begins, seconds.
        name: What errors call the dance; its own name if empty.

    Raises:
        AudioError: They have no moment in common.
    """
    late_s = max(0.0, -offset_s)
    first = timebase.samples_in(max(0.0, offset_s), sound.rate_hz)
    common_s = min(
        clip.duration_s - late_s, timebase.duration_of(len(sound.samples) - first, sound.rate_hz)
    )
    if common_s <= 0.0:
        raise AudioError(
            f"{name or clip.name}: an offset of {offset_s:g} s leaves nothing in common of a dance "
            f"of {clip.duration_s:.1f} s and music of {sound.duration_s:.1f} s"
        )
    last = first + timebase.samples_in(common_s, sound.rate_hz)
    part = Sound(sound.samples[first:last].copy(), sound.rate_hz)
    return cut(clip, late_s, common_s), part


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())


def _genre_of(motion: Path) -> str:
    return genres.genre_from_filename(motion.name) or genres.genre_code(_DEFAULT_GENRE)


def _names(pairs: list[PairFiles]) -> list[str]:
    """Return a name for every pair, its line number behind a name that comes again."""
    names: list[str] = []
    for number, pair in enumerate(pairs, start=1):
        name = plain_name(pair.motion.stem)
        names.append(name if name not in names else f"{name}-line-{number}")
    return names
