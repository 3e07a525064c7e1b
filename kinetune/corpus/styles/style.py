"""The music of a genre as data, read from a TOML file that a musician can edit.

``styles/<genre>.toml`` explains its own notation; rhythms and chords are parsed by
corpus/composition/grammar.py. Unknown keys, rhythms that are not a bar long, chords that can't be
parsed and instruments that don't exist are errors naming the file. Pitches are MIDI numbers;
energies, levels and probabilities 0 to 1; ranges are (lowest, highest).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path

from kinetune import config, genres
from kinetune.corpus.composition import grammar
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.errors import ConfigError

_FOLDER = Path(__file__).parent
_ROLES = ("chord", "pad", "arp", "drum")
# Hi-hat, open hi-hat, tom and crash of each kind of kit.
_KIT_KINDS: Mapping[str, tuple[str, str, str, str]] = {
    "recorded": ("real_hat", "real_open", "real_tom", "real_crash"),
    "machine": ("machine_hat", "machine_open", "machine_tom", "real_crash"),
    "synthesised": ("hat", "hat_open", "tom", "crash"),
}

# A chord sustained through a bar of three.
_SUSTAINED = ("X===========",)

Range = tuple[float, float]


@dataclass(frozen=True)
class Kit:
    """A drum kit by instrument names.

    Attributes:
        kind: ``recorded``, ``machine`` or ``synthesised``: where hats, toms and crash come from.
        kick: The bass drum.
        snare: The snare drum.
        layer: A second sound played with the snare; none when empty.
        hat: A hi-hat or ride other than the kind's own.
    """

    kind: str
    kick: str
    snare: str
    layer: str = ""
    hat: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """The instrument of each drum part of a score."""
        hat, open_hat, tom, crash = _KIT_KINDS[self.kind]
        out = {
            "kick": self.kick, "snare": self.snare, "hat": self.hat or hat, "open_hat": open_hat,
            "tom": tom, "crash": crash,
        }  # fmt: skip
        return out | ({"layer": self.layer} if self.layer else {})


@dataclass(frozen=True)
class Harmony:
    """Scales of the melodies, and chord progressions."""

    scales: tuple[str, ...]
    progressions: tuple[str, ...]


@dataclass(frozen=True)
class Drums:
    """Kits and grooves.

    Attributes:
        kits: Kits to draw from.
        kick: Rhythms of the bass drum.
        snare: Rhythms of the snare.
        hat: Rhythms of the closed hi-hat.
        open_hat: Rhythms of the open hi-hat.
        fill_probability: Probability of a fill where a phrase ends.
        break_probability: Probability that a phrase leaves the drums alone.
        drop: Deep sound under a hit on a leap of energy; none when empty.
    """

    kits: tuple[Kit, ...]
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    open_hat: tuple[str, ...]
    fill_probability: float = 0.6
    break_probability: float = 0.06
    drop: str = ""


@dataclass(frozen=True)
class Bass:
    """Instruments and rhythms of the bass, and the middle of its range."""

    instruments: tuple[str, ...]
    rhythms: tuple[str, ...]
    center_pitch: int = 38


@dataclass(frozen=True)
class Hook:
    """The tune: its instruments, how often a song has one, and the middle of its range."""

    instruments: tuple[str, ...]
    probability: float = 0.6
    center_pitch: int = 72


@dataclass(frozen=True)
class Accents:
    """Instruments of the short chords on sudden moves."""

    instruments: tuple[str, ...] = ("stab",)


@dataclass(frozen=True)
class Layer:
    """A part that accompanies.

    Attributes:
        role: ``chord`` strikes chords, ``pad`` holds them, ``arp`` breaks them, ``drum`` is
            percussion.
        instruments: Instruments to draw from.
        rhythms: Rhythms to draw from.
        level: Level in the mix, 0 to 1.
        center_pitch: Middle of its range.
        min_energy: Energy below which it is silent.
        probability: How often a song has it at all.
    """

    role: str
    instruments: tuple[str, ...]
    rhythms: tuple[str, ...] = ("X===============",)
    level: float = 0.5
    center_pitch: int = 60
    min_energy: float = 0.0
    probability: float = 1.0


@dataclass(frozen=True)
class MixSettings:
    """Ranges the mix of a song is drawn from, 0 to 1 unless the name has a unit.

    ``tone_db`` is no range: the style's spectrum at the six frequencies of mastering.TONE_HZ
    against the mean of popular music. ``swing`` delays every other sixteenth, as a share of one;
    ``timing_s`` is the standard deviation of the players from the grid.
    """

    swing: Range = (0.0, 0.08)
    tone_db: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    tilt_db: Range = (-1.5, 1.5)
    loudness_db: Range = (-1.0, 1.0)
    reverb: Range = (0.08, 0.25)
    saturation: Range = (0.1, 0.4)
    ducking: Range = (0.1, 0.35)
    vinyl_noise: Range = (0.0, 0.0)
    timing_s: Range = (0.002, 0.006)
    echo: Range = (0.0, 0.3)


@dataclass(frozen=True)
class Waltz:
    """What a genre plays in bars of three.

    Attributes:
        share: How often a song of the genre is in three.
        kick: Rhythms of the bass drum, twelve characters, as all that follow.
        snare: Of the snare.
        hat: Of the closed hi-hat.
        open_hat: Of the open hi-hat.
        bass: Of the bass.
        chord: Of layers that strike or break chords.
        drum: Of percussion.
    """

    share: float
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    open_hat: tuple[str, ...]
    bass: tuple[str, ...]
    chord: tuple[str, ...]
    drum: tuple[str, ...]


@dataclass(frozen=True)
class Style:
    """The music of a genre; ``waltz`` is what it plays in bars of three, if it has any."""

    harmony: Harmony
    drums: Drums
    bass: Bass
    hook: Hook
    layers: tuple[Layer, ...]
    accents: Accents = field(default_factory=Accents)
    mix: MixSettings = field(default_factory=MixSettings)
    waltz: Waltz | None = None

    @property
    def metres(self) -> tuple[int, ...]:
        """Beats to the bar that its songs may have."""
        return (4,) if self.waltz is None else (4, 3)

    def in_metre(self, metre: int) -> "Style":
        """Return the style with the rhythms of a metre.

        Raises:
            ConfigError: It has none of that metre.
        """
        if metre == 4:
            return self
        if metre != 3 or self.waltz is None:
            raise ConfigError(f"this genre has no bars of {metre}, only of {self.metres}")
        three = self.waltz
        by_role = {"chord": three.chord, "arp": three.chord, "drum": three.drum, "pad": _SUSTAINED}
        drums = replace(
            self.drums, kick=three.kick, snare=three.snare, hat=three.hat, open_hat=three.open_hat
        )
        return replace(
            self,
            drums=drums,
            bass=replace(self.bass, rhythms=three.bass),
            layers=tuple(replace(each, rhythms=by_role[each.role]) for each in self.layers),
        )


@cache
def style_of(code: str) -> Style:
    """Return the music of a genre, by its two-letter code."""
    return read_style(_FOLDER / f"{genres.genre_name(code)}.toml")


def read_style(path: Path) -> Style:
    """Return the style of a TOML file.

    Raises:
        ConfigError: The file can't be read, a key is unknown or missing, or an entry is malformed.
    """
    style = config.build(Style, config.read_toml(path), context=path.name)
    try:
        _check(style)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return style


def _check(style: Style) -> None:
    _check_known("role", (layer.role for layer in style.layers), _ROLES)
    for metre in style.metres:
        for key, rhythms, symbols in _rhythms(style.in_metre(metre)):
            _check_rhythms(key if metre == 4 else f"waltz, {key}", rhythms, symbols, metre)
    if style.waltz is not None and not 0.0 <= style.waltz.share <= 1.0:
        raise ConfigError(f"waltz.share: expected 0 to 1, found {style.waltz.share:g}")
    for text in style.harmony.progressions:
        grammar.read_progression(text)
    _check_known("scale", style.harmony.scales, grammar.SCALES)
    _check_known("kit kind", (kit.kind for kit in style.drums.kits), _KIT_KINDS)
    _check_known("instrument", _instruments(style), INSTRUMENTS)
    if len(style.mix.tone_db) != len(MixSettings.tone_db):
        raise ConfigError(f"mix.tone_db: expected 6 numbers, found {len(style.mix.tone_db)}")
    for name, values in vars(style.mix).items():
        if name != "tone_db" and (len(values) != 2 or values[0] > values[1]):
            raise ConfigError(f"mix.{name}: expected lowest and highest, found {list(values)}")


def _check_rhythms(key: str, rhythms: tuple[str, ...], symbols: str, metre: int) -> None:
    steps = grammar.STEPS_A_BEAT * metre
    for rhythm in rhythms:
        if len(rhythm) != steps or set(rhythm) - set(symbols):
            raise ConfigError(f"{key}: expected {steps} of {symbols!r}, found {rhythm!r}")


def _rhythms(style: Style) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every list of rhythms with its key and the symbols it may hold."""
    for name in ("kick", "snare", "hat", "open_hat"):
        yield f"drums.{name}", getattr(style.drums, name), grammar.HIT_SYMBOLS
    yield "bass.rhythms", style.bass.rhythms, grammar.BASS_SYMBOLS
    for layer in style.layers:
        yield "layers.rhythms", layer.rhythms, grammar.HIT_SYMBOLS


def _instruments(style: Style) -> Iterator[str]:
    """Every instrument that is named."""
    yield from chain.from_iterable(kit.parts.values() for kit in style.drums.kits)
    named = (style.bass.instruments, style.hook.instruments, style.accents.instruments)
    yield from chain(*named, *(layer.instruments for layer in style.layers))
    if style.drums.drop:
        yield style.drums.drop


def _check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3) or sorted(known)
            raise ConfigError(f"unknown {kind} {name!r}; did you mean {', '.join(near)}?")
