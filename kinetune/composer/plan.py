"""What the notes of a piece are written from: bars, takes, songs, and the chords of every bar.

Everything is drawn from seeds: the song from the piece's, the notes of a bar from its take's.
Seconds of the dance, or of the score where it says so; energies 0 to 1.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.composer import harmony
from kinetune.composer.harmony import ChordSymbol, Key, TimedChord
from kinetune.composer.material import Material, draw_material
from kinetune.composer.piece import PieceRequest, Voice
from kinetune.composer.prompts.constraints import constrain
from kinetune.composer.timing import TimeMap
from kinetune.corpus.choreography.dance import beat_energy
from kinetune.corpus.composition.composer import bar_chords
from kinetune.corpus.composition.dance_analysis import impact_strengths
from kinetune.corpus.composition.grammar import Chord
from kinetune.corpus.composition.music_score import DanceProfile, Note
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import ControlScore, energy_at
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import dancers_of

# What stands for no chord while notes are written; what is pitched of it is left out afterwards.
NO_CHORD = ChordSymbol("N", 0, (0, 7))


class Plan:
    """What the notes of a piece are written from."""

    def __init__(
        self,
        request: PieceRequest,
        grid: BeatGrid,
        score: ControlScore,
        times: TimeMap,
        profile: DanceProfile,
        duration_s: float,
    ) -> None:
        self.request, self.grid, self.score = request, grid, score
        self.times, self.profile, self.duration_s = times, profile, duration_s
        self.genre = genres.genre_code(request.genre)
        self.bar_s = request.grid.metre * timebase.beat_period_s(profile.bpm)
        first = profile.downbeat_s % self.bar_s
        first -= self.bar_s * (first > 1e-6)
        count = int(np.ceil((profile.duration_s - first) / self.bar_s - 1e-9))
        self.bars_s = first + self.bar_s * np.arange(max(1, count))
        self.first_bar = int(first < -1e-6 and count > 1)
        self.takes = [_bar_take(self, bar, score) for bar in range(len(self.bars_s))]
        self.timed = harmony.parse_timed(request.options.chord_times)
        #: Where chords and stretches without one begin, in the dance's time; as far as the user
        #: asked for any of the latter.
        self.rests = self.timed or _timed_rests(self)
        self.key, self.songs = self._draw_songs()

    def _draw_songs(self) -> tuple[Key, dict[str, Material]]:
        options, bpm, metre = self.request.options, self.profile.bpm, self.profile.metre
        chords = _bar_chords(self)
        key = harmony.parse_key(options.key) if options.key else None
        if key is None and chords is not None:
            key = harmony.guess_key(
                symbol for bar in chords for symbol in bar if symbol.name != NO_CHORD.name
            )
        free_mode = key is None
        own, key = draw_material(
            self.genre, self.request.seed, bpm, key=key, first_bar=self.first_bar,
            metre=metre, chords=chords,
        )  # fmt: skip
        own, key = self._constrained(own, key, self.genre, free_mode=free_mode)
        songs = {self.genre: own}
        for code, _ in self.takes:
            if code not in songs:
                drawn, _ = draw_material(
                    code, self.request.seed, bpm, key=key, first_bar=self.first_bar,
                    metre=metre, chords=chords,
                )  # fmt: skip
                songs[code], _ = self._constrained(drawn, key, code, free_mode=False)
        return key, songs

    def _constrained(
        self, material: Material, key: Key, genre: str, *, free_mode: bool
    ) -> tuple[Material, Key]:
        """A song as the prompt requests it."""
        prompt, seed = self.request.prompt, self.request.seed
        if prompt is None:
            return material, key
        return constrain(material, key, prompt, genre=genre, seed=seed, free_mode=free_mode)

    def bar_chords(self) -> list[list[Chord]]:
        """Return the chords of every bar, from the song of its take."""
        chords = {
            genre: bar_chords(material.song, self.profile) for genre, material in self.songs.items()
        }
        return [chords[genre][bar] for bar, (genre, _) in enumerate(self.takes)]

    def role(self, genre: str, part: str) -> str:
        """The role of a part, see :class:`Voice`."""
        return self.songs[genre].role(part)

    def voices(self, notes: Mapping[tuple[str, str], Sequence[Note]]) -> tuple[Voice, ...]:
        """Return all parts that play."""
        return tuple(
            Voice(
                part, self.role(genre, name), genre,
                tuple(sorted(notes[genre, name], key=lambda note: note.start_s)),
            )
            for genre, material in self.songs.items()
            for name, part in material.parts(genre, self.request.seed).items()
            if notes.get((genre, name))
        )  # fmt: skip


def dance_in_score(
    request: PieceRequest, times: TimeMap, score: ControlScore, duration_s: float
) -> DanceProfile:
    """Return the dance as the composer knows it, in the score's time."""
    beats = timebase.beat_times(times.bpm, times.downbeat_s, times.duration_s)
    dance_s = times.to_dance(beats)
    dancers = dancers_of(request.clip)
    energy = _group_energy(dancers, dance_s)
    energy = energy * energy_at(score, dance_s, loop_s=duration_s if request.loop else None)
    beat_s = timebase.beat_period_s(times.bpm)
    # A group hits where any of its dancers does.
    impacts = np.max([impact_strengths(clip, dance_s, beat_s) for clip in dancers], axis=0)
    if request.steady_energy is not None:
        energy, impacts = np.full(len(beats), request.steady_energy), np.zeros(len(impacts))
    return DanceProfile(
        genres.genre_code(request.genre), times.bpm, times.duration_s, times.downbeat_s,
        np.clip(energy, 0.0, 1.0), impacts, request.grid.metre,
    )  # fmt: skip


