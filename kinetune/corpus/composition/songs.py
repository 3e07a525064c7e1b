"""The material of one song, drawn from a style: key, chords, rhythms, sounds and mix."""

from dataclasses import dataclass

import numpy as np

from kinetune import timebase
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.grammar import Chord, Layer, Style
from kinetune.corpus.composition.music_score import Mix, Part
from kinetune.corpus.rendering.instruments_table import VOICES
from kinetune.corpus.rendering.synthesis import Timbre

PHRASE_BARS = 4
# The fixed parts: level, width of the pan, send to the room, ducked by the kick.
_DESK: dict[str, tuple[float, float, float, bool]] = {
    "kick": (1.2, 0.0, 0.02, False),
    "snare": (0.85, 0.05, 0.25, False),
    "layer": (0.45, 0.1, 0.3, False),
    "hat": (0.23, 0.25, 0.05, False),
    "open": (0.18, 0.25, 0.08, False),
    "crash": (0.17, 0.4, 0.3, False),
    "tom": (0.95, 0.3, 0.2, False),
    "bass": (0.85, 0.0, 0.0, True),
    "hook": (0.62, 0.2, 0.4, True),
    "accent": (0.6, 0.25, 0.35, False),
    "riser": (0.18, 0.0, 0.3, True),
    "boom": (0.9, 0.0, 0.1, False),
}
# No two engineers cut alike.
_CURVE_SPREAD_DB = 1.2
_LOW = {"kick", "bass", "boom"}
_DRUMS = {"snare", "layer", "hat", "open", "crash", "tom"}
# What sits a calm phrase out: something of the kit always stays to keep time.
_CALM: tuple[tuple[float, frozenset[str]], ...] = (
    (0.45, frozenset({"hat", "open"})),
    (0.3, frozenset({"snare", "layer", "hat", "open"})),
    (0.25, frozenset({"kick", "snare", "layer"})),
)
# Echoes fall on these parts of a beat: dotted eighths, eighths, quarters, triplets.
_ECHO_BEATS = (0.75, 0.75, 0.5, 1.0, 2.0 / 3.0)


@dataclass(frozen=True)
class Line:
    """A layer as a song has it: one part and its two rhythms."""

    layer: Layer
    part: str
    rhythms: tuple[str, str]


@dataclass(frozen=True)
class Song:
    """The material of one song."""

    style: Style
    key: int
    chords: tuple[list[list[Chord]], list[list[Chord]]]
    kick: tuple[str, str]
    snare: str
    hat: tuple[str, str]
    opened: str
    bass: tuple[str, str]
    lines: tuple[Line, ...]
    hook: list[tuple[int, int, int]]
    hook_needs: float
    swing: float
    live_s: float
    phrase_shift: int
    parts: dict[str, Part]
    calm: frozenset[str]


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _two(rng: np.random.Generator, options: tuple[str, ...]) -> tuple[str, str]:
    return _one(rng, options), _one(rng, options)


def _knobs(rng: np.random.Generator) -> Timbre:
    bright, decay, color, drive, tune = rng.beta(1.6, 1.6, 5)
    return Timbre(
        float(bright), float(decay), float(color), float(drive), float(tune),
        int(rng.integers(1 << 30)),
    )  # fmt: skip


def draw_song(rng: np.random.Generator, style: Style, bpm: float) -> Song:
    """Return the material of one song of a style."""
    key = int(rng.integers(12))
    scale = _one(rng, style.scales)
    lines, parts = _draw_parts(rng, style)
    # At fast tempi sixteenths crowd; the sparser of two hats serves.
    hats = sorted(_two(rng, style.hat), key=lambda p: sum(c in "Xxo" for c in p))
    return Song(
        style=style,
        key=key,
        chords=(
            grammar.read_progression(_one(rng, style.progressions)),
            grammar.read_progression(_one(rng, style.progressions)),
        ),
        kick=_two(rng, style.kick),
        snare=_one(rng, style.snare),
        hat=(hats[0], hats[0] if bpm > 125 else hats[1]),
        opened=_one(rng, style.opened),
        bass=_two(rng, style.bass_lines),
        lines=lines,
        hook=grammar.hook(rng, key, scale, style.hook_center, busy=float(rng.random())),
        hook_needs=float(rng.uniform(0.2, 0.5)) if rng.random() < style.hook_chance else 2.0,
        swing=float(rng.uniform(*style.mood.swing)),
        live_s=float(rng.uniform(*style.mood.live)),
        phrase_shift=int(rng.integers(PHRASE_BARS)),
        parts=parts,
        calm=_calm(rng, lines),
    )


