"""Patterns of one bar: bounce, footwork, trunk and arms, drawn from a vocabulary.

Every pattern function takes a generator, a genre's vocabulary and a phrase style, and returns the
events of one bar in the left-handed version. Degrees, metres, beats.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.corpus.choreography import body
from kinetune.corpus.choreography.moves import (
    ARM_POSES,
    STEPS,
    STEPS_IN_THREE,
    Event,
    Vocabulary,
    Weights,
)
from kinetune.timebase import BEATS_IN_BAR

Array = NDArray[np.float64]
_PARTS = ("lift", "fore", "twist", "elbow", "wrist")


@dataclass(frozen=True)
class PhraseStyle:
    """How a phrase is danced.

    Strength 0 to 1, size, sharpness, half the width of the stance, handedness, beats to the bar.
    """

    strength: float
    size: float
    snap: float
    stance_m: float
    mirrored: bool
    metre: int = BEATS_IN_BAR


def _choose(rng: np.random.Generator, weights: Weights) -> str:
    share = np.array(list(weights.values()), dtype=float)
    return list(weights)[int(rng.choice(len(share), p=share / share.sum()))]


def neutral_pose(phrase: PhraseStyle) -> dict[str, float]:
    """Return the pose that a phrase is scaled about, by control."""
    rest = dict.fromkeys(body.CONTROLS, 0.0)
    rest["drop"] = 0.03
    rest["spine_pitch"] = 5.0
    for side, sign in (("left", 1.0), ("right", -1.0)):
        rest[f"{side}_foot_x"] = sign * phrase.stance_m
        rest[f"{side}_foot_yaw"] = sign * 12.0
        rest |= {f"{side}_{p}": v for p, v in zip(_PARTS, ARM_POSES["hang"], strict=True)}
    return rest


def bounce(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """The knees bend, or the body rises, on every beat; head and shoulders follow."""
    if phrase.metre == 3:
        return _fall_and_rise(rng, vocabulary, phrase)
    depth = vocabulary.bounce_m * rng.uniform(0.6, 1.5)
    up = rng.random() < vocabulary.upward
    kind = rng.choice(
        3, p=[1 - vocabulary.double - vocabulary.half, vocabulary.double, vocabulary.half]
    )
    period = (1.0, 0.5, 2.0)[kind]
    depth *= (1.0, 0.6, 1.3)[kind]
    nod, lean = rng.uniform(2.0, 12.0), rng.uniform(-6.0, 8.0)
    out: list[Event] = []
    for beat in np.arange(0.0, phrase.metre, period):
        for at, down in ((beat, not up), (beat + 0.5 * period, up)):
            out.append(Event("drop", at, 0.03 + depth if down else 0.03, 0.3 * phrase.snap))
            out.append(Event("head_pitch", at, nod if down else -0.4 * nod))
            out.append(Event("hips_pitch", at, lean if down else 0.0))
            shrug = 6.0 if not down else 0.0
            out.extend(Event(f"{side}_shrug", at, shrug) for side in ("left", "right"))
    return out


def _fall_and_rise(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """In three: the knees bend deeply on the first beat, the body rises on the others."""
    depth = vocabulary.bounce_m * rng.uniform(1.0, 1.8)
    nod = rng.uniform(2.0, 12.0)
    out: list[Event] = []
    for beat, share in ((0.0, 1.0), (1.0, 0.3), (2.0, 0.15)):
        out.append(Event("drop", beat, 0.03 + share * depth, 0.3 * phrase.snap))
        out.append(Event("drop", beat + 0.5, 0.03, 0.0))
        out.append(Event("head_pitch", beat, share * nod))
    return out


def footwork(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """One of the genre's steps; a calm body stands."""
    steps, weights = STEPS, vocabulary.steps
    if phrase.metre == 3:
        steps, weights = STEPS_IN_THREE, dict.fromkeys(STEPS_IN_THREE, 1.0)
    name = _choose(rng, weights) if phrase.strength > 0.18 else "stand"
    reach = rng.uniform(0.75, 1.2)
    heel = rng.uniform(0.0, 22.0) * (rng.random() < 0.4)
    out: list[Event] = []
    for step in steps[name]:
        sign = 1.0 if step.foot == "left" else -1.0
        values = {
            "x": sign * phrase.stance_m + reach * step.x,
            "z": reach * step.z,
            "y": reach * step.y,
            "yaw": sign * 12.0 + 40.0 * step.x,
        }
        ease = 0.35 + 0.4 * max(phrase.snap, 0.0)
        out.extend(Event(f"{step.foot}_foot_{k}", step.beat, v, ease) for k, v in values.items())
        if heel:
            out.append(Event(f"{step.foot}_foot_heel", step.beat + 0.5, heel))
            out.append(Event(f"{step.foot}_foot_heel", step.beat + 1.0, 0.0))
    return out


