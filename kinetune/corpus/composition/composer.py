"""Music for a dance, as symbols: from beats and energy to a :class:`Score`.

The song's material (key, chords, rhythms, instruments, mix) is drawn from a seed. What is played
when follows the dance: energy sets velocity and density, leaps of energy and sudden stops get
accents, a build-up leads to a stronger bar, freezes rest. Seconds, MIDI pitches, velocities 0 to 1.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.corpus.choreography.dance import Dance
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import Bar, NoteWriter, bar_starts
from kinetune.corpus.composition.dance_analysis import HALVES_A_BEAT, dance_profile, expand_contrast
from kinetune.corpus.composition.drummer import write_accents, write_drums, write_hits
from kinetune.corpus.composition.grammar import Chord
from kinetune.corpus.composition.music_score import ChordSpan, DanceProfile, Mix, Score
from kinetune.corpus.composition.songs import PHRASE_BARS, Line, Song, draw_mix, draw_song
from kinetune.corpus.styles.style import style_of
from kinetune.errors import ConfigError

# A build-up precedes a bar this much stronger than the one before.
_BUILD_RISE = 0.1
_BUILD_PROBABILITY, _STOP_PROBABILITY = 0.7, 0.3
# How often a layer rests for a phrase; a break also stops the bass this often.
_LAYER_REST_PROBABILITY, _BASS_BREAK_PROBABILITY = 0.15, 0.4
# Energy above which a phrase may be a break.
_BREAK_MIN_ENERGY = 0.4
# In a phrase with less mean energy part of the kit rests.
_CALM_BELOW = 0.3
# From this mean energy on a bar plays the second section.
_STRONG_BAR = 0.75
# Below this the hook rests in every other pair of bars.
_HOOK_REST_BELOW = 0.55


def compose(dance: Dance | DanceProfile, seed: int) -> Score:
    """Return music for a dance.

    Args:
        dance: The dance, or its profile.
        seed: Same dance and seed, same score.

    Raises:
        ConfigError: The genre is unknown, or energy or impacts don't match the beats.
    """
    profile = dance_profile(dance) if isinstance(dance, Dance) else dance
    code = genres.genre_code(profile.genre)
    rng = np.random.default_rng([seed, 202, genres.genre_index(code)])
    style = style_of(code)
    song = draw_song(rng, style, profile.bpm, metre=profile.metre)
    writer = write_song(rng, song, profile)
    return written_score(profile, song, writer, draw_mix(rng, style, profile.bpm))


def written_score(profile: DanceProfile, song: Song, writer: NoteWriter, mix: Mix) -> Score:
    """Return the score of a song that was written for a dance."""
    notes = tuple(sorted(writer.notes, key=lambda note: note.start_s))
    beats = timebase.beat_times(profile.bpm, profile.downbeat_s, profile.duration_s)
    return Score(
        genres.genre_code(profile.genre), profile.bpm, song.key, profile.duration_s,
        tuple(writer.bars_s), beats, profile.energy, tuple(song.parts.values()), notes, mix,
        chord_spans(writer), song.swing,
    )  # fmt: skip


def chord_spans(writer: NoteWriter) -> tuple[ChordSpan, ...]:
    """Return the chords of the bars that were written."""
    spans = []
    bar_s = writer.steps_in_bar * writer.step_s
    for bar in writer.written:
        for number, chord in enumerate(bar.chords):
            start_s = writer.bars_s[bar.index] + bar_s * number / len(bar.chords)
            root = (writer.song.key + chord.root) % 12
            tones = grammar.pitch_classes(root, chord.tones)
            spans.append(ChordSpan(float(start_s), root, tones))
    return tuple(spans)


def write_song(rng: np.random.Generator, song: Song, profile: DanceProfile) -> NoteWriter:
    """Return the bars and notes of a song as it is played to a dance.

    Args:
        rng: Of the performance.
        song: Its material.
        profile: The dance.

    Raises:
        ConfigError: Energy or impacts don't match the beats.
    """
    beats = timebase.beat_times(profile.bpm, profile.downbeat_s, profile.duration_s)
    _check(profile, len(beats))
    writer = NoteWriter(rng, song, profile)
    curve = EnergyCurve(profile, beats, writer.bars_s)
    resting: frozenset[str] = frozenset()
    for _ in writer.bars_s:
        resting = write_next_bar(writer, curve, resting)
    return writer


class BarEnergies(Protocol):
    """Energy and impacts of a dance bar by bar, see :class:`EnergyCurve`."""

    def energy(self, bar: int) -> NDArray[np.float64]:
        """Energy of a bar's beats, shape (metre,)."""

    def mean(self, bar: int, bars: int) -> float:
        """Mean energy of so many bars from one on."""

    def before(self, bar: int) -> float:
        """Energy of the beat before a bar."""

    def impacts(self, bar: int) -> NDArray[np.float64]:
        """Impacts at a bar's half-beats, shape (2 metre,)."""


