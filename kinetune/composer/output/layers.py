"""Stems of a piece under the names of studios, and its intensity layers for vertical mixing.

Layers are all in phase, each as long as the piece.

The piece is played once at full energy, so that every part is there all the time, and its stems
are dealt to the layers from calm to peak. What layer sounds when is left to the listener's engine;
the body's own energy says so in the automation. Energies 0 to 1, seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune.composer.compose import compose_piece
from kinetune.composer.piece import Piece, PieceRequest, Voice
from kinetune.errors import ConfigError

#: Roles of parts by stem, in the order in which stems are summed.
STEMS: Mapping[str, tuple[str, ...]] = {
    "kick": ("kick",),
    "snare": ("snare", "layer"),
    "hats": ("hat", "open_hat", "crash"),
    "percussion": ("tom", "drum"),
    "bass": ("bass",),
    "chords": ("chord", "pad"),
    "arpeggio": ("arp",),
    "lead": ("hook",),
    "fx": ("accent", "riser", "drop"),
}
#: Energy at which layers are played.
LAYER_ENERGY = 0.85
# Stems from those that always sound to those of a peak.
_ORDER = ("chords", "bass", "kick", "hats", "snare", "percussion", "arpeggio", "lead", "fx")
_NAMES = {
    2: ("calm", "full"),
    3: ("calm", "groove", "full"),
    4: ("calm", "groove", "full", "peak"),
}
# Stems of the four layers that have names.
_FOUR = (("chords",), ("bass", "kick", "hats"), ("snare", "percussion"), ("arpeggio", "lead", "fx"))
# Energies that differ by less are the same.
_LEAST_SPREAD = 0.06
FEWEST, MOST = 2, len(_ORDER)


@dataclass(frozen=True)
class LayerState:
    """From a bar on: how many layers sound, calm first, and the body's energy there."""

    start_s: float
    bar: int
    layers: int
    energy: float


def stem_groups(piece: Piece) -> dict[str, Sequence[Voice]]:
    """Return the voices of every stem that plays."""
    groups = {
        name: tuple(voice for voice in piece.voices if voice.role in roles)
        for name, roles in STEMS.items()
    }
    return {name: voices for name, voices in groups.items() if voices}


def layered_piece(request: PieceRequest) -> Piece:
    """Return the piece of a request at full energy, without rests, sections and ending."""
    return compose_piece(replace(request, steady_energy=LAYER_ENERGY))


def layer_groups(piece: Piece, count: int) -> dict[str, Sequence[Voice]]:
    """Return the voices of every layer, calm first.

    Raises:
        ConfigError: There are more layers than stems that play, or fewer than two.
    """
    stems = {
        name: tuple(voice for voice in piece.voices if voice.role in STEMS[name]) for name in _ORDER
    }
    playing = [name for name in _ORDER if stems[name]]
    if not FEWEST <= count <= len(playing):
        raise ConfigError(
            f"layers must be {FEWEST} to {len(playing)}, the parts of this piece "
            f"({', '.join(playing)}); found {count}"
        )
    groups = [[name for name in names if stems[name]] for names in _FOUR]
    if count != len(_FOUR) or not all(groups):
        groups = [list(part) for part in np.array_split(np.array(playing), count)]
    names = _NAMES.get(count, tuple(f"layer-{number}" for number in range(1, count + 1)))
    return {
        f"{number}-{name}": tuple(voice for stem in part for voice in stems[stem])
        for number, (name, part) in enumerate(zip(names, groups, strict=True), start=1)
    }


def automation(piece: Piece, count: int) -> tuple[LayerState, ...]:
    """Return how many layers the body's energy calls for, from which bar on.

    Bars are ranked by their energy: the calmest share has one layer, the next two, and so on. Where
    all have nearly the same energy, it says how many layers they have.

    Args:
        piece: The piece as the dance has it, not the one at full energy.
        count: How many layers there are.
    """
    beats = np.searchsorted(piece.beats_s, piece.bars_s - 1e-6)
    energies = np.array(
        [
            piece.energy[start : max(start + 1, start + piece.grid.metre)].mean()
            if start < len(piece.energy) else piece.energy[-1]
            for start in beats
        ]
    )  # fmt: skip
    wanted = _layers_at(energies, count)
    states: list[LayerState] = []
    for bar, start_s in enumerate(piece.bars_s):
        layers, energy = int(wanted[bar]), float(energies[bar])
        if not states or states[-1].layers != layers:
            at_s = round(max(0.0, float(start_s)), 6)
            states.append(LayerState(at_s, bar, layers, round(energy, 4)))
    return tuple(states)


def _layers_at(energies: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """How many of ``count`` layers sound in each bar, (bars,)."""
    if np.ptp(energies) < _LEAST_SPREAD:
        shares = np.floor(count * energies).astype(np.int64)
        return np.asarray(np.clip(1 + shares, 1, count))
    edges = np.quantile(energies, np.arange(1, count) / count)
    # Equal bars belong together: the strongest to the peak, the calmest to the calm.
    above = (energies[:, None] > edges) | ((energies[:, None] == edges) & (edges > energies.min()))
    return np.asarray(1 + above.sum(axis=1))
