"""Music for a dance, as symbols: from beats and energy to a :class:`Score`.

The song's material (key, chords, patterns, sounds, mix) is drawn from a seed; what is played when
answers the dance: energy sets loudness and density, leaps and sudden stops are hit, a build-up
leads to a stronger bar, freezes rest. Seconds, MIDI pitches, velocities 0 to 1.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.corpus.choreography.choreographer import Dance
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.arranger import Bar, Page
from kinetune.corpus.composition.dance_analysis import HALVES_A_BEAT, contrasted, plan_of
from kinetune.corpus.composition.drummer import play_drums, play_hits, play_hits_of_dance
from kinetune.corpus.composition.music_score import Plan, Score
from kinetune.corpus.composition.songs import PHRASE_BARS, Line, Song, draw_mix, draw_song
from kinetune.corpus.styles import STYLES
from kinetune.errors import ConfigError
from kinetune.timebase import BEATS_IN_BAR

# A bar this much stronger than the one before is led up to.
_BUILD_RISE = 0.1
_BUILD_CHANCE, _STOP_CHANCE = 0.7, 0.3
_LINE_RESTS = 0.15
# A break wants a strong dancer.
_BREAK_NEEDS = 0.4
# In a phrase with less energy than this part of the kit rests.
_CALM_BELOW = 0.3


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
    _check(plan, len(beats))
    rng = np.random.default_rng([seed, 202, genres.genre_index(code)])
    song = draw_song(rng, STYLES[code], plan.bpm)
    page = Page(rng, song, plan)
    hearing = _Hearing(plan, beats, page.bars_s)
    resting: set[str] = set()
    for index in range(len(page.bars_s)):
        phrase = index + song.phrase_shift
        if phrase % PHRASE_BARS == 0 or index == 0:
            resting = _resting(rng, song, float(hearing.energy(index).mean()))
            if hearing.mean(index, PHRASE_BARS - phrase % PHRASE_BARS) < _CALM_BELOW:
                resting |= song.calm
        _write_bar(page, _read_bar(page, hearing, index), resting, hearing.before(index))
    notes = tuple(sorted(page.notes, key=lambda note: note.start_s))
    mix = draw_mix(rng, STYLES[code], plan.bpm)
    return Score(
        code, plan.bpm, song.key, plan.duration_s, tuple(page.bars_s), beats, plan.energy,
        tuple(song.parts.values()), notes, mix,
    )  # fmt: skip


def _check(plan: Plan, beats: int) -> None:
    if len(plan.energy) != beats:
        raise ConfigError(f"expected the energy of {beats} beats, found {len(plan.energy)}")
    if len(plan.impacts) not in (0, HALVES_A_BEAT * beats):
        raise ConfigError(
            f"expected the impacts of {HALVES_A_BEAT * beats} half-beats, found {len(plan.impacts)}"
        )


class _Hearing:
    """What the dance does in each bar; beats outside the dance repeat its edge."""

    def __init__(self, plan: Plan, beats: NDArray[np.float64], bars_s: list[float]) -> None:
        self._energy = contrasted(plan.energy) if len(beats) else np.full(1, 0.5)
        self._impacts = plan.impacts
        self._beat_s = timebase.beat_period_s(plan.bpm)
        self._first_s = float(beats[0]) if len(beats) else 0.0
        self._bars_s = bars_s

    def _first_beat(self, bar: int) -> int:
        bar = min(bar, len(self._bars_s) - 1)
        return round((self._bars_s[bar] - self._first_s) / self._beat_s)

    def energy(self, bar: int) -> NDArray[np.float64]:
        """Energy of a bar's beats, shape (4,)."""
        index = self._first_beat(bar) + np.arange(BEATS_IN_BAR)
        return np.asarray(self._energy[index.clip(0, len(self._energy) - 1)])

    def mean(self, bar: int, bars: int) -> float:
        """Mean energy of so many bars from one on."""
        return float(np.mean([self.energy(bar + k) for k in range(bars)]))

    def before(self, bar: int) -> float:
        """Energy of the beat before a bar."""
        return float(self.energy(bar - 1)[-1] if bar else self.energy(0)[0])

    def sudden(self, bar: int) -> NDArray[np.float64]:
        """How sudden the body is at a bar's half-beats, shape (8,); outside the dance 0."""
        halves = BEATS_IN_BAR * HALVES_A_BEAT
        index = HALVES_A_BEAT * self._first_beat(bar) + np.arange(halves)
        inside = (index >= 0) & (index < len(self._impacts))
        out = np.zeros(halves)
        out[inside] = self._impacts[index[inside]]
        return out


def _resting(rng: np.random.Generator, song: Song, energy: float) -> set[str]:
    """Parts that sit a phrase out, so that no two phrases need sound alike; all in a break."""
    if rng.random() < song.style.breaks and energy > _BREAK_NEEDS:
        played = [line.part for line in song.lines if line.layer.role != "drum"]
        return {*played, "hook", "bass"} if rng.random() < 0.4 else {*played, "hook"}
    return {line.part for line in song.lines if rng.random() < _LINE_RESTS}