def write_next_bar(
    writer: NoteWriter, energies: BarEnergies, resting: frozenset[str]
) -> frozenset[str]:
    """Write the bar after those that are written.

    Args:
        writer: Takes bar and notes.
        energies: Of this bar, the one before and those until the phrase ends.
        resting: What was returned for the bar before; nothing for the first.

    Returns:
        Parts that rest until the phrase ends.
    """
    song, index = writer.song, len(writer.written)
    phrase = index + song.phrase_offset
    if phrase % PHRASE_BARS == 0 or index == 0:
        drawn = _draw_resting_parts(writer.rng, song, float(energies.energy(index).mean()))
        if energies.mean(index, PHRASE_BARS - phrase % PHRASE_BARS) < _CALM_BELOW:
            drawn |= song.calm_rests
        resting = frozenset(drawn - song.never_rests)
    bar = _make_bar(writer, energies, index)
    writer.written.append(bar)
    _write_bar(writer, bar, resting, energies.before(index))
    return resting


def _check(profile: DanceProfile, beats: int) -> None:
    if len(profile.energy) != beats:
        raise ConfigError(f"expected the energy of {beats} beats, found {len(profile.energy)}")
    if len(profile.impacts) not in (0, HALVES_A_BEAT * beats):
        wanted = HALVES_A_BEAT * beats
        raise ConfigError(
            f"expected the impacts of {wanted} half-beats, found {len(profile.impacts)}"
        )


class EnergyCurve:
    """Energy and impacts of the dance bar by bar; beats outside the dance repeat its edge."""

    def __init__(
        self, profile: DanceProfile, beats: NDArray[np.float64], bars_s: list[float]
    ) -> None:
        self._energy = expand_contrast(profile.energy) if len(beats) else np.full(1, 0.5)
        self._impacts = profile.impacts
        self._beat_s = timebase.beat_period_s(profile.bpm)
        self._first_s = float(beats[0]) if len(beats) else 0.0
        self._bars_s = bars_s
        self._metre = profile.metre

    def _first_beat(self, bar: int) -> int:
        bar = min(bar, len(self._bars_s) - 1)
        return round((self._bars_s[bar] - self._first_s) / self._beat_s)

    def energy(self, bar: int) -> NDArray[np.float64]:
        """Energy of a bar's beats, shape (metre,)."""
        index = self._first_beat(bar) + np.arange(self._metre)
        return np.asarray(self._energy[index.clip(0, len(self._energy) - 1)])

    def mean(self, bar: int, bars: int) -> float:
        """Mean energy of so many bars from one on."""
        return float(np.mean([self.energy(bar + k) for k in range(bars)]))

    def before(self, bar: int) -> float:
        """Energy of the beat before a bar."""
        return float(self.energy(bar - 1)[-1] if bar else self.energy(0)[0])

    def impacts(self, bar: int) -> NDArray[np.float64]:
        """Impacts at a bar's half-beats, shape (2 metre,); outside the dance 0."""
        halves = self._metre * HALVES_A_BEAT
        index = HALVES_A_BEAT * self._first_beat(bar) + np.arange(halves)
        inside = (index >= 0) & (index < len(self._impacts))
        out = np.zeros(halves)
        out[inside] = self._impacts[index[inside]]
        return out


def _draw_resting_parts(rng: np.random.Generator, song: Song, energy: float) -> set[str]:
    """Parts that rest for a phrase: some layers, or all that is pitched in a break."""
    if rng.random() < song.style.drums.break_probability and energy > _BREAK_MIN_ENERGY:
        played = [line.part for line in song.lines if line.layer.role != "drum"]
        return (
            {*played, "hook", "bass"}
            if rng.random() < _BASS_BREAK_PROBABILITY
            else {*played, "hook"}
        )
    return {line.part for line in song.lines if rng.random() < _LAYER_REST_PROBABILITY}


def bar_chords(song: Song, profile: DanceProfile) -> list[list[Chord]]:
    """Return the chords of every bar as :func:`write_song` plays them, without writing a note.

    Args:
        song: Its material.
        profile: The dance.
    """
    beats = timebase.beat_times(profile.bpm, profile.downbeat_s, profile.duration_s)
    bars_s = bar_starts(profile)
    curve = EnergyCurve(profile, beats, bars_s)
    chords = []
    for index in range(len(bars_s)):
        phrase = index + song.phrase_offset
        cycle = song.chords[_section(phrase, float(curve.energy(index).mean()))]
        chords.append(cycle[phrase % len(cycle)])
    return chords


