"""The material of one song, drawn from a style: key, chords, rhythms, instruments and mix."""

from dataclasses import dataclass

import numpy as np

from kinetune import timebase
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.grammar import Chord
from kinetune.corpus.composition.music_score import Mix, Part
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.synthesis import Timbre
from kinetune.corpus.styles.style import Layer, Style

PHRASE_BARS = 4
# A bar's mean energy never reaches this: a song without a hook.
_NO_HOOK = 2.0


@dataclass(frozen=True)
class _Strip:
    """A channel strip before its song's variation: gain, spread of the pan, reverb send, ducked."""

    level: float
    pan_spread: float
    reverb_send: float
    ducked: bool = False


_STRIPS: dict[str, _Strip] = {
    "kick": _Strip(1.2, 0.0, 0.02),
    "snare": _Strip(0.85, 0.05, 0.25),
    "layer": _Strip(0.45, 0.1, 0.3),
    "hat": _Strip(0.23, 0.25, 0.05),
    "open_hat": _Strip(0.18, 0.25, 0.08),
    "crash": _Strip(0.17, 0.4, 0.3),
    "tom": _Strip(0.95, 0.3, 0.2),
    "bass": _Strip(0.85, 0.0, 0.0, ducked=True),
    "hook": _Strip(0.62, 0.2, 0.4, ducked=True),
    "accent": _Strip(0.6, 0.25, 0.35),
    "riser": _Strip(0.18, 0.0, 0.3, ducked=True),
    "drop": _Strip(0.9, 0.0, 0.1),
}
_LAYER_PAN_SPREAD, _LAYER_REVERB_SEND = 0.45, 0.3
# Gain of a layer's level, percussion and others.
_PERCUSSION_GAIN, _LAYER_GAIN = 0.75, 1.25
# Spread of levels from song to song, and of the tone that a mastering engineer chooses.
_LEVEL_SPREAD_DB, _TONE_SPREAD_DB = 1.5, 1.2
_WIDEST_PAN = 0.8
_LOW = {"kick", "bass", "drop"}
_DRUMS = {"snare", "layer", "hat", "open_hat", "crash", "tom"}
# How often a song's kit plays its layer.
_KIT_LAYER_PROBABILITY = 0.8
# Drums that rest in a calm phrase, with their probabilities; something always keeps time.
_CALM_RESTS: tuple[tuple[float, frozenset[str]], ...] = (
    (0.45, frozenset({"hat", "open_hat"})),
    (0.3, frozenset({"snare", "layer", "hat", "open_hat"})),
    (0.25, frozenset({"kick", "snare", "layer"})),
)
# Time from echo to echo in beats: dotted eighths, eighths, quarters, triplets.
_ECHO_BEATS = (0.75, 0.75, 0.5, 1.0, 2.0 / 3.0)
# Above this tempo both sections play the sparser hat.
_FAST_BPM = 125


@dataclass(frozen=True)
class Line:
    """A layer as a song has it: one part and its two rhythms."""

    layer: Layer
    part: str
    rhythms: tuple[str, str]


@dataclass(frozen=True)
class Song:
    """The material of one song; pairs of rhythms and chords belong to its two sections.

    Attributes:
        style: Where it was drawn from.
        key: Tonic as pitch class, 0 is C.
        chords: Progressions, chords of every bar.
        kick: Rhythms, as all that follow.
        snare: One for both sections.
        hat: For calm and for strong bars.
        open_hat: One for both sections.
        bass: Degrees in rhythm.
        lines: The layers that the song has.
        hook: The tune, two bars of (step, steps, pitch).
        hook_min_energy: Energy of a bar from which the tune plays.
        swing: Delay of every other sixteenth, as a share of one.
        timing_s: Standard deviation of the players from the grid, seconds.
        phrase_offset: How many bars into a phrase the piece begins.
        parts: The instruments by name.
        calm_rests: Parts that rest in calm phrases.
        never_rests: Parts that rest in none.
    """

    style: Style
    key: int
    chords: tuple[list[list[Chord]], list[list[Chord]]]
    kick: tuple[str, str]
    snare: str
    hat: tuple[str, str]
    open_hat: str
    bass: tuple[str, str]
    lines: tuple[Line, ...]
    hook: list[tuple[int, int, int]]
    hook_min_energy: float
    swing: float
    timing_s: float
    phrase_offset: int
    parts: dict[str, Part]
    calm_rests: frozenset[str]
    never_rests: frozenset[str] = frozenset()


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _choose_two(rng: np.random.Generator, options: tuple[str, ...]) -> tuple[str, str]:
    return _choose(rng, options), _choose(rng, options)


def _draw_timbre(rng: np.random.Generator) -> Timbre:
    bright, decay, color, drive, tune = rng.beta(1.6, 1.6, 5)
    return Timbre(
        float(bright), float(decay), float(color), float(drive), float(tune),
        int(rng.integers(1 << 30)),
    )  # fmt: skip


