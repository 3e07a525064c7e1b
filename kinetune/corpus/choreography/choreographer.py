"""Choreography from a seed: phrases of a genre's moves on a steady beat.

A dance consists of phrases of two bars. Each draws footwork, arms, trunk and head from its
genre's vocabulary, varied and mirrored. Targets fall on beats and half-beats, so the body slows
down or stops there. Beats are counted from the downbeat at or before the start; seconds, metres,
degrees.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import genres
from kinetune.corpus.choreography import body, patterns
from kinetune.corpus.choreography.curves import add_capture_noise, add_idle_motion, sample_curves
from kinetune.corpus.choreography.dance import Dance, DanceRequest, annotate
from kinetune.corpus.choreography.moves import VOCABULARIES, Event, Vocabulary
from kinetune.corpus.choreography.patterns import PhraseStyle, neutral_pose
from kinetune.corpus.choreography.timing import timing_of

Array = NDArray[np.float64]
PHRASE_BARS = 2
# The tempo at which moves have their plain size.
_SIZE_BPM = 105.0
# Shifts of a limb that dances off the beat, in beats; how often that is, and how often a move is
# left out, at full looseness.
_OFF_BEATS = (0.5, -0.25, 0.25, 0.33, 0.15, -0.15, 0.66)
_OFF_BEAT_PROBABILITY = 0.75
_LEFT_OUT_PROBABILITY = 0.4
_LATERAL = ("sway_x", "hips_yaw", "hips_roll", "spine_yaw", "spine_roll", "head_yaw", "head_roll")
_MAKERS = (patterns.bounce, patterns.footwork, patterns.trunk, patterns.arms)


@dataclass(frozen=True)
class DancerStyle:
    """A dancer: size of all moves, and looseness against the beat, 0 to 1."""

    size: float
    looseness: float


def choreograph(seed: int, request: DanceRequest) -> Dance:
    """Return a dance made of phrases of its genre's moves.

    Args:
        seed: Same seed, same dance.
        request: Properties of the dance.
    """
    code = request.code
    rng = np.random.default_rng([seed, 101, genres.genre_index(code)])
    bar_s = request.metre * request.period_s
    offset_s = request.draw_first_beat_s(rng)
    origin_s = offset_s % bar_s - bar_s
    bars = int(np.ceil((request.duration_s - origin_s) / bar_s)) + 1
    plan = _draw_energy_plan(rng, bars)
    timing = timing_of(code)
    loose = float(np.clip(rng.beta(1.8, 1.6) + timing.looseness, 0.0, 1.0))
    style = DancerStyle(float(np.sqrt(_SIZE_BPM / request.bpm)), loose)
    events = _write_dance(rng, VOCABULARIES[code], plan, style, request.metre)
    beats = (request.frame_times_s - origin_s) / request.period_s
    curves = sample_curves(rng, events, beats, request.bpm, request.fps, timing=timing)
    curves = add_idle_motion(rng, curves, style.looseness, request.fps)
    clip = body.clip_from_controls(curves, fps=request.fps, name=f"{code.lower()}-{seed}")
    clip = add_capture_noise(rng, clip)
    return annotate(clip, offset_s, request.bpm, code, planned=plan, metre=request.metre)


def _draw_energy_plan(rng: np.random.Generator, bars: int) -> Array:
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


def _mirror_event(event: Event) -> Event:
    name, value = event.control, event.value
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            sign = -1.0 if name.endswith(("foot_x", "foot_yaw")) else 1.0
            return event._replace(control=other + name[len(side) :], value=sign * value)
    return event._replace(value=-value) if name in _LATERAL else event


def _place_pattern(pattern: list[Event], phrase: PhraseStyle, start: float) -> list[Event]:
    """A pattern moved to ``start``, scaled about the neutral pose, mirrored where the phrase is."""
    rest = neutral_pose(phrase)
    out = []
    for event in pattern:
        value = rest[event.control] + phrase.size * (event.value - rest[event.control])
        event = event._replace(beat=start + event.beat, value=value)
        out.append(_mirror_event(event) if phrase.mirrored else event)
    return out


def _draw_phrase_style(
    rng: np.random.Generator, vocabulary: Vocabulary, strength: float, slow: float
) -> PhraseStyle:
    size = slow * (0.36 + 0.80 * strength) * rng.uniform(0.85, 1.15)
    low, high = vocabulary.snap
    snap = low + (high - low) * np.clip(0.3 + 0.7 * strength + rng.normal(0, 0.15), 0, 1)
    return PhraseStyle(strength, size, float(snap), rng.uniform(0.06, 0.16), False)


def _write_dance(
    rng: np.random.Generator, vocabulary: Vocabulary, plan: Array, style: DancerStyle, metre: int
) -> list[Event]:
    out: list[Event] = []
    heading = rng.uniform(-180.0, 180.0)
    position = np.zeros(2)
    for first in range(0, len(plan), PHRASE_BARS):
        strengths = plan[first : first + PHRASE_BARS]
        phrase = _draw_phrase_style(rng, vocabulary, float(strengths.mean()), style.size)
        phrase = replace(phrase, metre=metre)
        pattern = [event for make in _MAKERS for event in make(rng, vocabulary, phrase)]
        pattern = _loosen(rng, pattern, style.looseness)
        flip = rng.random() < 0.7
        for count, strength in enumerate(strengths):
            start = float(metre * (first + count))
            bar_style = replace(phrase, mirrored=flip and count == 1, strength=float(strength))
            bar = _place_pattern(pattern, bar_style, start) + _special_moves(
                rng, vocabulary, bar_style, start
            )
            turned = heading + _draw_turn(rng, vocabulary, strength)
            out += _to_world(bar, bar_style, start, position, (heading, turned))
            heading, position = turned, position * 0.7 + rng.normal(0.0, 0.12, 2)
    return out


def _loosen(rng: np.random.Generator, pattern: list[Event], looseness: float) -> list[Event]:
    """A pattern with some limbs shifted off the beat and some moves left out."""
    shift = {
        limb: float(rng.choice(_OFF_BEATS))
        if rng.random() < _OFF_BEAT_PROBABILITY * looseness
        else 0.0
        for limb in ("left", "right", "spine", "hips", "head", "sway", "drop")
    }
    out = []
    for event in pattern:
        limb = event.control.partition("_")[0]
        if "foot" in event.control:
            out.append(event)
        elif rng.random() > _LEFT_OUT_PROBABILITY * looseness:
            out.append(event._replace(beat=event.beat + shift.get(limb, 0.0)))
    return out


def _draw_turn(rng: np.random.Generator, vocabulary: Vocabulary, strength: float) -> float:
    if rng.random() < vocabulary.turn * (0.4 + strength) / 2:
        return float(rng.choice([-360.0, -180.0, -90.0, 90.0, 180.0, 360.0]))
    return float(rng.normal(0.0, 8.0))


def _special_moves(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle, start: float
) -> list[Event]:
    """A jump, a bar near the floor, or a freeze, by chance; they override other events."""
    out: list[Event] = []
    if rng.random() < vocabulary.jump * (0.3 + phrase.strength):
        at, high = start + float(rng.integers(1, phrase.metre)), rng.uniform(0.08, 0.28)
        hop = ((-0.45, 0.0), (-0.2, high), (0.0, 0.0))
        out += [Event("hop", at + before, value) for before, value in hop]
        out += [Event("drop", at - 0.6, 0.16), Event("drop", at, 0.15)]
    if rng.random() < vocabulary.low * (0.3 + phrase.strength):
        deep = rng.uniform(0.22, 0.5)
        out += [Event("drop", start + beat, deep - 0.05 * (beat % 2)) for beat in range(3)]
        up = start + phrase.metre - 0.5
        out += [Event("spine_pitch", start, 25.0), Event("drop", up, 0.05)]
    if rng.random() < vocabulary.freeze:
        at = min(float(rng.choice([2.0, 2.0, 3.0, 1.0])), phrase.metre - 1.0)
        out.append(Event("freeze", start + at, 0.0))
    return out


def _to_world(
    bar: list[Event],
    phrase: PhraseStyle,
    start: float,
    position: Array,
    headings: tuple[float, float],
) -> list[Event]:
    """A bar in world coordinates: feet on the floor, turned with the heading; freezes applied."""
    freeze = min((e.beat for e in bar if e.control == "freeze"), default=np.inf)
    bar = [
        e for e in bar if e.control != "freeze" and not freeze < e.beat < start + phrase.metre - 0.1
    ]
    old, new = headings
    turning = abs(new - old) > 45.0
    out = [e for e in bar if "_foot_" not in e.control]
    # A turn takes all beats but the last; the feet follow in alternating steps.
    turn_beats = phrase.metre - 1.0
    out += [Event("heading", start, old), Event("heading", start + turn_beats, new, -0.3)]
    feet = [] if turning else [e for e in bar if "_foot_" in e.control]
    if turning:
        for count, beat in enumerate(np.arange(0.5, turn_beats + 0.6, 0.5)):
            side = "left" if count % 2 else "right"
            rest = neutral_pose(phrase)
            feet += [Event(f"{side}_foot_{k}", start + beat, rest[f"{side}_foot_{k}"], 0.4)
                     for k in ("x", "z", "y", "yaw")]  # fmt: skip
    share = {e.beat: float(np.clip((e.beat - start) / turn_beats, 0.0, 1.0)) for e in feet}
    out += _world_feet(feet, position, {b: old + s * (new - old) for b, s in share.items()})
    return out


def _world_feet(feet: list[Event], position: Array, heading: dict[float, float]) -> list[Event]:
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
        ball = body.ball_position(
            side,
            position[0] + np.cos(angle) * x + np.sin(angle) * z,
            position[1] - np.sin(angle) * x + np.cos(angle) * z,
            yaw,
        )
        world = {"x": ball[0], "z": ball[1], "yaw": yaw}
        out += [parts[p]._replace(value=world.get(p, parts[p].value)) for p in parts]
    return out
