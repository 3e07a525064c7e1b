"""A piece for a dance as notes: songs played to its beats and energy, its form, ends and accents.

Everything is drawn from seeds: the song from the piece's, the notes of a bar from its take's. So a
stretch can be regenerated while every other note stays. Seconds of the dance, MIDI pitches,
energies and velocities 0 to 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.composer import harmony
from kinetune.composer.form import RESTS, Section, plan_form
from kinetune.composer.harmony import ChordSymbol, Key, TimedChord
from kinetune.composer.material import Material, draw_material
from kinetune.composer.options import ComposerOptions
from kinetune.composer.prompts.constraints import constrain
from kinetune.composer.timing import TimeMap, loop_grid, time_map
from kinetune.corpus.choreography.dance import beat_energy
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import Bar, NoteWriter
from kinetune.corpus.composition.composer import write_line, write_song
from kinetune.corpus.composition.dance_analysis import impact_strengths
from kinetune.corpus.composition.music_score import DanceProfile, Mix, Note, Part
from kinetune.corpus.composition.texture import (
    BED,
    bed,
    bed_part,
    needs_bed,
    soft_hats,
)
from kinetune.corpus.prompts.reader import Prompt
from kinetune.errors import ConfigError
from kinetune.model.conditioning.control_score import (
    Accent,
    ControlScore,
    Silence,
    energy_at,
    fit_score,
)
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.motion.group import Dancers, dancers_of

Array = NDArray[np.float64]
# Numbers in the seed of a performance, and of the layers that a prompt adds to it.
_NOTES_STREAM, _ADDED_STREAM = 405, 408
# Pieces of fewer bars are fragments and have no ending of their own.
_LEAST_BARS_TO_END = 8
# The last chord rings at least so long; the fade at the end of all other music.
_LAST_CHORD_S, _ENDING_FADE_S, _CUT_FADE_S = 1.2, 0.5, 0.005
# Notes so shortly before an accent make way for it.
_ACCENT_CLEARS_S = 0.12
# Parts without pitch; layers of percussion besides.
DRUMS = frozenset(
    {"kick", "snare", "layer", "hat", "open_hat", "crash", "tom", "riser", "drop", "drum"}
)
# What stands for no chord while notes are written; what is pitched of it is left out afterwards.
_NO_CHORD = ChordSymbol("N", 0, (0, 7))
# Roles that carry the harmony of a bar.
_HARMONY = ("pad", "chord", "arp", "hook")
_UNPITCHED, _DROP_PITCH = 60.0, 36.0


@dataclass(frozen=True, eq=False)
class Voice:
    """A part and its notes.

    Attributes:
        part: The instrument and its channel strip.
        role: The part's name, or of a layer its role: ``chord``, ``pad``, ``arp`` or ``drum``.
        genre: Code of the genre whose song it belongs to.
        notes: In order of start.
    """

    part: Part
    role: str
    genre: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of music as notes.

    Attributes:
        genre: Genre code.
        seed: The seed of its song.
        key: Its key.
        grid: The beats it is played to.
        duration_s: Its length.
        loop: Whether its end leads to its beginning.
        bars_s: Starts of the bars; the first may lie before 0.
        beats_s: Its beats, (n,).
        energy: Energy of the beats, (n,).
        voices: All parts that play.
        chords: What is played, chord by chord.
        sections: Its form.
        silences: Stretches without any sound.
        mix: How it is mixed.
        fade_s: Length of the fade at its end.
        swing: Delay of every other sixteenth, as a share of one.
    """

    genre: str
    seed: int
    key: Key
    grid: BeatGrid
    duration_s: float
    loop: bool
    bars_s: Array
    beats_s: Array
    energy: Array
    voices: tuple[Voice, ...]
    chords: tuple[TimedChord, ...]
    sections: tuple[Section, ...]
    silences: tuple[Silence, ...]
    mix: Mix
    fade_s: float
    swing: float = 0.0


@dataclass(frozen=True, eq=False)
class PieceRequest:
    """What a piece is made from.

    Attributes:
        clip: The dance, or a group of dancers.
        grid: Its beats.
        genre: Name or code.
        seed: Of the song.
        options: What the user gives the composer.
        score: Sections, accents and silences.
        loop: Whether the end leads to the beginning.
        hold_tempo: Whether a loop keeps the tempo.
        steady_energy: Energy of all beats instead of the body's; None takes the body's.
        prompt: What the music should be like; None leaves it to the seed.
    """

    clip: Dancers
    grid: BeatGrid
    genre: str
    seed: int = 0
    options: ComposerOptions = field(default_factory=ComposerOptions)
    score: ControlScore | None = None
    loop: bool = False
    hold_tempo: bool = False
    steady_energy: float | None = None
    prompt: Prompt | None = None


