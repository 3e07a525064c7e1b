"""The songs of a piece: one for each genre that it plays, all in one key, with the user's chords.

A song is drawn from its style by the seed; a key moves it, a mode chooses among the style's
progressions and scales, and chords of the user's replace them. Pitch classes count from C.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinetune import genres
from kinetune.composer import harmony
from kinetune.composer.harmony import ChordSymbol, Key
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.grammar import SCALES, Chord
from kinetune.corpus.composition.music_score import Mix, Part
from kinetune.corpus.composition.songs import Line, Song, draw_mix, draw_song
from kinetune.corpus.composition.texture import BED, bed_part
from kinetune.corpus.styles.style import Harmony, Style, style_of

# Number in the seed of songs, so that they don't share their randomness with the corpus.
_SONG_STREAM = 404
# Phrases of four bars, and two of them to a section.
_SECTION_BARS = 8
# Energy of a bar from which the tune plays at the latest.
_HOOK_MIN_ENERGY = 0.45
_MINOR_THIRD = 3
# Progressions where a style has none of the mode.
_FALLBACK = {True: ("I:m bVI: bIII: bVII:",), False: ("I: V: VI:m IV:",)}


@dataclass(frozen=True)
class Material:
    """A song, how it is mixed, and what a prompt changed about it.

    Attributes:
        song: The song.
        mix: Its mix.
        muted: Names of parts that don't play.
        added: Layers that play besides those of the song, and their parts.
        bed: What plays beds instead of the genre's own.
        is_sparse: Whether nothing is filled in between its notes.
    """

    song: Song
    mix: Mix
    muted: frozenset[str] = frozenset()
    added: tuple[tuple[Line, Part], ...] = ()
    bed: Part | None = None
    is_sparse: bool = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """All layers."""
        return (*self.song.lines, *(line for line, _ in self.added))

    def role(self, part: str) -> str:
        """Return the role of a part, see :class:`~kinetune.composer.piece.Voice`."""
        if part == BED:
            return "pad"
        return next((line.layer.role for line in self.lines if line.part == part), part)

    def parts(self, genre: str, seed: int) -> dict[str, Part]:
        """Return all parts and the one that plays beds, which no random number is drawn for."""
        added = {part.name: part for _, part in self.added}
        return {**self.song.parts, **added, BED: self.bed or bed_part(genre, seed)}


def draw_material(
    genre: str,
    seed: int,
    bpm: float,
    *,
    key: Key | None,
    first_bar: int,
    metre: int = 4,
    chords: Sequence[Sequence[ChordSymbol]] | None = None,
) -> tuple[Material, Key]:
    """Return the song of a genre, and its key.

    Args:
        genre: Two-letter code.
        seed: Same seed, same song.
        bpm: Beats per minute.
        key: To be in; drawn if None.
        first_bar: Index of the piece's first whole bar, which opens a section.
        metre: Beats to the bar, 3 or 4.
        chords: The chords of every bar from ``first_bar`` on, repeated; the style's own if None.
    """
    rng = np.random.default_rng([seed, _SONG_STREAM, genres.genre_index(genre)])
    style = style_of(genre) if key is None else in_mode(style_of(genre), minor=key.minor)
    song = draw_song(rng, style, bpm, metre=metre)
    mix = replace(draw_mix(rng, style, bpm), vinyl_noise=0.0)
    key = key or Key(song.key, _is_minor(song))
    offset = -first_bar % _SECTION_BARS
    song = replace(
        _transposed(song, key),
        phrase_offset=offset,
        hook_min_energy=min(song.hook_min_energy, _HOOK_MIN_ENERGY),
    )
    first, second = song.chords
    if chords is not None:
        first = second = _cycle(chords, key, offset + first_bar)
    if metre == 3:
        first, second = _on_three_beats(first), _on_three_beats(second)
    song = replace(song, chords=(first, second))
    return Material(song, mix), key


def in_mode(style: Style, *, minor: bool) -> Style:
    """Return the style with those of its progressions and scales that are major, or minor."""
    own = style.harmony
    progressions = tuple(
        text for text in own.progressions if is_minor_cycle(grammar.read_progression(text)) == minor
    )  # fmt: skip
    scales = tuple(name for name in own.scales if (_MINOR_THIRD in SCALES[name]) == minor)
    plain = ("minor" if minor else "major",)
    return replace(style, harmony=Harmony(scales or plain, progressions or _FALLBACK[minor]))


def _is_minor(song: Song) -> bool:
    return is_minor_cycle(song.chords[0])


def is_minor_cycle(cycle: Sequence[Sequence[Chord]]) -> bool:
    """Return whether chords are minor: by those on the tonic, else by more of their notes."""
    chords = [chord for bar in cycle for chord in bar]
    for chord in chords:
        if chord.root == 0 and (3 in chord.tones) != (4 in chord.tones):
            return _MINOR_THIRD in chord.tones
    notes = [(chord.root + tone) % 12 for chord in chords for tone in chord.tones]
    inside = {minor: sum(note in harmony.scale_of(Key(0, minor)) for note in notes)
              for minor in (False, True)}  # fmt: skip
    return inside[True] >= inside[False]


def _transposed(song: Song, key: Key) -> Song:
    shift = (key.tonic - song.key + 6) % 12 - 6
    hook = [(step, steps, pitch + shift) for step, steps, pitch in song.hook]
    return replace(song, key=key.tonic, hook=hook)


def _on_three_beats(cycle: Sequence[list[Chord]]) -> list[list[Chord]]:
    """Bars of two chords as two beats of the first and one of the second."""
    return [[bar[0], bar[0], bar[1]] if len(bar) == 2 else bar for bar in cycle]


def _cycle(chords: Sequence[Sequence[ChordSymbol]], key: Key, first: int) -> list[list[Chord]]:
    """Chords of bars as a song repeats them, so that bar number ``first`` has the first."""
    count = len(chords)
    return [[c.in_key(key) for c in chords[(bar - first) % count]] for bar in range(count)]