def trunk(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """Spine, hips and head turn, lean and sway, alternating or at random."""
    every = float(rng.choice([0.5, 1.0, 1.0, 2.0]))
    controls = ("spine_yaw", "spine_roll", "spine_pitch", "hips_yaw", "hips_roll", "sway_x",
                "sway_z", "head_yaw", "head_roll")  # fmt: skip
    scale = dict.fromkeys(controls, vocabulary.trunk) | {"sway_x": 0.05, "sway_z": 0.03}
    scale |= {"hips_roll": 0.5 * vocabulary.trunk, "head_yaw": 1.3 * vocabulary.trunk}
    active = [c for c in controls if rng.random() < 0.6]
    out: list[Event] = []
    for control in active:
        swing = scale[control] * rng.uniform(0.4, 1.3) * rng.choice([-1.0, 1.0])
        shape = rng.choice([0, 0, 1])
        for count, beat in enumerate(np.arange(0.0, phrase.metre, every)):
            value = swing * (-1) ** count if shape == 0 else swing * rng.uniform(-1.0, 1.0)
            out.append(Event(control, float(beat), value + 5.0 * (control == "spine_pitch"),
                             0.6 * phrase.snap))  # fmt: skip
    return out


def _arm_events(side: str, beat: float, pose: Iterable[float], ease: float) -> list[Event]:
    return [
        Event(f"{side}_{part}", beat, value, ease) for part, value in zip(_PARTS, pose, strict=True)
    ]


def _any_pose(rng: np.random.Generator, vocabulary: Vocabulary) -> Array:
    name = vocabulary.poses[int(rng.integers(len(vocabulary.poses)))]
    return np.array(ARM_POSES[name]) + rng.normal(0.0, [9.0, 9.0, 8.0, 9.0, 6.0])


def _arms_cycle(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """A pose on every beat or two, both arms together or each its own."""
    every = float(rng.choice([1.0, 1.0, 2.0] if phrase.strength < 0.75 else [0.5, 1.0, 1.0]))
    together = rng.random() < 0.4
    poses = [(_any_pose(rng, vocabulary), _any_pose(rng, vocabulary)) for _ in range(2)]
    out: list[Event] = []
    for count, beat in enumerate(np.arange(0.0, phrase.metre, every)):
        left, right = poses[count % 2]
        if count >= 2 and not together:
            left, right = right, left
        out += _arm_events("left", beat, left, phrase.snap)
        out += _arm_events("right", beat, left if together else right, phrase.snap)
    return out


def _arms_alternate(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """One arm on the odd beats, the other on the even ones."""
    home, away = _any_pose(rng, vocabulary), _any_pose(rng, vocabulary)
    out: list[Event] = []
    for beat in range(phrase.metre):
        first, second = ("left", "right") if beat % 2 == 0 else ("right", "left")
        out += _arm_events(first, beat, away, phrase.snap)
        out += _arm_events(second, beat, home, phrase.snap)
    return out


def _arms_swing(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """Arms swing like a walker's, one forth while the other goes back."""
    every = float(rng.choice([1.0, 1.0, 0.5, 2.0]))
    size = rng.uniform(0.5, 1.4)
    front, back = (np.array(ARM_POSES[n]) for n in ("swing-front", "swing-back"))
    middle = 0.5 * (front + back)
    out: list[Event] = []
    for count, beat in enumerate(np.arange(0.0, phrase.metre, every)):
        poses = [middle + size * (p - middle) for p in (front, back)][:: 1 if count % 2 else -1]
        out += _arm_events("left", beat, poses[0], 0.3 * phrase.snap)
        out += _arm_events("right", beat, poses[1], 0.3 * phrase.snap)
    return out


def _arms_hit(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """Snap into a pose, hold it, snap into the next, sometimes on the half-beat."""
    beats = np.arange(float(phrase.metre))
    beats += 0.5 * (rng.random(phrase.metre) < 0.2)
    beats = beats[rng.random(phrase.metre) < 0.85]
    out: list[Event] = []
    for beat in beats if len(beats) else np.zeros(1):
        for side in ("left", "right"):
            if rng.random() < 0.75:
                out += _arm_events(side, beat, _any_pose(rng, vocabulary), max(phrase.snap, 0.6))
        out.append(Event("spine_pitch", beat - 0.25, 8.0))
        out.append(Event("spine_pitch", beat, -6.0, 0.7))
        out.append(Event("spine_pitch", beat + 0.5, 4.0))
    return out


def _arms_wave(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """A wave from one hand through the shoulders to the other, over two or four beats."""
    span = float(rng.choice([2.0, 4.0]))
    size = rng.uniform(18.0, 45.0)
    chain = ("wrist", "elbow", "lift", "shrug")
    order = [("left", part) for part in chain] + [("right", part) for part in chain[::-1]]
    base = dict(zip(_PARTS, ARM_POSES["out"], strict=True)) | {"shrug": 0.0}
    out = _arm_events("left", 0.0, ARM_POSES["out"], 0.3)
    out += _arm_events("right", 0.0, ARM_POSES["out"], 0.3)
    for start in np.arange(0.0, phrase.metre, span):
        for index, (side, part) in enumerate(order):
            peak = start + span * (index + 1) / 10.0
            swing = size * (0.4 if part == "shrug" else 1.0)
            for at, share in ((-0.3, 0.0), (0.0, 1.0), (0.3, 0.0)):
                value = base[part] + share * swing
                out.append(Event(f"{side}_{part}", peak + at * span / 2, value, -0.3))
    return [e for e in out if e.beat <= phrase.metre]


def _arms_flow(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """Long lines from pose to pose, the hands following the elbows."""
    every = float(rng.choice([1.0, 2.0, 2.0]))
    lag = rng.uniform(0.0, 0.3)
    mirror = rng.random() < 0.5
    out: list[Event] = []
    for beat in np.arange(0.0, phrase.metre, every):
        left = _any_pose(rng, vocabulary)
        right = left if mirror else _any_pose(rng, vocabulary)
        for side, pose in (("left", left), ("right", right)):
            for event in _arm_events(side, beat, pose, -0.2):
                late = lag if event.control.endswith(("elbow", "wrist")) else 0.0
                out.append(event._replace(beat=event.beat + late))
    return out


def _arms_whirl(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """Waacking: the forearm whirls over the shoulder, a full turn every beat or two, then poses."""
    turn = float(rng.choice([1.0, 1.0, 2.0]))
    both = rng.random() < 0.5
    radius = rng.uniform(30.0, 55.0)
    out: list[Event] = []
    for quarter in range(int((phrase.metre - 1) * 4 / turn)):
        angle = 0.5 * np.pi * quarter
        beat = quarter * turn / 4.0
        pose = (95 + radius * np.cos(angle), 25 + radius * np.sin(angle), 40 * np.sin(angle),
                70 + 50 * np.cos(angle), 15 * np.sin(angle))  # fmt: skip
        ease = 0.5 if quarter % 4 == 0 else -0.7
        out += _arm_events("left", beat, pose, ease)
        if both:
            out += _arm_events("right", beat, pose, ease)
    for side in ("left", "right"):
        out += _arm_events(side, phrase.metre - 1.0, _any_pose(rng, vocabulary), 0.7)
    return out


def _arms_lock(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """Locking: point, wrist roll, and the lock itself with the chest closed."""
    out: list[Event] = []
    for beat in range(phrase.metre):
        side, other = ("left", "right") if rng.random() < 0.5 else ("right", "left")
        if rng.random() < 0.35:
            for each in (side, other):
                out += _arm_events(each, beat, ARM_POSES["square-down"], 0.8)
            out += [Event("spine_pitch", beat, 20.0, 0.8), Event("drop", beat, 0.12, 0.8)]
        else:
            out += _arm_events(side, beat, ARM_POSES["guard"], 0.5)
            out += _arm_events(side, beat + 0.5, _any_pose(rng, vocabulary), 0.85)
            out += [Event("spine_pitch", beat + 0.5, -4.0, 0.6)]
    return out


def _arms_strike(
    rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle
) -> list[Event]:
    """Krump: wind up on the half-beat, strike or throw on the beat, chest popping."""
    out: list[Event] = []
    wind, throw = _any_pose(rng, vocabulary), _any_pose(rng, vocabulary)
    both = rng.random() < 0.5
    for beat in range(phrase.metre):
        sides = ("left", "right") if both else (("left",), ("right",))[beat % 2]
        for side in sides:
            out += _arm_events(side, beat - 0.5, wind, 0.3)
            out += _arm_events(side, beat, throw, 0.85)
        out += [Event("spine_pitch", beat - 0.4, 14.0), Event("spine_pitch", beat, -14.0, 0.8)]
    return out


def _arms_low(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """Arms hang and follow the bounce."""
    pose = np.array(ARM_POSES["low"]) + rng.normal(0.0, 8.0, 5)
    out: list[Event] = []
    for beat in np.arange(0.0, phrase.metre, 0.5):
        give = np.array([8.0, 5.0, 0.0, 14.0, 0.0]) * (beat % 1.0 == 0.0)
        for side in ("left", "right"):
            out += _arm_events(side, beat, pose + give, 0.0)
    return out


_Pattern = Callable[[np.random.Generator, Vocabulary, PhraseStyle], list[Event]]
_ARMS: dict[str, _Pattern] = {
    "cycle": _arms_cycle,
    "alternate": _arms_alternate,
    "swing": _arms_swing,
    "hit": _arms_hit,
    "wave": _arms_wave,
    "flow": _arms_flow,
    "whirl": _arms_whirl,
    "lock": _arms_lock,
    "strike": _arms_strike,
    "low": _arms_low,
}


def arms(rng: np.random.Generator, vocabulary: Vocabulary, phrase: PhraseStyle) -> list[Event]:
    """One of the genre's arm patterns; calm arms hang."""
    calm = phrase.strength < 0.25
    return (_arms_low if calm else _ARMS[_choose(rng, vocabulary.arms)])(rng, vocabulary, phrase)