def _read_bar(page: Page, hearing: _Hearing, index: int) -> Bar:
    song, energy = page.song, hearing.energy(index)
    mean = float(energy.mean())
    phrase = index + song.phrase_shift
    section = (phrase // PHRASE_BARS) % 2 if mean < 0.75 else 1
    cycle = song.chords[section]
    ending, steps = _ending(page, phrase, mean, float(hearing.energy(index + 1).mean()))
    return Bar(
        index, energy, hearing.sudden(index), phrase, section, cycle[phrase % len(cycle)],
        cycle[(phrase + 1) % len(cycle)], ending, grammar.STEPS_IN_BAR - steps,
    )  # fmt: skip


def _ending(page: Page, phrase: int, mean: float, following: float) -> tuple[str, int]:
    """How a bar ends, and in how many steps: phrases end every four bars, sections every eight."""
    rng = page.rng
    if following - mean > _BUILD_RISE and rng.random() < _BUILD_CHANCE:
        return "build", int(rng.choice([4, 8, 8]))
    if phrase % PHRASE_BARS != PHRASE_BARS - 1:
        return "", 0
    if phrase % (2 * PHRASE_BARS) == 2 * PHRASE_BARS - 1 and rng.random() < _STOP_CHANCE:
        return "stop", int(rng.choice([4, 8]))
    if rng.random() < page.song.style.fill * (0.4 + mean):
        return "fill", int(rng.choice([2, 4, 4, 8]))
    return "", 0


def _write_bar(page: Page, bar: Bar, resting: set[str], before: float) -> None:
    play_drums(page, bar, resting)
    if "bass" not in resting:
        _bass(page, bar)
    for line in _playing(page.song, bar.mean, resting):
        _line(page, bar, line)
    if "hook" not in resting and bar.mean >= page.song.hook_needs:
        _hook(page, bar)
    play_hits_of_dance(page, bar, before)


def _playing(song: Song, mean: float, resting: set[str]) -> list[Line]:
    """The lines that play at this energy; but for breaks, one that carries the chords does."""
    able = [line for line in song.lines if mean >= 0.8 * line.layer.needs]
    out = [line for line in able if line.part not in resting]
    if "hook" not in resting and all(line.layer.role == "drum" for line in out):
        carriers = [line for line in song.lines if line.layer.role in ("pad", "chord")]
        out += sorted(carriers, key=lambda line: line.layer.needs)[:1]
    return out


def _sounding_until(bar: Bar) -> int:
    """The step where pitched parts leave the drums alone."""
    return bar.end if bar.ending == "stop" else grammar.STEPS_IN_BAR


def _bass(page: Page, bar: Bar) -> None:
    song = page.song
    for hit in page.kept("bass", bar, grammar.read_bass(song.bass[bar.section])):
        if hit.step >= _sounding_until(bar):
            continue
        pitch = grammar.bass_pitch(
            song.key, bar.chord_at(hit.step), hit.symbol, bar.following[0], song.style.bass_center
        )
        steps = min(hit.steps, _sounding_until(bar) - hit.step)
        page.put("bass", bar, hit.step, steps, pitch, hit.level * bar.force(hit.step))


def _line(page: Page, bar: Bar, line: Line) -> None:
    layer = line.layer
    hits = grammar.read_pattern(line.rhythms[bar.section], page.rng)
    if layer.role != "pad":
        hits = page.kept(line.part, bar, hits)
    if not hits and layer.role == "chord":
        # Too calm for the rhythm: the chord is held instead.
        hits = [grammar.Hit(0, 0.6, 12, "x")]
    if layer.role == "drum":
        play_hits(page, bar, line.part, hits, float(layer.center))
        return
    for count, hit in enumerate(hits):
        steps = min(hit.steps, _sounding_until(bar) - hit.step)
        if steps <= 0 or (layer.role != "pad" and bar.is_still(hit.step)):
            continue
        pitches = grammar.voicing(
            page.song.key, bar.chord_at(hit.step), layer.center, rootless=layer.role == "chord"
        )
        if layer.role == "arp":
            pitches = [pitches[(count * (1 + bar.index % 2)) % len(pitches)]]
        force = hit.level * bar.force(hit.step) / np.sqrt(len(pitches))
        for pitch in pitches:
            page.put(line.part, bar, hit.step, steps, pitch, force)


def _hook(page: Page, bar: Bar) -> None:
    # Two bars of tune, two of rest in calm songs; all four when it is strong.
    if bar.phrase % PHRASE_BARS >= 2 and bar.mean < 0.55:
        return
    half = bar.phrase % 2
    for step, steps, tune in page.song.hook:
        at = step % grammar.STEPS_IN_BAR
        if step // grammar.STEPS_IN_BAR != half or at >= _sounding_until(bar):
            continue
        # Where the bar is heavy the tune sits on the chord.
        heavy = at % 8 == 0 or steps >= 4
        chord = bar.chord_at(at)
        pitch = grammar.settled(tune, page.song.key, chord) if heavy else tune
        page.put("hook", bar, at, steps, pitch, 0.85 * bar.force(at))
