import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from kinetune.errors import ConfigError
from kinetune.fitting.markers import WARP_KINDS, warp_markers, warp_suffix, write_warp_markers
from kinetune.fitting.time_map import steady_map


@pytest.fixture
def markers():
    # The dance begins 2 s into the song, which plays 5 % slower; it lasts 4.2 s: 4 s of song.
    return warp_markers(
        Path('my "song".wav'), np.arange(0.5, 9.0, 0.5), steady_map(-2.1, 1.05, 9.0),
        bpm=120.0, duration_s=4.2,
    )  # fmt: skip


def test_markers_run_from_the_dances_start_to_its_end(markers):
    np.testing.assert_allclose(markers.song_s, np.arange(2.0, 6.1, 0.5))
    np.testing.assert_allclose(markers.dance_s, 1.05 * np.arange(0.0, 4.1, 0.5), atol=1e-9)


def test_csv_lists_times_and_ratios(markers, tmp_path):
    write_warp_markers(tmp_path / "a.csv", markers, "csv")
    rows = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(rows[:, 0], markers.song_s, atol=1e-6)
    np.testing.assert_allclose(rows[:, 1], markers.dance_s, atol=1e-6)
    np.testing.assert_allclose(rows[:, 2], 1.05, atol=1e-5)


def test_the_script_for_reaper_sets_each_marker_in_the_item(markers, tmp_path):
    write_warp_markers(tmp_path / "a.lua", markers, "reaper")
    text = (tmp_path / "a.lua").read_text()
    pairs = np.array(re.findall(r"^  \{([\d.]+), ([\d.]+)\},$", text, re.MULTILINE), dtype=float)
    np.testing.assert_allclose(pairs[:, 0], markers.dance_s, atol=1e-6)
    np.testing.assert_allclose(pairs[:, 1], markers.song_s, atol=1e-6)
    assert 'my \\"song\\".wav"' in text
    assert '"D_LENGTH", 4.200000' in text


def test_ableton_counts_beats_of_the_dance(markers, tmp_path):
    write_warp_markers(tmp_path / "a.xml", markers, "ableton")
    rows = ET.parse(tmp_path / "a.xml").getroot().findall("WarpMarker")
    np.testing.assert_allclose([float(r.get("SecTime")) for r in rows], markers.song_s, atol=1e-8)
    beats = [float(row.get("BeatTime")) for row in rows]
    np.testing.assert_allclose(beats, markers.dance_s * 2.0, atol=1e-8)


def test_kinds_have_suffixes_and_others_are_refused():
    assert {warp_suffix(kind) for kind in WARP_KINDS} == {
        ".warp.csv", ".reaper.lua", ".ableton.xml",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"csv, reaper, ableton; found 'logic'"):
        warp_suffix("logic")