def compose_piece(request: PieceRequest) -> Piece:
    """Return the piece of a dance.

    Raises:
        ConfigError: The score or the chords don't fit the dance.
        MotionError: The dance is too short to loop at the tempo.
    """
    grid, duration_s = request.grid, request.clip.duration_s
    if request.loop:
        grid, duration_s = loop_grid(grid, duration_s, hold_tempo=request.hold_tempo)
    name = "loop" if request.loop else "music"
    score = fit_score(request.score or ControlScore(), grid, duration_s, piece=name)
    times = time_map(grid, duration_s)
    profile = _profile(request, times, score, duration_s)
    plan = _Plan(request, score, times, profile, duration_s)
    notes, written = _perform(plan)
    bar_energy = np.array([bar.mean for bar in written])
    sections = plan_form(bar_energy, plan.first_bar)
    if request.loop or request.steady_energy is not None:
        sections = (Section("verse", 0, len(written)),)
    notes = _fill(_rest(notes, plan, sections), plan, written)
    chords = _played_chords(plan, written)
    notes, fade_s = _end(notes, plan, chords)
    notes = _add_accents(notes, plan, score.accents, chords)
    notes = _without(notes, plan, score.silences)
    beats = timebase.beat_times(profile.bpm, profile.downbeat_s, profile.duration_s)
    return Piece(
        plan.genre, request.seed, plan.key, grid, duration_s, request.loop,
        times.to_dance(plan.bars_s), times.to_dance(beats), profile.energy,
        plan.voices(notes), chords, sections, score.silences, plan.songs[plan.genre].mix, fade_s,
        plan.songs[plan.genre].song.swing,
    )  # fmt: skip


# Notes by genre of their song and name of their part, in the dance's time.
_Notes = dict[tuple[str, str], list[Note]]


class _Plan:
    """What the notes of a piece are written from."""

    def __init__(
        self,
        request: PieceRequest,
        score: ControlScore,
        times: TimeMap,
        profile: DanceProfile,
        duration_s: float,
    ) -> None:
        self.request, self.times, self.profile = request, times, profile
        self.duration_s = duration_s
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
                symbol for bar in chords for symbol in bar if symbol.name != _NO_CHORD.name
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

    def role(self, genre: str, part: str) -> str:
        """The role of a part, see :class:`Voice`."""
        if part == BED:
            return "pad"
        lines = self.songs[genre].lines
        return next((line.layer.role for line in lines if line.part == part), part)

    def _parts(self, genre: str, material: Material) -> dict[str, Part]:
        """The song's parts and the one that plays beds, which no random number is drawn for."""
        added = {part.name: part for _, part in material.added}
        bed = material.bed or bed_part(genre, self.request.seed)
        return {**material.song.parts, **added, BED: bed}

    def voices(self, notes: Mapping[tuple[str, str], Sequence[Note]]) -> tuple[Voice, ...]:
        """Return all parts that play."""
        return tuple(
            Voice(
                part, self.role(genre, name), genre,
                tuple(sorted(notes[genre, name], key=lambda note: note.start_s)),
            )
            for genre, material in self.songs.items()
            for name, part in self._parts(genre, material).items()
            if notes.get((genre, name))
        )  # fmt: skip


def _profile(
    request: PieceRequest, times: TimeMap, score: ControlScore, duration_s: float
) -> DanceProfile:
    """The dance as the composer knows it, in the score's time."""
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


def _bar_take(plan: _Plan, bar: int, score: ControlScore) -> tuple[str, int]:
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


def _bar_chords(plan: _Plan) -> list[list[ChordSymbol]] | None:
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
        return [_NO_CHORD]
    filled = [symbol if symbol.tones else chords[0] for symbol in bar]
    is_one = len({symbol.name for symbol in bar}) == 1
    return filled[:1] if is_one else filled


def _timed_rests(plan: _Plan) -> list[TimedChord]:
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


def _perform(plan: _Plan) -> tuple[_Notes, list[Bar]]:
    """All notes in the dance's time, every bar from its take, and the bars as written."""
    performances = {}
    for genre, seed in dict.fromkeys(plan.takes):
        rng = np.random.default_rng([seed, _NOTES_STREAM, genres.genre_index(genre)])
        performances[genre, seed] = writer = write_song(rng, plan.songs[genre].song, plan.profile)
        writer.notes += _added_notes(plan.songs[genre], writer, plan.profile, seed)
    notes: _Notes = {}
    for (genre, seed), writer in performances.items():
        for note in writer.notes:
            muted = note.part in plan.songs[genre].muted
            if plan.takes[note.bar] == (genre, seed) and not muted:
                notes.setdefault((genre, note.part), []).append(_placed(note, plan))
    written = [performances[take].written[bar] for bar, take in enumerate(plan.takes)]
    return notes, written


