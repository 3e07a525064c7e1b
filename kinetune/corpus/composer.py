"""Music for a dance, as symbols: from beats and energy to a :class:`Score`.

The song's material (key, chords, patterns, sounds, mix) is drawn from a seed; what is played when
answers the dance: energy sets loudness and density, jumps in energy are hit, freezes thin out.
Seconds, MIDI pitches, velocities 0 to 1. Bars have four beats of four steps.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.corpus import grammar
from kinetune.corpus.choreographer import BEATS_IN_BAR, Dance
from kinetune.corpus.grammar import Chord, Hit
from kinetune.corpus.score import Note, Plan, Score
from kinetune.corpus.songs import PHRASE_BARS, Line, Song, draw_mix, draw_song
from kinetune.corpus.styles import STYLES
from kinetune.errors import ConfigError

_STEPS_A_BEAT = grammar.STEPS_IN_BAR // BEATS_IN_BAR
# A beat this much stronger than the one before is hit; one this weak after movement is a freeze.
_HIT_RISE = 0.25
_FREEZE = 0.14


def plan_of(dance: Dance) -> Plan:
    """Return what a composer needs to know of ``dance``."""
    marks = dance.downbeats_s if len(dance.downbeats_s) else dance.beats_s
    start = float(marks[0]) if len(marks) else 0.0
    return Plan(dance.genre, dance.bpm, dance.clip.duration_s, start, dance.energy)


def compose(dance: Dance | Plan, seed: int) -> Score:
    """Return music that answers a dance.

    Args:
        dance: The dance, or a plan of one.
        seed: Same dance and seed, same score.

    Raises:
        ConfigError: The plan's genre is unknown, or its energy does not match its beats.
    """
    plan = plan_of(dance) if isinstance(dance, Dance) else dance
    code = genres.genre_code(plan.genre)
    beats = timebase.beat_times(plan.bpm, plan.downbeat_s, plan.duration_s)
    if len(plan.energy) != len(beats):
        raise ConfigError(f"expected the energy of {len(beats)} beats, found {len(plan.energy)}")
    rng = np.random.default_rng([seed, 202, genres.genre_index(code)])
    song = draw_song(rng, STYLES[code], plan.bpm)
    writer = _Writer(rng, song, plan, beats)
    for bar in range(len(writer.bars_s)):
        writer.write_bar(bar)
    notes = tuple(sorted(writer.notes, key=lambda note: note.start_s))
    mix = draw_mix(rng, STYLES[code])
    return Score(
        code, plan.bpm, song.key, plan.duration_s, tuple(writer.bars_s), beats, plan.energy,
        tuple(song.parts.values()), notes, mix,
    )  # fmt: skip


class _Writer:
    """Writes a song bar by bar, answering the energy of the dance."""

    def __init__(
        self, rng: np.random.Generator, song: Song, plan: Plan, beats: NDArray[np.float64]
    ) -> None:
        self.rng = rng
        self.song = song
        self.plan = plan
        self.beats = beats
        self.beat_s = timebase.beat_period_s(plan.bpm)
        self.step_s = self.beat_s / _STEPS_A_BEAT
        bar_s = BEATS_IN_BAR * self.beat_s
        first = plan.downbeat_s % bar_s
        first -= bar_s * (first > 1e-6)
        count = int(np.ceil((plan.duration_s - first) / bar_s - 1e-9))
        self.bars_s = [first + bar_s * bar for bar in range(count)]
        self.notes: list[Note] = []
        self.resting: set[str] = set()

    def write_bar(self, bar: int) -> None:
        """Write all parts of one bar."""
        energy = self._energy_of(bar)
        mean = float(energy.mean())
        phrase = bar + self.song.phrase_shift
        last = phrase % PHRASE_BARS == PHRASE_BARS - 1
        section = (phrase // PHRASE_BARS) % 2 if mean < 0.75 else 1
        fill = 0
        if last and self.rng.random() < self.song.style.fill * (0.4 + mean):
            fill = int(self.rng.choice([2, 4, 4, 8]))
        self._drums(bar, energy, section, fill)
        chords = self._chords(section, phrase)
        self._bass(bar, energy, section, chords)
        if phrase % PHRASE_BARS == 0 or bar == 0:
            # Some parts sit a phrase out, so that no two phrases need sound alike.
            self.resting = {line.part for line in self.song.lines if self.rng.random() < 0.15}
        for line in self._playing(mean):
            self._line(bar, energy, line, section, chords[0])
        if mean >= self.song.hook_needs:
            self._hook(bar, energy, phrase, chords[0])
        self._accents(bar, energy, phrase)

    def _playing(self, mean: float) -> list[Line]:
        """The lines that play at this energy; one that carries the chords always does."""
        able = [line for line in self.song.lines if mean >= 0.8 * line.layer.needs]
        out = [line for line in able if line.part not in self.resting]
        if all(line.layer.role == "drum" for line in out):
            carriers = [line for line in self.song.lines if line.layer.role in ("pad", "chord")]
            out += sorted(carriers, key=lambda line: line.layer.needs)[:1]
        return out

    def _energy_of(self, bar: int) -> NDArray[np.float64]:
        """Energy of the bar's four beats and the one before: all beats outside repeat the edge."""
        if not len(self.plan.energy):
            return np.full(BEATS_IN_BAR, 0.5)
        times = self.bars_s[bar] + self.beat_s * np.arange(BEATS_IN_BAR)
        index = np.round((times - self.beats[0]) / self.beat_s).astype(int)
        return np.asarray(self.plan.energy[index.clip(0, len(self.plan.energy) - 1)])

    def _chords(self, section: int, phrase: int) -> tuple[list[Chord], list[Chord]]:
        """Chords of this bar and of the next, one or two each."""
        cycle = self.song.chords[section]
        return cycle[phrase % len(cycle)], cycle[(phrase + 1) % len(cycle)]

    def _put(
        self, part: str, bar: int, step: float, steps: float, pitch: float, velocity: float
    ) -> None:
        whole = int(step)
        late = self.song.swing * (whole % 2) + (step - whole)
        start = self.bars_s[bar] + self.step_s * (whole + late)
        # Backbeats and kicks hold the time; the rest breathes.
        loose = 0.4 if part in ("kick", "snare") else 1.0
        start += loose * self.song.live_s * self.rng.normal()
        velocity *= 1.0 + 0.06 * self.rng.normal()
        velocity = float(np.clip(velocity, 0.05, 1.0))
        if start < self.plan.duration_s:
            self.notes.append(Note(part, start, self.step_s * steps * 0.95, pitch, velocity))

    @staticmethod
    def _force(energy: NDArray[np.float64], step: int) -> float:
        return 0.42 + 0.58 * float(energy[min(step // _STEPS_A_BEAT, BEATS_IN_BAR - 1)])

    def _hits(
        self, part: str, bar: int, energy: NDArray[np.float64], hits: list[Hit], pitch: float
    ) -> None:
        for hit in hits:
            # A roll is three strokes in the room of one and a half.
            for stroke in range(3 if hit.symbol == "r" else 1):
                force = hit.level * self._force(energy, hit.step)
                self._put(part, bar, hit.step + 0.5 * stroke, 1, pitch, force)

    def _drums(self, bar: int, energy: NDArray[np.float64], section: int, fill: int) -> None:
        song, mean = self.song, float(energy.mean())
        end = grammar.STEPS_IN_BAR - fill

        def play(part: str, pattern: str, keep: float = 1.0) -> None:
            hits = [
                h for h in grammar.read_pattern(pattern, self.rng)
                if h.step < end and (h.step % 4 == 0 or self.rng.random() < keep)
            ]  # fmt: skip
            still = [energy[h.step // 4] < _FREEZE and h.step % 4 != 0 for h in hits]
            hits = [h for h, skip in zip(hits, still, strict=True) if not skip]
            self._hits(part, bar, energy, hits, 60.0)

        # One bar in five the kick turns to its other figure.
        turned = int(self.rng.random() < 0.2)
        play("kick", song.kick[section ^ turned], 0.3 + mean)
        play("snare", song.snare, 0.2 + mean)
        if "layer" in song.parts and mean > 0.3:
            play("layer", song.snare.replace(".", "-"))
        if mean > 0.06:
            play("hat", song.hat[int(mean > 0.5)])
        if mean > 0.28:
            play("open", song.opened)
        if fill:
            self._fill(bar, energy, end)

    def _fill(self, bar: int, energy: NDArray[np.float64], start: int) -> None:
        part = "tom" if self.rng.random() < 0.5 else "snare"
        steps = range(start, grammar.STEPS_IN_BAR)
        for count, step in enumerate(steps):
            if step % 4 and self.rng.random() > 0.75:
                continue
            rise = 0.6 + 0.4 * (count + 1) / len(steps)
            pitch = 50.0 - 8.0 * count / len(steps)
            self._put(part, bar, step, 1, pitch, rise * self._force(energy, step))
            if step % 4 == 0:
                self._put("kick", bar, step, 1, 60.0, 0.8 * self._force(energy, step))

    def _bass(
        self,
        bar: int,
        energy: NDArray[np.float64],
        section: int,
        chords: tuple[list[Chord], list[Chord]],
    ) -> None:
        now, following = chords
        mean = float(energy.mean())
        if mean < 0.08:
            return
        for hit in grammar.read_bass(self.song.bass[section]):
            if hit.step % 4 and self.rng.random() > 0.35 + mean:
                continue
            chord = now[hit.step * len(now) // grammar.STEPS_IN_BAR]
            pitch = grammar.bass_pitch(
                self.song.key, chord, hit.symbol, following[0], self.song.style.bass_center
            )
            force = hit.level * self._force(energy, hit.step)
            self._put("bass", bar, hit.step, hit.steps, pitch, force)

    def _line(
        self,
        bar: int,
        energy: NDArray[np.float64],
        line: Line,
        section: int,
        chords: list[Chord],
    ) -> None:
        hits = grammar.read_pattern(line.rhythms[section], self.rng)
        if line.layer.role == "drum":
            self._hits(line.part, bar, energy, hits, float(line.layer.center))
            return
        for count, hit in enumerate(hits):
            beat = hit.step // _STEPS_A_BEAT
            if line.layer.role != "pad" and energy[beat] < _FREEZE < energy.mean() - 0.1:
                continue
            chord = chords[hit.step * len(chords) // grammar.STEPS_IN_BAR]
            pitches = grammar.voicing(
                self.song.key, chord, line.layer.center, rootless=line.layer.role == "chord"
            )
            if line.layer.role == "arp":
                pitches = [pitches[(count * (1 + bar % 2)) % len(pitches)]]
            force = hit.level * self._force(energy, hit.step) / np.sqrt(len(pitches))
            for pitch in pitches:
                self._put(line.part, bar, hit.step, hit.steps, pitch, force)

    def _hook(
        self, bar: int, energy: NDArray[np.float64], phrase: int, chords: list[Chord]
    ) -> None:
        # Two bars of tune, two of rest in calm songs; all four when it is strong.
        if phrase % PHRASE_BARS >= 2 and energy.mean() < 0.55:
            return
        half = phrase % 2
        for step, steps, tune in self.song.hook:
            if step // grammar.STEPS_IN_BAR == half:
                at = step % grammar.STEPS_IN_BAR
                chord = chords[at * len(chords) // grammar.STEPS_IN_BAR]
                # Where the bar is heavy the tune sits on the chord.
                heavy = at % 8 == 0 or steps >= 4
                pitch = grammar.settled(tune, self.song.key, chord) if heavy else tune
                self._put("hook", bar, at, steps, pitch, 0.85 * self._force(energy, at))

    def _accents(self, bar: int, energy: NDArray[np.float64], phrase: int) -> None:
        """Crashes where energy leaps or a strong phrase opens; a riser before a new phrase."""
        before = self._energy_of(bar - 1)[-1] if bar else energy[0]
        leaps = np.diff(np.append(before, energy))
        opens = phrase % PHRASE_BARS == 0 and energy[0] > 0.4 and self.rng.random() < 0.6
        for beat in range(BEATS_IN_BAR):
            if leaps[beat] > _HIT_RISE or (beat == 0 and opens):
                step = beat * _STEPS_A_BEAT
                self._put("crash", bar, step, 4, 60.0, 0.9 * self._force(energy, step))
                self._put("kick", bar, step, 1, 60.0, self._force(energy, step))
                if "boom" in self.song.parts:
                    self._put("boom", bar, step, 4, 36.0, self._force(energy, step))
        last = phrase % PHRASE_BARS == PHRASE_BARS - 1
        if last and energy.mean() > 0.3 and self.rng.random() < 0.35:
            self._put("riser", bar, 8, 8, 60.0, 0.8)