def _group_energy(dancers: Sequence[MotionClip], beats_s: NDArray[np.float64]) -> NDArray:
    """Energy of each beat, the mean over the dancers who are still dancing, (n,)."""
    energy = np.array([beat_energy(clip, beats_s) for clip in dancers])
    active = np.array([beats_s < clip.duration_s for clip in dancers])
    active |= ~active.any(axis=0)
    return np.asarray((energy * active).sum(axis=0) / active.sum(axis=0))


def _bar_take(plan: Plan, bar: int, score: ControlScore) -> tuple[str, int]:
    """Genre and seed of the notes of a bar."""
    start_s, end_s = plan.times.to_dance(plan.bars_s[bar] + np.array([0.0, plan.bar_s]))
    middle_s = 0.5 * (max(0.0, start_s) + min(end_s, plan.duration_s))
    genre, seed = plan.genre, plan.request.seed
    for section in score.sections:
        if section.genre and section.start_s <= middle_s < section.end_s:
            genre = genres.genre_code(section.genre)
    for take in plan.request.options.takes:
        if take.start_s < end_s - 1e-3 and (take.end_s is None or take.end_s > start_s + 1e-3):
            seed = take.seed
            genre = genres.genre_code(take.genre) if take.genre else genre
    return genre, seed


def _bar_chords(plan: Plan) -> list[list[ChordSymbol]] | None:
    """The user's chords of every bar from the first whole one on; None without."""
    options = plan.request.options
    if options.chords is not None:
        cycle = [_sounding(bar) for bar in harmony.parse_chords(options.chords)]
        if len(longest := max(cycle, key=len)) > plan.request.grid.metre:
            raise ConfigError(
                f"bar {' '.join(chord.name for chord in longest)!r}: {len(longest)} chords in a "
                f"bar of {plan.request.grid.metre} beats"
            )
        upbeat = [cycle[0]] * plan.first_bar
        whole = len(plan.bars_s) - plan.first_bar
        return [cycle[bar % len(cycle)] for bar in range(whole)] + upbeat
    if not plan.timed:
        return None
    if plan.timed[-1].start_s >= plan.duration_s:
        late = plan.timed[-1]
        raise ConfigError(
            f"the chord {late.symbol.name} at {late.start_s:g} s is past the end: the music lasts "
            f"{plan.duration_s:.2f} s"
        )
    metre = plan.request.grid.metre
    starts = np.array([chord.start_s for chord in plan.timed])
    beats = plan.bars_s[:, None] + plan.bar_s / metre * (np.arange(metre) + 0.5)
    index = np.searchsorted(starts, plan.times.to_dance(beats) - 1e-6, side="right") - 1
    bars = [[plan.timed[max(0, at)].symbol for at in row] for row in index]
    return _rotated([_sounding(bar) for bar in bars], plan.first_bar)


def _rotated(bars: list[list[ChordSymbol]], first: int) -> list[list[ChordSymbol]]:
    return bars[first:] + bars[:first]


def _sounding(bar: Sequence[ChordSymbol]) -> list[ChordSymbol]:
    """The chords of a bar, one if all are the same; where there is none, one in its place."""
    chords = [symbol for symbol in bar if symbol.tones]
    if not chords:
        return [NO_CHORD]
    filled = [symbol if symbol.tones else chords[0] for symbol in bar]
    is_one = len({symbol.name for symbol in bar}) == 1
    return filled[:1] if is_one else filled


def _timed_rests(plan: Plan) -> list[TimedChord]:
    """The chords of a progression where they are played; none if it has no stretch without one."""
    if plan.request.options.chords is None:
        return []
    cycle = harmony.parse_chords(plan.request.options.chords)
    if all(symbol.tones for bar in cycle for symbol in bar):
        return []
    rows = []
    for bar, start_s in enumerate(plan.bars_s):
        symbols = cycle[max(0, bar - plan.first_bar) % len(cycle)]
        if plan.request.grid.metre == 3 and len(symbols) == 2:
            symbols = [symbols[0], *symbols]
        for index, symbol in enumerate(symbols):
            at_s = plan.times.to_dance(start_s + plan.bar_s * index / len(symbols))
            rows.append(TimedChord(float(at_s), symbol))
    return rows


def played_chords(plan: Plan, bars: Sequence[Sequence[Chord]]) -> tuple[TimedChord, ...]:
    """Return what is played from 0 on, a row where the chord changes.

    Args:
        plan: Of the piece.
        bars: The chords of every bar.
    """
    silent = [(c.start_s, c.symbol.tones) for c in plan.rests]
    rows: list[TimedChord] = []
    for start_s, bar in zip(plan.bars_s, bars, strict=True):
        for index, chord in enumerate(bar):
            at = start_s + plan.bar_s * index / len(bar)
            time_s = max(0.0, round(float(plan.times.to_dance(at)), 6))
            symbol = harmony.symbol_of(chord, plan.key)
            if silent and not _tones_at(silent, time_s):
                symbol = ChordSymbol("N", 0, ())
            if rows and rows[-1].start_s == time_s:
                rows.pop()
            if time_s < plan.duration_s and (not rows or rows[-1].symbol.name != symbol.name):
                rows.append(TimedChord(time_s, symbol))
    return tuple(rows)


def _tones_at(rows: Sequence[tuple[float, tuple[int, ...]]], time_s: float) -> tuple[int, ...]:
    before = [tones for start_s, tones in rows if start_s <= time_s + 0.05]
    return before[-1] if before else rows[0][1]