def _added_notes(
    material: Material, writer: NoteWriter, profile: DanceProfile, seed: int
) -> list[Note]:
    """What the layers play that a prompt added, in the bars of a performance."""
    parts = {part.name: part for _, part in material.added}
    rng = np.random.default_rng([seed, _ADDED_STREAM])
    added = NoteWriter(rng, replace(material.song, parts=parts), profile)
    for bar in writer.written:
        for line, _ in material.added:
            write_line(added, bar, line)
    return added.notes


def _placed(note: Note, plan: _Plan) -> Note:
    """A note of the score where the dance has it."""
    start_s, end_s = plan.times.to_dance(
        np.array([note.start_s, note.start_s + note.duration_s])
    ).tolist()
    return replace(note, start_s=start_s, duration_s=end_s - start_s)


def _rest(notes: _Notes, plan: _Plan, sections: Iterable[Section]) -> _Notes:
    """The notes without the parts that rest in their section."""
    rests: list[frozenset[str]] = []
    for section in sections:
        rests += [RESTS[section.name]] * section.bars
    return {
        (genre, part): [note for note in played if plan.role(genre, part) not in rests[note.bar]]
        for (genre, part), played in notes.items()
    }


def _fill(notes: _Notes, plan: _Plan, written: Sequence[Bar]) -> _Notes:
    """The notes with a bed where harmony is missing, and soft hats between those struck."""
    filled = {name: list(played) for name, played in notes.items()}
    hats_s = _spans_by_bar(notes, plan, ("hat", "open_hat"))
    harmony_s = _spans_by_bar(notes, plan, _HARMONY)
    for bar, (genre, _) in zip(written, plan.takes, strict=True):
        song, start_s = plan.songs[genre].song, float(plan.bars_s[bar.index])
        step_s = plan.bar_s / bar.steps
        played = [begin_s for begin_s, _ in hats_s.get(bar.index, ())]
        material = plan.songs[genre]
        added = [] if material.is_sparse else soft_hats(song, bar, start_s, step_s, played)
        bare = needs_bed(harmony_s.get(bar.index, ()), start_s, plan.bar_s)
        if bare and BED not in material.muted:
            added += bed(song, bar, start_s, step_s)
        for note in added:
            if note.start_s < plan.profile.duration_s:
                filled.setdefault((genre, note.part), []).append(_placed(note, plan))
    return filled


def _spans_by_bar(
    notes: _Notes, plan: _Plan, roles: Sequence[str]
) -> dict[int, list[tuple[float, float]]]:
    """Starts and ends in the score's time of the notes with one of these roles, by bar."""
    chosen = [
        note
        for (genre, part), played in notes.items()
        if plan.role(genre, part) in roles
        for note in played
    ]
    ends_s = np.array([(n.start_s, n.start_s + n.duration_s) for n in chosen]).reshape(-1, 2)
    spans: dict[int, list[tuple[float, float]]] = {}
    for note, (start_s, end_s) in zip(chosen, plan.times.to_score(ends_s).tolist(), strict=True):
        spans.setdefault(note.bar, []).append((start_s, end_s))
    return spans


def _played_chords(plan: _Plan, written: Sequence[Bar]) -> tuple[TimedChord, ...]:
    """What is played from 0 on, a row where the chord changes."""
    silent = [(c.start_s, c.symbol.tones) for c in plan.rests]
    rows: list[TimedChord] = []
    for start_s, bar in zip(plan.bars_s, written, strict=True):
        for index, chord in enumerate(bar.chords):
            at = start_s + plan.bar_s * index / len(bar.chords)
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


def _end(notes: _Notes, plan: _Plan, chords: Sequence[TimedChord]) -> tuple[_Notes, float]:
    """The notes with a last chord on a bar line, and the length of the fade after it."""
    request = plan.request
    whole = len(plan.bars_s) - plan.first_bar
    if request.loop or request.steady_energy is not None or whole < _LEAST_BARS_TO_END:
        return notes, 0.0 if request.loop else _CUT_FADE_S
    beats = plan.times.score_s
    lines = [t for t in plan.bars_s if plan.times.to_dance(t) <= plan.duration_s - _LAST_CHORD_S]
    beats = beats[plan.times.to_dance(beats) <= plan.duration_s - _LAST_CHORD_S]
    # In the last bar that is cut off, the last beat that leaves the chord its time.
    at_s = float(plan.times.to_dance(max(lines[-1], beats[-1] - plan.bar_s)))
    cut = {name: _until(played, at_s) for name, played in notes.items()}
    chord = _chord_at(plan, chords, at_s)
    _write_hit(cut, plan, at_s, 0.95, chord, plan.duration_s - at_s)
    return cut, _ENDING_FADE_S


