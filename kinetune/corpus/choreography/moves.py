"""Movement vocabulary of the ten genres as tables: poses, steps, weights.

A *move* is four beats of :class:`Event`, each a control's target at a beat. Degrees for joints,
metres for feet and pelvis, beats for time. The left side is written down; the other side is its
mirror image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Event(NamedTuple):
    """A control's target: ``ease`` 1 waits and snaps, 0 eases in and out, -1 flows through."""

    control: str
    beat: float
    value: float
    ease: float = 0.0


class Step(NamedTuple):
    """A foot's target relative to its neutral position under the body, metres."""

    beat: float
    foot: str
    x: float
    z: float
    y: float = 0.0


#: Arm poses: lift, fore, twist, elbow, wrist in degrees (see corpus/choreography/body.py).
ARM_POSES: Mapping[str, tuple[float, float, float, float, float]] = {
    "hang": (14, 15, 0, 18, 0),
    "low": (32, 25, 0, 30, 5),
    "hip": (48, -18, -20, 95, 20),
    "guard": (38, 62, 30, 112, 5),
    "chest": (62, 78, 5, 105, 0),
    "out": (88, 5, 0, 12, 0),
    "out-low": (58, 8, 0, 15, 10),
    "front": (84, 84, 0, 14, 0),
    "front-low": (50, 75, 0, 25, 0),
    "up": (160, 28, 10, 18, -10),
    "high-v": (132, 15, 0, 10, 0),
    "point-up": (138, 55, 0, 4, 0),
    "point-down": (42, 62, 0, 4, 15),
    "across": (70, 112, 0, 55, 0),
    "square-up": (88, 12, 88, 90, 0),
    "square-down": (84, 15, -70, 88, 0),
    "head": (118, 42, 60, 128, 10),
    "back": (36, -42, 0, 18, -10),
    "crown": (148, 20, 40, 62, 10),
    "robot": (42, 50, 20, 90, 0),
    "swing-front": (46, 70, 0, 40, 0),
    "swing-back": (34, -35, 0, 28, 0),
    "strike": (95, 70, 0, 25, 10),
    "lasso": (125, 40, 40, 75, 20),
    "second": (80, 28, 0, 22, -6),
    "fifth": (150, 48, 15, 50, -8),
    "first": (46, 66, 0, 50, -8),
    "arabesque": (100, 75, 0, 6, -8),
}

