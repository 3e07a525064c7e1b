"""Dances with their music, read from a corpus or generated on the spot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from kinetune.audio.sound import Sound, read_sound
from kinetune.corpus.folder import (
    CorpusChord,
    CorpusItem,
    PairSettings,
    PlannedPair,
    is_held_out,
    plan_pairs,
    read_manifest,
)
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import Features
from kinetune.motion.io.formats import read_motion


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """A dance with its music before it is written.

    Attributes are those of :class:`PreparedItem`, with the clip and the sound themselves. Music
    without a dance has no clip, but ``rows``: motion features (T, F) at 30 fps.
    """

    name: str
    genre: str
    clip: MotionClip | None
    sound: Sound
    beats_s: tuple[float, ...]
    bar_start_s: float
    held_out: bool
    metre: Literal[3, 4] = 4
    tonic: int | None = None
    chords: tuple[CorpusChord, ...] = ()
    rows: Features | None = None
    attributes: tuple[str, ...] = ()


def corpus_pairs(source: Path, *, held_out_every: int) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a reader for every pair of a corpus folder; one in about so many is held out."""
    for item in read_manifest(source):
        yield partial(_read_pair, source, item, is_held_out(item.id, held_out_every))


def generated_pairs(
    minutes: float, seed: int, *, held_out_every: int, pair_settings: PairSettings | None = None
) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a maker for every pair of a corpus that isn't written; the same pairs as on disk."""
    pair_settings = pair_settings or PairSettings()
    for planned in plan_pairs(pair_settings, minutes=minutes, seed=seed):
        held_out = is_held_out(planned.name, held_out_every)
        yield partial(_make_pair, planned, pair_settings, held_out)


def _make_pair(planned: PlannedPair, pair_settings: PairSettings, held_out: bool) -> TrainingPair:
    pair = planned.make(pair_settings)
    return TrainingPair(
        name=planned.name,
        genre=pair.genre,
        clip=pair.clip,
        sound=pair.sound,
        beats_s=tuple(pair.beats_s.tolist()),
        bar_start_s=float(pair.downbeats_s[0]) if len(pair.downbeats_s) else 0.0,
        held_out=held_out,
        metre=pair.metre,
        tonic=pair.tonic,
        chords=tuple(CorpusChord(c.start_s, c.bass, c.tones) for c in pair.chords),
        attributes=pair.attributes,
    )


def _read_pair(source: Path, item: CorpusItem, held_out: bool) -> TrainingPair:
    clip, sound = read_motion(source / item.motion), read_sound(source / item.audio)
    return pair_of_item(item, clip, sound, held_out=held_out)


def pair_of_item(
    item: CorpusItem, clip: MotionClip, sound: Sound, *, held_out: bool
) -> TrainingPair:
    """Return a pair of a corpus with its dance and its music.

    Args:
        item: Its line of the manifest.
        clip: The dance.
        sound: The music.
        held_out: Whether it is kept for validation.
    """
    return TrainingPair(
        name=item.id,
        genre=item.genre,
        clip=clip,
        sound=sound,
        beats_s=tuple(item.beats_s),
        bar_start_s=item.downbeats_s[0] if item.downbeats_s else 0.0,
        held_out=held_out,
        metre=item.metre,
        tonic=item.tonic,
        chords=item.chords,
        attributes=item.attributes,
    )