def _until(notes: Iterable[Note], end_s: float) -> list[Note]:
    """The notes that begin before a time, none of them sounding on."""
    return [
        replace(note, duration_s=min(note.duration_s, end_s - note.start_s))
        for note in notes
        if note.start_s < end_s - 0.03
    ]


def _chord_at(plan: _Plan, chords: Sequence[TimedChord], at_s: float) -> ChordSymbol:
    """The chord of an ending: the user's there, or the tonic."""
    options = plan.request.options
    if options.chords is not None or options.chord_times:
        return [chord.symbol for chord in chords if chord.start_s <= at_s + 1e-3][-1]
    return ChordSymbol("", plan.key.tonic, (0, 3, 7) if plan.key.minor else (0, 4, 7))


def _write_hit(
    notes: _Notes, plan: _Plan, at_s: float, velocity: float, symbol: ChordSymbol, length_s: float
) -> None:
    """Add a hit of kick, crash, bass and chord."""
    bar = max(0, int(np.searchsorted(plan.times.to_dance(plan.bars_s), at_s + 1e-3)) - 1)
    genre = plan.takes[bar][0]
    song, muted = plan.songs[genre].song, plan.songs[genre].muted

    def add(part: str, pitch: float, gain: float = 1.0) -> None:
        if part in song.parts and part not in muted:
            note = Note(part, at_s, length_s, pitch, min(1.0, gain * velocity), bar)
            notes.setdefault((genre, part), []).append(note)

    add("kick", _UNPITCHED)
    add("crash", _UNPITCHED, 0.9)
    if not symbol.tones:
        return
    chord = symbol.in_key(plan.key)
    center = song.style.bass.center_pitch
    add("bass", grammar.bass_pitch(plan.key.tonic, chord, "1", chord, center))
    carriers = [line for line in song.lines if line.layer.role in ("pad", "chord")][:2]
    for part, middle in [*((c.part, c.layer.center_pitch) for c in carriers), ("accent", 64.0)]:
        pitches = grammar.voicing(plan.key.tonic, chord, middle)
        for pitch in pitches:
            add(part, pitch, 1.0 / np.sqrt(len(pitches)))


def _add_accents(
    notes: _Notes, plan: _Plan, accents: Iterable[Accent], chords: Sequence[TimedChord]
) -> _Notes:
    """The notes with hits that stand out: what begins just before makes way."""
    for accent in accents:
        if accent.strength <= 0.0:
            continue
        before_s = accent.at_s - _ACCENT_CLEARS_S
        notes = {
            name: [note for note in played if not before_s < note.start_s < accent.at_s - 0.01]
            for name, played in notes.items()
        }
        sounding = [chord.symbol for chord in chords if chord.start_s <= accent.at_s + 1e-3]
        symbol = sounding[-1] if sounding else ChordSymbol("", plan.key.tonic, (0, 7))
        velocity = min(1.0, 0.7 + 0.2 * accent.strength)
        _write_hit(
            notes, plan, accent.at_s, velocity, symbol, timebase.beat_period_s(plan.times.bpm)
        )
        own = plan.songs[plan.genre]
        if accent.strength > 1.0 and "drop" in own.song.parts and "drop" not in own.muted:
            drop = Note("drop", accent.at_s, 1.0, _DROP_PITCH, velocity)
            notes.setdefault((plan.genre, "drop"), []).append(drop)
    return notes


def _without(notes: _Notes, plan: _Plan, silences: Iterable[Silence]) -> _Notes:
    """The notes outside silences, and pitched ones outside stretches without a chord."""
    ends = [chord.start_s for chord in plan.rests[1:]] + [plan.duration_s]
    unpitched = [
        Silence(chord.start_s, end_s)
        for chord, end_s in zip(plan.rests, ends, strict=False)
        if not chord.symbol.tones
    ]
    silences = tuple(silences)
    for genre, part in notes:
        is_drum = plan.role(genre, part) in DRUMS
        for silence in (*silences, *(() if is_drum else unpitched)):
            notes[genre, part] = [
                replace(note, duration_s=min(note.duration_s, _time_before(note, silence)))
                for note in notes[genre, part]
                if not silence.start_s - 1e-3 <= note.start_s < silence.end_s - 0.05
            ]
    return notes


def _time_before(note: Note, silence: Silence) -> float:
    """How long a note may sound before a silence."""
    return silence.start_s - note.start_s if note.start_s < silence.start_s else np.inf