_L, _R = "left", "right"
#: Footwork over four beats.
STEPS: Mapping[str, tuple[Step, ...]] = {
    "stand": (),
    "wide": (Step(0, _L, 0.14, 0), Step(0.5, _R, -0.14, 0)),
    "step-touch": (
        Step(0, _L, 0.34, 0), Step(1, _R, 0.30, 0.02), Step(2, _R, -0.06, 0), Step(3, _L, 0.0, 0),
    ),
    "two-step": (
        Step(0, _L, 0.25, 0), Step(1, _R, 0.22, -0.05), Step(2, _L, 0.5, 0), Step(3, _R, 0.42, 0),
    ),
    "rock": (
        Step(0, _L, 0.02, 0.28), Step(1, _L, 0, 0), Step(2, _R, 0, 0.28), Step(3, _R, 0, 0),
    ),
    "back-rock": (
        Step(0, _L, 0.03, -0.30), Step(1, _L, 0, 0), Step(2, _R, 0, -0.30), Step(3, _R, 0, 0),
    ),
    "march": (
        Step(0.5, _L, 0, 0.03, 0.16), Step(1, _L, 0, 0), Step(1.5, _R, 0, 0.03, 0.16),
        Step(2, _R, 0, 0), Step(2.5, _L, 0, 0.03, 0.16), Step(3, _L, 0, 0),
        Step(3.5, _R, 0, 0.03, 0.16), Step(4, _R, 0, 0),
    ),
    "kick": (
        Step(0, _L, 0.02, 0.48, 0.34), Step(1, _L, 0.02, 0), Step(2, _R, 0, 0.48, 0.34),
        Step(3, _R, 0, 0),
    ),
    "kick-side": (
        Step(0, _L, 0.50, 0.1, 0.30), Step(1, _L, 0.0, 0), Step(2, _R, -0.5, 0.1, 0.30),
        Step(3, _R, 0, 0),
    ),
    "cross": (
        Step(0, _L, -0.30, 0.24), Step(1, _L, 0.06, 0), Step(2, _R, 0.30, 0.24),
        Step(3, _R, -0.06, 0),
    ),
    "top-rock": (
        Step(0, _L, -0.16, 0.40), Step(0.5, _R, 0.05, -0.08), Step(1, _L, 0.04, 0),
        Step(1.5, _R, 0, 0), Step(2, _R, 0.16, 0.40), Step(2.5, _L, -0.05, -0.08),
        Step(3, _R, -0.04, 0), Step(3.5, _L, 0, 0),
    ),
    "shuffle": (
        Step(0, _L, 0.22, 0.05), Step(0.5, _R, 0.14, -0.05), Step(1, _L, 0.05, 0.12),
        Step(1.5, _R, 0, 0), Step(2, _R, -0.22, 0.05), Step(2.5, _L, -0.14, -0.05),
        Step(3, _R, -0.05, 0.12), Step(3.5, _L, 0, 0),
    ),
    "loose-legs": (
        Step(0, _L, 0.06, 0.2), Step(0.5, _L, -0.14, 0.05), Step(1, _L, 0, 0),
        Step(1.5, _R, 0.14, 0.05), Step(2, _R, -0.06, 0.2), Step(2.5, _R, 0, 0),
        Step(3, _L, 0.2, 0), Step(3.5, _L, 0, 0),
    ),
    "lunge": (
        Step(0, _L, 0.46, 0.08), Step(2, _L, 0, 0), Step(2.5, _R, -0.46, 0.08), Step(4, _R, 0, 0),
    ),
    "stomp": (
        Step(0.5, _L, 0.1, 0.08, 0.30), Step(1, _L, 0.16, 0.08), Step(2.5, _R, -0.1, 0.08, 0.30),
        Step(3, _R, -0.16, 0.08), Step(3.5, _L, 0, 0), Step(4, _R, 0, 0),
    ),
    "knee-up": (
        Step(0, _L, 0.02, 0.16, 0.36), Step(1, _L, 0.02, 0), Step(2, _R, -0.02, 0.16, 0.36),
        Step(3, _R, 0, 0),
    ),
    "slide": (
        Step(0, _L, 0.55, 0), Step(1, _R, 0.45, 0), Step(2, _R, -0.1, 0), Step(3, _L, 0, 0),
    ),
    "battement": (
        Step(1, _L, 0.10, 0.62, 0.62), Step(2, _L, 0, 0), Step(3, _R, -0.35, -0.45, 0.35),
        Step(4, _R, 0, 0),
    ),
    "chasse": (
        Step(0, _L, 0.3, 0.12), Step(0.5, _R, 0.3, 0.05), Step(1, _L, 0.55, 0.15),
        Step(2, _R, 0.1, 0.1), Step(3, _L, 0.0, 0), Step(3.5, _R, 0, 0),
    ),
}  # fmt: skip

#: Footwork over three beats: a step on the first, a lighter one on each of the others.
STEPS_IN_THREE: Mapping[str, tuple[Step, ...]] = {
    "stand": (),
    "box": (Step(0, _L, 0.02, 0.34), Step(1, _R, -0.10, 0.30), Step(2, _L, -0.04, 0.30)),
    "balance": (Step(0, _L, 0.36, 0.02), Step(1, _R, 0.30, -0.08), Step(2, _L, 0.34, 0.0)),
    "turn-out": (Step(0, _R, -0.22, 0.20), Step(1, _L, 0.10, 0.24), Step(2, _R, -0.04, 0.06)),
    "lunge": (Step(0, _L, 0.46, 0.12), Step(1, _R, 0.05, 0.0, 0.12), Step(2, _L, 0.0, 0.0)),
}

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Vocabulary:
    """What a genre draws its moves from.

    Attributes:
        bounce_m: Depth of the bounce on the beat.
        upward: Probability that the body rises on the beat instead.
        double: Probability of a double-time bounce.
        half: Probability of a half-time bounce.
        steps: Footwork and its weights.
        arms: Arm patterns (see corpus/choreography/patterns.py) and their weights.
        poses: Arm poses.
        snap: Lowest and highest sharpness, 0 to 1.
        trunk: Typical trunk angles, degrees.
        freeze: Probability that a bar ends frozen.
        turn: Probability of a turn in a phrase.
        jump: Probability of a jump in a bar.
        low: Probability of a bar near the floor.
    """

    bounce_m: float
    steps: Weights
    arms: Weights
    poses: tuple[str, ...]
    upward: float = 0.2
    double: float = 0.1
    half: float = 0.1
    snap: tuple[float, float] = (0.2, 0.6)
    trunk: float = 12.0
    freeze: float = 0.08
    turn: float = 0.2
    jump: float = 0.05
    low: float = 0.05


