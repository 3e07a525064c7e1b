"""Layers: in phase and as long as the piece, dealt from calm to peak, called by the energy."""

import numpy as np
import pytest

from kinetune.composer.options import ComposerOptions
from kinetune.composer.output.layers import _layers_at, automation, layer_groups, layered_piece
from kinetune.composer.piece import PieceRequest
from kinetune.errors import ConfigError
from tests.composer.conftest import SECONDS, dance, piece, steady_grid


def request():
    return PieceRequest(dance(), steady_grid(), "house", 1, ComposerOptions(chords="Am F C G"))


def test_layers_share_all_voices_and_each_plays_all_the_time():
    full = layered_piece(request())
    groups = layer_groups(full, 4)
    assert list(groups) == ["1-calm", "2-groove", "3-full", "4-peak"]
    voices = [voice for layer in groups.values() for voice in layer]
    assert sorted(v.part.name for v in voices) == sorted(v.part.name for v in full.voices)
    assert {v.role for v in groups["1-calm"]} <= {"chord", "pad"}
    assert {"kick", "bass"} <= {v.role for v in groups["2-groove"]}
    for name, layer in groups.items():
        starts = np.array([n.start_s for v in layer for n in v.notes])
        bars = np.unique(np.floor((starts - 0.35) / 2.0))
        # The peak layer may rest while the tune does.
        assert len(bars) > (0.35 if name == "4-peak" else 0.85) * SECONDS / 2.0


def test_layers_are_in_phase_with_the_piece():
    own, full = piece(composer={"chords": "Am F C G"}), layered_piece(request())
    np.testing.assert_array_equal(own.beats_s, full.beats_s)
    np.testing.assert_array_equal(own.bars_s, full.bars_s)
    assert full.duration_s == own.duration_s
    assert own.chords == full.chords


def test_more_layers_than_parts_say_how_many_there_are():
    full = layered_piece(request())
    with pytest.raises(ConfigError, match=r"layers must be 2 to \d, the parts of this piece"):
        layer_groups(full, 10)


def test_other_numbers_of_layers_hold_every_voice_once():
    full = layered_piece(request())
    for count in (2, 3, 5):
        groups = layer_groups(full, count)
        assert len(groups) == count
        assert sum(map(len, groups.values())) == len(full.voices)
        assert all(groups.values())


def test_more_energy_calls_more_layers():
    made = piece()
    states = automation(made, 4)
    at = np.searchsorted([s.bar for s in states], np.arange(len(made.bars_s)), side="right") - 1
    layers = np.array([states[i].layers for i in at])
    beats = np.searchsorted(made.beats_s, made.bars_s - 1e-6)
    energy = np.array([made.energy[b : b + 4].mean() for b in beats])
    assert set(layers) == {1, 2, 3, 4}
    means = [energy[layers == count].mean() for count in (1, 2, 3, 4)]
    assert means == sorted(means)
    # A quarter of the bars each.
    assert np.bincount(layers)[1:].max() <= len(layers) / 4 + 1
    for state in states:
        assert state.start_s == pytest.approx(max(0.0, made.bars_s[state.bar]), abs=1e-6)


@pytest.mark.parametrize(
    ("energies", "layers"),
    [
        ([1.0, 1.0, 1.0, 1.0], [4, 4, 4, 4]),
        ([0.1, 0.1, 0.1], [1, 1, 1]),
        ([0.2, 0.4, 0.6, 0.8], [1, 2, 3, 4]),
        ([0.3, 1.0, 1.0, 1.0], [1, 4, 4, 4]),
        ([0.2, 0.2, 0.2, 0.9], [1, 1, 1, 4]),
    ],
)
def test_equal_bars_have_equally_many_layers(energies, layers):
    assert _layers_at(np.array(energies), 4).tolist() == layers