def _section(phrase: int, mean_energy: float) -> int:
    """Which of the song's two sections a bar plays."""
    return (phrase // PHRASE_BARS) % 2 if mean_energy < _STRONG_BAR else 1


def _make_bar(writer: NoteWriter, curve: BarEnergies, index: int) -> Bar:
    song, energy = writer.song, curve.energy(index)
    mean = float(energy.mean())
    phrase = index + song.phrase_offset
    section = _section(phrase, mean)
    cycle = song.chords[section]
    ending, steps = _ending(writer, phrase, mean, float(curve.energy(index + 1).mean()))
    return Bar(
        index, energy, curve.impacts(index), phrase, section, cycle[phrase % len(cycle)],
        cycle[(phrase + 1) % len(cycle)], ending, writer.steps_in_bar - steps,
    )  # fmt: skip


def _ending(writer: NoteWriter, phrase: int, mean: float, next_mean: float) -> tuple[str, int]:
    """How a bar ends, and in how many steps: phrases end every four bars, sections every eight."""
    rng = writer.rng
    if next_mean - mean > _BUILD_RISE and rng.random() < _BUILD_PROBABILITY:
        return "build", int(rng.choice([4, 8, 8]))
    if phrase % PHRASE_BARS != PHRASE_BARS - 1:
        return "", 0
    if phrase % (2 * PHRASE_BARS) == 2 * PHRASE_BARS - 1 and rng.random() < _STOP_PROBABILITY:
        return "stop", int(rng.choice([4, 8]))
    if rng.random() < writer.song.style.drums.fill_probability * (0.4 + mean):
        return "fill", int(rng.choice([2, 4, 4, 8]))
    return "", 0


def _write_bar(writer: NoteWriter, bar: Bar, resting: frozenset[str], before: float) -> None:
    write_drums(writer, bar, resting)
    if "bass" not in resting:
        _write_bass(writer, bar)
    for line in _active_lines(writer.song, bar.mean, resting):
        write_line(writer, bar, line)
    if "hook" not in resting and bar.mean >= writer.song.hook_min_energy:
        _write_hook(writer, bar)
    write_accents(writer, bar, before)


def _active_lines(song: Song, mean: float, resting: frozenset[str]) -> list[Line]:
    """The layers that play at this energy; except in breaks one that plays chords always does."""
    able = [line for line in song.lines if mean >= 0.8 * line.layer.min_energy]
    out = [line for line in able if line.part not in resting]
    if "hook" not in resting and all(line.layer.role == "drum" for line in out):
        carriers = [line for line in song.lines if line.layer.role in ("pad", "chord")]
        out += sorted(carriers, key=lambda line: line.layer.min_energy)[:1]
    return out


def _pitched_end(bar: Bar) -> int:
    """The step where pitched parts stop: before a stop, else the bar's end."""
    return bar.end if bar.ending == "stop" else bar.steps


def _write_bass(writer: NoteWriter, bar: Bar) -> None:
    song = writer.song
    for hit in writer.filter_hits("bass", bar, grammar.read_bass(song.bass[bar.section])):
        if hit.step >= _pitched_end(bar):
            continue
        pitch = grammar.bass_pitch(
            song.key,
            bar.chord_at(hit.step),
            hit.symbol,
            bar.next_chords[0],
            song.style.bass.center_pitch,
        )
        steps = min(hit.steps, _pitched_end(bar) - hit.step)
        writer.write("bass", bar, hit.step, steps, pitch, hit.level * bar.velocity(hit.step))


def write_line(writer: NoteWriter, bar: Bar, line: Line) -> None:
    """Write what a layer plays in a bar."""
    layer = line.layer
    hits = grammar.read_rhythm(line.rhythms[bar.section], writer.rng)
    if layer.role != "pad":
        hits = writer.filter_hits(line.part, bar, hits)
    if not hits and layer.role == "chord":
        # Too calm for the rhythm: one held chord instead.
        hits = [grammar.Hit(0, 0.6, 12, "x")]
    if layer.role == "drum":
        write_hits(writer, bar, line.part, hits, float(layer.center_pitch))
        return
    for count, hit in enumerate(hits):
        steps = min(hit.steps, _pitched_end(bar) - hit.step)
        if steps <= 0 or (layer.role != "pad" and bar.is_still(hit.step)):
            continue
        pitches = grammar.voicing(
            writer.song.key,
            bar.chord_at(hit.step),
            layer.center_pitch,
            rootless=layer.role == "chord",
        )
        if layer.role == "arp":
            pitches = [pitches[(count * (1 + bar.index % 2)) % len(pitches)]]
        velocity = hit.level * bar.velocity(hit.step) / np.sqrt(len(pitches))
        for pitch in pitches:
            writer.write(line.part, bar, hit.step, steps, pitch, velocity)


def _write_hook(writer: NoteWriter, bar: Bar) -> None:
    if bar.phrase % PHRASE_BARS >= 2 and bar.mean < _HOOK_REST_BELOW:
        return
    half = bar.phrase % 2
    for step, steps, tune in writer.song.hook:
        at = step % bar.steps
        if step // bar.steps != half or at >= _pitched_end(bar):
            continue
        # Heavy steps and long notes are chord tones.
        heavy = at % 8 == 0 or steps >= 4
        chord = bar.chord_at(at)
        pitch = grammar.nearest_chord_tone(tune, writer.song.key, chord) if heavy else tune
        writer.write("hook", bar, at, steps, pitch, 0.85 * bar.velocity(at))
