"""The script that makes the instrument bank: what it may take, and how it cuts."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "make_instrument_bank.py"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_instrument_bank", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def tone(maker, hz, duration_s=1.5):
    times = np.arange(round(duration_s * maker.RATE_HZ)) / maker.RATE_HZ
    return sum(np.sin(2 * np.pi * hz * k * times) / k for k in (1, 2, 3))


def test_only_files_whose_entry_says_cc0_are_free(maker, tmp_path):
    (tmp_path / "copyright").write_text(
        "Files: etc/samples/good.flac\nCopyright: 2013 Ann\nSource: http://x.org/1\nLicense: CC0\n"
        "\nFiles: etc/samples/other.flac\nCopyright: 2013 Bob\nLicense: CC-BY-3.0\n"
    )
    assert maker.free_files(tmp_path / "copyright") == {"good": "Ann http://x.org/1"}


def test_a_file_without_such_an_entry_stops_the_script(maker, tmp_path):
    with pytest.raises(SystemExit, match="CC0"):
        maker.kit_zones(tmp_path, maker.Kit("snap", (), ("nobody",)), {})


def test_no_loop_is_taken(maker):
    assert not [name for kit in maker.KITS for name in kit.files if name.startswith("loop_")]


@pytest.mark.parametrize("cents", [-30, 0, 17])
def test_the_pitch_of_a_recording_is_measured(maker, cents):
    hz = 440.0 * 2.0 ** ((57 - 69 + cents / 100.0) / 12.0)
    assert abs(maker.cents_off(tone(maker, hz), 57) - cents) <= 3


def test_a_cut_sound_begins_at_once_and_in_level(maker):
    late = np.concatenate([np.zeros(5000), tone(maker, 220.0), np.zeros(5000)])
    wave = maker.shaped(late, 1.0)
    assert np.abs(wave[:200]).max() > 0.05
    assert abs(len(wave) - maker.RATE_HZ) < 10
    assert np.abs(wave).max() <= 0.98
    assert abs(wave[-1]) < 1e-3


def test_a_loop_closes_on_the_same_phase(maker):
    wave = tone(maker, 200.0)
    first, end = maker.loop_of(wave)
    period = maker.RATE_HZ / 200.0
    away = (end - first) % period
    assert min(away, period - away) < 2.0


def test_a_midi_file_has_its_length(maker):
    data = maker.midi_file([(60, 100), (67, 80)], 0, 11, 0.5, 1.0)
    assert data[:4] == b"MThd"
    assert int.from_bytes(data[18:22], "big") == len(data) - 22
    assert data[-3:] == b"\xff\x2f\x00"