VOCABULARIES: Mapping[str, Vocabulary] = {
    "BR": Vocabulary(
        0.06,
        {"top-rock": 4, "cross": 2, "kick": 1, "rock": 1, "shuffle": 1, "knee-up": 1},
        {"swing": 3, "cycle": 3, "alternate": 2},
        ("out", "across", "guard", "out-low", "chest", "back", "low", "high-v"),
        double=0.25, trunk=14, freeze=0.14, turn=0.25, jump=0.12, low=0.2,
    ),
    "HO": Vocabulary(
        0.055,
        {"shuffle": 4, "loose-legs": 3, "cross": 1, "step-touch": 1, "chasse": 1, "march": 1},
        {"swing": 3, "flow": 3, "low": 2},
        ("hang", "low", "front-low", "out-low", "swing-front", "out"),
        upward=0.4, double=0.3, half=0.0, snap=(0.0, 0.3), trunk=11, freeze=0.03, jump=0.08,
    ),
    "JB": Vocabulary(
        0.045,
        {"battement": 3, "chasse": 3, "lunge": 2, "cross": 1, "kick-side": 2, "slide": 1},
        {"flow": 4, "cycle": 2, "alternate": 1},
        ("second", "fifth", "first", "arabesque", "out", "high-v", "up", "back"),
        upward=0.5, double=0.0, half=0.4, snap=(-0.3, 0.3), trunk=13, freeze=0.08, turn=0.5,
        jump=0.16,
    ),
    "JS": Vocabulary(
        0.045,
        {"lunge": 2, "step-touch": 2, "two-step": 2, "cross": 2, "wide": 1, "slide": 1, "kick": 1},
        {"cycle": 4, "flow": 2, "alternate": 2, "hit": 1},
        ("chest", "out", "head", "up", "hip", "across", "front", "low", "crown"),
        half=0.25, snap=(0.1, 0.7), trunk=15, freeze=0.12, turn=0.35,
    ),
    "KR": Vocabulary(
        0.09,
        {"stomp": 4, "wide": 3, "lunge": 2, "knee-up": 2, "kick": 1},
        {"strike": 4, "hit": 2, "cycle": 2},
        ("strike", "guard", "chest", "up", "out", "back", "lasso", "square-up"),
        half=0.3, snap=(0.5, 0.95), trunk=22, freeze=0.12, jump=0.12, low=0.12,
    ),
    "LH": Vocabulary(
        0.055,
        {"wide": 3, "step-touch": 2, "stand": 2, "two-step": 1, "stomp": 1, "slide": 1},
        {"hit": 3, "cycle": 3, "alternate": 2},
        ("chest", "guard", "front", "hip", "low", "head", "out", "point-down", "robot"),
        half=0.3, snap=(0.3, 0.85), trunk=15, freeze=0.14,
    ),
    "LO": Vocabulary(
        0.055,
        {"kick": 3, "march": 2, "step-touch": 2, "knee-up": 2, "back-rock": 1, "lunge": 1},
        {"lock": 5, "alternate": 2, "swing": 1},
        ("point-up", "point-down", "out", "guard", "square-down", "chest", "hip"),
        upward=0.3, snap=(0.5, 0.9), trunk=14, freeze=0.14, jump=0.1,
    ),
    "MH": Vocabulary(
        0.075,
        {"rock": 3, "step-touch": 3, "back-rock": 2, "two-step": 2, "march": 1, "kick": 1},
        {"swing": 4, "cycle": 2, "alternate": 2},
        ("low", "guard", "chest", "front-low", "out-low", "hang", "swing-front"),
        upward=0.15, snap=(0.1, 0.5), trunk=15, jump=0.07,
    ),
    "PO": Vocabulary(
        0.03,
        {"stand": 4, "step-touch": 2, "slide": 2, "wide": 2, "back-rock": 1},
        {"hit": 5, "wave": 3, "cycle": 1},
        ("robot", "square-up", "square-down", "front", "out", "chest", "hang", "low", "up"),
        half=0.15, snap=(0.7, 0.98), trunk=12, freeze=0.15, turn=0.12, jump=0.0,
    ),
    "WA": Vocabulary(
        0.035,
        {"step-touch": 3, "stand": 2, "kick-side": 1, "lunge": 2, "cross": 1, "two-step": 1},
        {"whirl": 5, "cycle": 3, "flow": 1},
        ("up", "crown", "head", "out", "across", "hip", "second", "high-v", "lasso"),
        upward=0.3, snap=(0.2, 0.7), trunk=13, freeze=0.1, turn=0.25, jump=0.02,
    ),
}  # fmt: skip
