"""Dances from a seed: phrases of a genre's moves on a steady beat.

A dance is laid out in phrases of eight beats, each drawing footwork, arms, trunk and head from its
genre's vocabulary, varied and mirrored; targets fall on beats and half-beats, so the body slows
or hits there. Beats are counted from the downbeat at or before the start; seconds, metres,
degrees.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import genres, timebase
from kinetune.corpus.choreography import body, patterns
from kinetune.corpus.choreography.curves import sample_curves, with_capture_noise, with_unrest
from kinetune.corpus.choreography.moves import VOCABULARIES, Event, Vocabulary
from kinetune.corpus.choreography.patterns import Mood, neutral
from kinetune.errors import ConfigError
from kinetune.motion.clip import MotionClip
from kinetune.timebase import BEATS_IN_BAR

Array = NDArray[np.float64]
PHRASE_BARS = 2
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
# A body whose joints move at this mean speed has energy 1.
_FULL_SPEED_M_S = 1.1
# Where a limb that dances off the beat goes, in beats; how often it does at full looseness.
_OFF_BEATS = (0.5, -0.25, 0.25, 0.33, 0.15, -0.15, 0.66)
_OFF_BEAT_CHANCE = 0.75
_LEFT_OUT_CHANCE = 0.4
_LATERAL = ("sway_x", "hips_yaw", "hips_roll", "spine_yaw", "spine_roll", "head_yaw", "head_roll")
_MAKERS = (patterns.bounce, patterns.footwork, patterns.trunk, patterns.arms)


@dataclass(frozen=True, eq=False)
class Dance:
    """A dance and what it was danced to.

    Attributes:
        clip: The motion.
        beats_s: Times of the beats inside the clip, seconds.
        downbeats_s: Those beats that open a bar of four.
        bpm: Beats a minute.
        genre: Two-letter code.
        energy: How strongly the body moves in each beat, 0 to 1, shape (n_beats,).
    """

    clip: MotionClip
    beats_s: Array
    downbeats_s: Array
    bpm: float
    genre: str
    energy: Array


@dataclass(frozen=True)
class _Manner:
    """How one dancer dances all along: size for the tempo, and looseness against the beat."""

    size: float
    loose: float


def choreograph(
    seed: int,
    *,
    genre: str,
    bpm: float,
    duration_s: float,
    first_beat_s: float | None = None,
    fps: float = 60.0,
) -> Dance:
    """Return a dance of ``genre`` at ``bpm``.

    Args:
        seed: Same seed, same dance.
        genre: Name or code, see kinetune/genres.py.
        bpm: Beats a minute, 60 to 180.
        duration_s: Length in seconds, positive.
        first_beat_s: Time of a downbeat; the beat grid extends both ways. Drawn within the first
            bar when left out.
        fps: Frames a second of the clip.

    Raises:
        ConfigError: The genre is unknown or a number is out of range.
    """
    code = genres.genre_code(genre)
    check_asked(bpm, duration_s, fps)
    rng = np.random.default_rng([seed, 101, genres.genre_index(code)])
    bar_s = BEATS_IN_BAR * timebase.beat_period_s(bpm)
    offset = float(rng.uniform(0.0, bar_s)) if first_beat_s is None else first_beat_s
    origin_s = offset % bar_s - bar_s
    bars = int(np.ceil((duration_s - origin_s) / bar_s)) + 1
    plan = _energy_arc(rng, bars)
    style = _Manner(float(np.sqrt(105.0 / bpm)), float(rng.beta(1.8, 1.6)))
    events = _write_dance(rng, VOCABULARIES[code], plan, style)
    times = timebase.frame_times(timebase.frames_in(duration_s, fps), fps)
    curves = sample_curves(rng, events, (times - origin_s) / timebase.beat_period_s(bpm), bpm, fps)
    curves = with_unrest(rng, curves, style.loose, fps)
    clip = body.clip_from_controls(curves, fps=fps, name=f"{code.lower()}-{seed}")
    clip = with_capture_noise(rng, clip)
    return measured(clip, offset, bpm, code, planned=plan)


def check_asked(bpm: float, duration_s: float, fps: float) -> None:
    """Check what a dance is asked to be.

    Raises:
        ConfigError: A number is out of range.
    """
    if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
        raise ConfigError(f"bpm must be {SLOWEST_BPM:g} to {FASTEST_BPM:g}, found {bpm}")
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ConfigError(f"the duration must be positive, found {duration_s} s")
    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError(f"the frame rate must be positive, found {fps}")
    if timebase.frames_in(duration_s, fps) < 1:
        raise ConfigError(f"{duration_s} s at {fps} fps holds no frame; ask for a longer dance")


def measured(
    clip: MotionClip, first_beat_s: float, bpm: float, code: str, *, planned: Array | None = None
) -> Dance:
    """Return a clip danced to a steady beat as a :class:`Dance`: its beats, bars and energy.

    Args:
        clip: The motion.
        first_beat_s: Time of any downbeat, seconds.
        bpm: Beats a minute.
        code: Two-letter genre.
        planned: Intended strength of the bars from the one before the clip on, (bars,); it counts
            for a fifth of the energy. The body alone speaks where it is left out.
    """
    period_s = timebase.beat_period_s(bpm)
    beats = timebase.beat_times(bpm, first_beat_s, clip.duration_s)
    index = np.round((beats - first_beat_s) / period_s).astype(int)
    speed = gaussian_filter1d(body.mean_speed_m_s(clip), 2.0, mode="nearest")
    times = timebase.frame_times(clip.frame_count, clip.fps)
    frame_of = np.searchsorted(times, beats).clip(0, clip.frame_count - 1)
    # The stretch from one beat to the next; the last one ends with the clip.
    moved = (
        np.add.reduceat(speed, frame_of) / np.diff(np.append(frame_of, clip.frame_count)).clip(1)
        if len(beats)
        else np.zeros(0)
    )
    energy = moved / _FULL_SPEED_M_S
    if planned is not None:
        bar_s = BEATS_IN_BAR * period_s
        bar = np.floor((beats - (first_beat_s % bar_s - bar_s)) / bar_s + 1e-6)
        energy = 0.8 * energy + 0.2 * planned[bar.astype(int).clip(0, len(planned) - 1)]
    bars = beats[index % BEATS_IN_BAR == 0]
    return Dance(clip, beats, bars, float(bpm), code, np.clip(energy, 0.0, 1.0))


def _energy_arc(rng: np.random.Generator, bars: int) -> Array:
    """Planned strength of every bar, 0 to 1, in blocks of two to four bars."""
    out: list[float] = []
    level = float(rng.uniform(0.25, 0.9))
    while len(out) < bars:
        length = int(rng.choice([2, 2, 4]))
        slope = rng.normal(0.0, 0.06)
        out.extend(level + slope * step for step in range(length))
        # Contrast is more likely than more of the same.
        level = float(np.clip(level + rng.normal(0.0, 0.35), 0.05, 1.0))
    return np.clip(np.array(out[:bars]), 0.03, 1.0)


def _mirror(event: Event) -> Event:
    name, value = event.control, event.value
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            sign = -1.0 if name.endswith(("foot_x", "foot_yaw")) else 1.0
            return event._replace(control=other + name[len(side) :], value=sign * value)
    return event._replace(value=-value) if name in _LATERAL else event


def _placed(pattern: list[Event], mood: Mood, start: float) -> list[Event]:
    """A pattern at its place in the dance: sized about the neutral pose, mirrored if asked."""
    rest = neutral(mood)
    out = []
    for event in pattern:
        value = rest[event.control] + mood.size * (event.value - rest[event.control])
        event = event._replace(beat=start + event.beat, value=value)
        out.append(_mirror(event) if mood.mirrored else event)
    return out


def _draw_mood(rng: np.random.Generator, words: Vocabulary, strength: float, slow: float) -> Mood:
    size = slow * (0.36 + 0.80 * strength) * rng.uniform(0.85, 1.15)
    low, high = words.snap
    snap = low + (high - low) * np.clip(0.3 + 0.7 * strength + rng.normal(0, 0.15), 0, 1)
    return Mood(strength, size, float(snap), rng.uniform(0.06, 0.16), False)


def _write_dance(
    rng: np.random.Generator, words: Vocabulary, plan: Array, style: _Manner
) -> list[Event]:
    out: list[Event] = []
    heading = rng.uniform(-180.0, 180.0)
    place = np.zeros(2)
    for first in range(0, len(plan), PHRASE_BARS):
        strengths = plan[first : first + PHRASE_BARS]
        mood = _draw_mood(rng, words, float(strengths.mean()), style.size)
        pattern = [event for make in _MAKERS for event in make(rng, words, mood)]
        pattern = _loosened(rng, pattern, style.loose)
        flip = rng.random() < 0.7
        for count, strength in enumerate(strengths):
            start = float(BEATS_IN_BAR * (first + count))
            mine = replace(mood, mirrored=flip and count == 1, strength=float(strength))
            bar = _placed(pattern, mine, start) + _specials(rng, words, mine, start)
            turned = heading + _turn_of(rng, words, strength)
            out += _on_stage(bar, mine, start, place, (heading, turned))
            heading, place = turned, place * 0.7 + rng.normal(0.0, 0.12, 2)
    return out


def _loosened(rng: np.random.Generator, pattern: list[Event], loose: float) -> list[Event]:
    """Some limbs dance off the beat, and some moves are left out: nobody is a metronome."""
    shift = {
        limb: float(rng.choice(_OFF_BEATS)) if rng.random() < _OFF_BEAT_CHANCE * loose else 0.0
        for limb in ("left", "right", "spine", "hips", "head", "sway", "drop")
    }
    out = []
    for event in pattern:
        limb = event.control.partition("_")[0]
        if "foot" in event.control:
            out.append(event)
        elif rng.random() > _LEFT_OUT_CHANCE * loose:
            out.append(event._replace(beat=event.beat + shift.get(limb, 0.0)))
    return out


def _turn_of(rng: np.random.Generator, words: Vocabulary, strength: float) -> float:
    if rng.random() < words.turn * (0.4 + strength) / 2:
        return float(rng.choice([-360.0, -180.0, -90.0, 90.0, 180.0, 360.0]))
    return float(rng.normal(0.0, 8.0))


def _specials(rng: np.random.Generator, words: Vocabulary, mood: Mood, start: float) -> list[Event]:
    """Now and then a jump, a bar near the floor, or a freeze, overriding what else goes on."""
    out: list[Event] = []
    if rng.random() < words.jump * (0.3 + mood.strength):
        at, high = start + float(rng.integers(1, 4)), rng.uniform(0.08, 0.28)
        hop = ((-0.45, 0.0), (-0.2, high), (0.0, 0.0))
        out += [Event("hop", at + before, value) for before, value in hop]
        out += [Event("drop", at - 0.6, 0.16), Event("drop", at, 0.15)]
    if rng.random() < words.low * (0.3 + mood.strength):
        deep = rng.uniform(0.22, 0.5)
        out += [Event("drop", start + beat, deep - 0.05 * (beat % 2)) for beat in range(3)]
        out += [Event("spine_pitch", start, 25.0), Event("drop", start + 3.5, 0.05)]
    if rng.random() < words.freeze:
        out.append(Event("freeze", start + float(rng.choice([2.0, 2.0, 3.0, 1.0])), 0.0))
    return out


def _on_stage(
    bar: list[Event], mood: Mood, start: float, place: Array, headings: tuple[float, float]
) -> list[Event]:
    """Feet from the body's own frame to the floor, turning with the heading; freezes applied."""
    freeze = min((e.beat for e in bar if e.control == "freeze"), default=np.inf)
    bar = [e for e in bar if e.control != "freeze" and not freeze < e.beat < start + 3.9]
    old, new = headings
    turning = abs(new - old) > 45.0
    out = [e for e in bar if "_foot_" not in e.control]
    # A turn takes beats one to three: the body swings round, the feet step after it
    # in turn.
    out += [Event("heading", start, old), Event("heading", start + 3.0, new, -0.3)]
    feet = [] if turning else [e for e in bar if "_foot_" in e.control]
    if turning:
        for count, beat in enumerate(np.arange(0.5, 3.6, 0.5)):
            side = "left" if count % 2 else "right"
            rest = neutral(mood)
            feet += [Event(f"{side}_foot_{k}", start + beat, rest[f"{side}_foot_{k}"], 0.4)
                     for k in ("x", "z", "y", "yaw")]  # fmt: skip
    share = {e.beat: float(np.clip((e.beat - start) / 3.0, 0.0, 1.0)) for e in feet}
    out += _world_feet(feet, place, {b: old + s * (new - old) for b, s in share.items()})
    return out


def _world_feet(feet: list[Event], place: Array, heading: dict[float, float]) -> list[Event]:
    table: dict[tuple[str, float], dict[str, Event]] = {}
    for event in feet:
        side, _, part = event.control.split("_")
        table.setdefault((side, event.beat), {})[part] = event
    out: list[Event] = []
    for (side, beat), parts in table.items():
        if "x" not in parts:
            out += parts.values()
            continue
        angle, yaw = np.deg2rad(heading[beat]), heading[beat] + parts["yaw"].value
        x, z = parts["x"].value, parts["z"].value
        ball = body.ball_of(
            side,
            place[0] + np.cos(angle) * x + np.sin(angle) * z,
            place[1] - np.sin(angle) * x + np.cos(angle) * z,
            yaw,
        )
        world = {"x": ball[0], "z": ball[1], "yaw": yaw}
        out += [parts[p]._replace(value=world.get(p, parts[p].value)) for p in parts]
    return out