def draw_song(rng: np.random.Generator, style: Style, bpm: float, *, metre: int = 4) -> Song:
    """Return the material of one song of a style.

    Args:
        rng: Source of all that is drawn.
        style: The genre's.
        bpm: Beats a minute.
        metre: Beats to the bar, 3 or 4.

    Raises:
        ConfigError: The style has no bars of three.
    """
    style = style.in_metre(metre)
    key = int(rng.integers(12))
    scale = _choose(rng, style.harmony.scales)
    lines, parts = _draw_parts(rng, style)
    hats = sorted(_choose_two(rng, style.drums.hat), key=lambda p: sum(c in "Xxo" for c in p))
    return Song(
        style=style,
        key=key,
        chords=(
            grammar.read_progression(_choose(rng, style.harmony.progressions)),
            grammar.read_progression(_choose(rng, style.harmony.progressions)),
        ),
        kick=_choose_two(rng, style.drums.kick),
        snare=_choose(rng, style.drums.snare),
        hat=(hats[0], hats[0] if bpm > _FAST_BPM else hats[1]),
        open_hat=_choose(rng, style.drums.open_hat),
        bass=_choose_two(rng, style.bass.rhythms),
        lines=lines,
        hook=grammar.draw_hook(
            rng, key, scale, style.hook.center_pitch, density=float(rng.random()), metre=metre
        ),
        hook_min_energy=float(rng.uniform(0.2, 0.5))
        if rng.random() < style.hook.probability
        else _NO_HOOK,
        swing=float(rng.uniform(*style.mix.swing)),
        timing_s=float(rng.uniform(*style.mix.timing_s)),
        phrase_offset=int(rng.integers(PHRASE_BARS)),
        parts=parts,
        calm_rests=_draw_calm_rests(rng, lines),
    )


def _draw_calm_rests(rng: np.random.Generator, lines: tuple[Line, ...]) -> frozenset[str]:
    """Parts that rest in calm phrases: some drums, and all percussion."""
    chances, kits = zip(*_CALM_RESTS, strict=True)
    kit: frozenset[str] = kits[int(rng.choice(len(kits), p=chances))]
    return kit | {line.part for line in lines if line.layer.role == "drum"}


def _draw_parts(rng: np.random.Generator, style: Style) -> tuple[tuple[Line, ...], dict[str, Part]]:
    """The layers that a song has, and the parts of all that plays."""
    kit = dict(style.drums.kits[int(rng.integers(len(style.drums.kits)))].parts)
    instruments = {
        **kit, "bass": _choose(rng, style.bass.instruments),
        "hook": _choose(rng, style.hook.instruments), "drop": style.drums.drop,
        "accent": _choose(rng, style.accents.instruments), "riser": "riser",
    }  # fmt: skip
    if "layer" in kit and rng.random() >= _KIT_LAYER_PROBABILITY:
        del instruments["layer"]
    parts = {
        name: _draw_part(rng, name, instruments[name], strip, _bus_of(name), echo=name == "hook")
        for name, strip in _STRIPS.items()
        if instruments.get(name) in INSTRUMENTS
    }
    lines: list[Line] = []
    for index, layer in enumerate(style.layers):
        if rng.random() < layer.probability:
            name, instrument = f"line{index}", _choose(rng, layer.instruments)
            drum = layer.role == "drum"
            gain = _PERCUSSION_GAIN if drum else _LAYER_GAIN
            strip = _Strip(gain * layer.level, _LAYER_PAN_SPREAD, _LAYER_REVERB_SEND, not drum)
            bus = "drums" if drum else "music"
            parts[name] = _draw_part(rng, name, instrument, strip, bus, echo=layer.role == "arp")
            lines.append(Line(layer, name, _choose_two(rng, layer.rhythms)))
    return tuple(lines), parts


def _bus_of(name: str) -> str:
    return "low" if name in _LOW else "drums" if name in _DRUMS else "music"


def _draw_part(
    rng: np.random.Generator, name: str, instrument: str, strip: _Strip, bus: str, *, echo: bool
) -> Part:
    level = strip.level * 10.0 ** (rng.normal(0.0, _LEVEL_SPREAD_DB) / 20.0)
    pan = float(np.clip(rng.normal(0.0, strip.pan_spread), -_WIDEST_PAN, _WIDEST_PAN))
    echo_send = float(rng.uniform(0.3, 1.0)) if echo else 0.0
    timbre = _draw_timbre(rng)
    return Part(
        name, instrument, timbre, level, pan, strip.reverb_send, strip.ducked, bus, echo_send
    )


def draw_mix(rng: np.random.Generator, style: Style, bpm: float) -> Mix:
    """Return how the song is mixed."""
    ranges = style.mix
    return Mix(
        tilt_db=float(rng.uniform(*ranges.tilt_db)),
        tone_db=tuple(float(db + rng.normal(0.0, _TONE_SPREAD_DB)) for db in ranges.tone_db),
        loudness_db=float(rng.uniform(*ranges.loudness_db)),
        reverb_s=float(rng.uniform(0.3, 1.6)),
        reverb=float(rng.uniform(*ranges.reverb)),
        saturation=float(rng.uniform(*ranges.saturation)),
        ducking=float(rng.uniform(*ranges.ducking)),
        vinyl_noise=float(rng.uniform(*ranges.vinyl_noise)),
        seed=int(rng.integers(1 << 30)),
        echo=float(rng.uniform(*ranges.echo)),
        echo_s=timebase.beat_period_s(bpm) * float(rng.choice(_ECHO_BEATS)),
        drum_saturation=float(rng.uniform(0.0, 0.6)),
        stereo_width=float(rng.uniform(0.1, 0.6)),
    )