def _calm(rng: np.random.Generator, lines: tuple[Line, ...]) -> frozenset[str]:
    """The drums that sit calm phrases out; shakers and the like always do."""
    chances, kits = zip(*_CALM, strict=True)
    kit: frozenset[str] = kits[int(rng.choice(len(kits), p=chances))]
    return kit | {line.part for line in lines if line.layer.role == "drum"}


def _draw_parts(rng: np.random.Generator, style: Style) -> tuple[tuple[Line, ...], dict[str, Part]]:
    kit = style.kits[int(rng.integers(len(style.kits)))]
    parts: dict[str, Part] = {}
    drummed = {f"line{k}" for k, layer in enumerate(style.layers) if layer.role == "drum"}
    echoing = {"hook", *(f"line{k}" for k, layer in enumerate(style.layers) if layer.role == "arp")}

    def add(name: str, voice: str, level: float, place: tuple[float, float], ducked: bool) -> None:
        loud = level * 10.0 ** (rng.normal(0.0, 1.5) / 20.0)
        pan = float(np.clip(rng.normal(0.0, place[0]), -0.8, 0.8))
        bus = "low" if name in _LOW else "drums" if name in _DRUMS | drummed else "music"
        echo = float(rng.uniform(0.3, 1.0)) if name in echoing else 0.0
        parts[name] = Part(name, voice, _knobs(rng), loud, pan, place[1], ducked, bus, echo)

    voices = {
        "kick": kit.kick, "snare": kit.snare, "hat": kit.hat, "open": kit.opened,
        "tom": kit.tom, "crash": kit.crash, "bass": _one(rng, style.bass),
        "hook": _one(rng, style.hook), "boom": style.boom,
        "accent": _one(rng, style.accent),
    }  # fmt: skip
    if kit.layer is not None and rng.random() < 0.8:
        voices["layer"] = kit.layer
    for name, (level, width, send, ducked) in _DESK.items():
        voice = voices.get(name, name)
        if voice in VOICES:
            add(name, voice, level, (width, send), ducked)
    lines: list[Line] = []
    for count, layer in enumerate(style.layers):
        if rng.random() < layer.chance:
            name, voice = f"line{count}", _one(rng, layer.voices)
            add(
                name,
                voice,
                (0.75 if layer.role == "drum" else 1.25) * layer.level,
                (0.45, 0.3),
                layer.role != "drum",
            )
            lines.append(Line(layer, name, _two(rng, layer.patterns)))
    return tuple(lines), parts


def draw_mix(rng: np.random.Generator, style: Style, bpm: float) -> Mix:
    """Return how the song is mixed."""
    mood = style.mood
    return Mix(
        tilt_db=float(rng.uniform(*mood.tilt_db)),
        curve_db=tuple(float(db + rng.normal(0.0, _CURVE_SPREAD_DB)) for db in mood.curve_db),
        loud_db=float(rng.uniform(*mood.loud_db)),
        room_s=float(rng.uniform(0.3, 1.6)),
        wet=float(rng.uniform(*mood.room)),
        drive=float(rng.uniform(*mood.drive)),
        duck=float(rng.uniform(*mood.duck)),
        dust=float(rng.uniform(*mood.dust)),
        seed=int(rng.integers(1 << 30)),
        echo=float(rng.uniform(*mood.echo)),
        echo_s=timebase.beat_period_s(bpm) * float(rng.choice(_ECHO_BEATS)),
        punch=float(rng.uniform(0.0, 0.6)),
        width=float(rng.uniform(0.1, 0.6)),
    )
