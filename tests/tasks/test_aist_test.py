import json
import shutil

import numpy as np
import pytest

from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import AudioError, ConfigError
from kinetune.metrics.evaluation import baselines
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import read_motion
from kinetune.tasks.aist_test import (
    find_slices,
    normalise_rms,
    published_slices,
    slice_named,
    sound_slice,
)
from tests.cli.conftest import kinetune
from tests.conftest import EXAMPLE, SHARED_MOTIONS
from tests.training.data.test_aist import noise

BREAK, POP = "gBR_sBM_cAll_d04_mBR0_ch02", "gPO_sBM_cAll_d10_mPO1_ch02"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two of the test's sequences, each with two slices, in the official layout."""
    folder = tmp_path_factory.mktemp("aist")
    (folder / "motions").mkdir()
    for name in (BREAK, POP):
        shutil.copy(EXAMPLE, folder / "motions" / f"{name}.pkl")
    noise(folder / "wavs" / f"{BREAK}.wav", 9.6, 1)
    noise(folder / "music" / "mPO1.wav", 12.0, 2)
    return folder


def test_the_papers_31_slices_are_bundled():
    found = published_slices()
    assert len(found) == len({part.name for part in found}) == 31
    assert found[0] == slice_named("gPO_sBM_cAll_d11_mPO1_ch02_slice1.wav")
    listed = SHARED_MOTIONS.parent / "aist" / "test_slices.txt"
    if listed.is_file():
        assert [f"{part.name}.wav" for part in found] == listed.read_text("utf-8").split()


def test_slice_k_begins_k_half_seconds_in():
    part = slice_named("gPO_sBM_cAll_d11_mPO1_ch02_slice3")
    assert (part.sequence, part.start_s) == ("gPO_sBM_cAll_d11_mPO1_ch02", 1.5)


def test_slices_whose_files_are_there_are_found(root, tmp_path):
    names = [part.name for part in find_slices(root)]
    assert sorted(names) == [
        f"{BREAK}_slice1", f"{BREAK}_slice2", f"{POP}_slice1", f"{POP}_slice2",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="none of the test's sequences found"):
        find_slices(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        find_slices(tmp_path / "nowhere")


def test_music_is_scaled_to_the_papers_level():
    loud = normalise_rms(baselines.noise("a", 1.0), level_dbfs=-20.0)
    rms = np.sqrt(np.mean(loud.samples.astype(float) ** 2))
    assert 20 * np.log10(rms) == pytest.approx(-20.0, abs=0.05)
    held = normalise_rms(baselines.noise("a", 1.0), level_dbfs=0.0)
    assert np.abs(held.samples).max() == 1.0
    assert not normalise_rms(baselines.silence(1.0)).samples.any()


def test_music_that_ends_before_its_slice_is_reported():
    short = Sound(np.zeros(22_050, np.float32), 22_050)
    with pytest.raises(AudioError, match=r"m.wav: expected 5.5 s or more for x_slice1"):
        sound_slice(short, slice_named("x_slice1"), source="m.wav")


@pytest.fixture(scope="module")
def done(root, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "aist"
    ran = kinetune(
        "evaluate", "aist", root, "--model", tiny_model, "--device", "cpu", "--no-genre", "--out",
        out,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran, out


@pytest.mark.slow
def test_slices_of_dance_music_and_model_are_written_and_scored(done, root):
    _, out = done
    for folder, suffix in (("music", "wav"), ("reference", "wav"), ("motions", "npz")):
        assert len(list((out / folder).glob(f"*.{suffix}"))) == 4
    for folder in ("music", "reference"):
        for path in (out / folder).iterdir():
            assert read_sound(path).duration_s == pytest.approx(5.0, abs=1e-3)
    whole = read_motion(root / "motions" / f"{POP}.pkl")
    part = read_motion(out / "motions" / f"{POP}_slice2.npz")
    assert (part.frame_count, part.fps) == (300, 60.0)
    np.testing.assert_allclose(part.root_m, cut(whole, 1.0, 5.0).root_m, atol=1e-5)
    found = json.loads((out / "results.json").read_text())
    assert list(found)[:2] == ["tiny", "reference"]
    assert found["tiny"]["bas_motion_to_music"]["n"] == 4


def test_the_papers_columns_are_in_its_order_beside_its_rows(done):
    ran, out = done
    table = (out / "paper_table.md").read_text()
    assert table in ran.stdout
    head = "Beats Coverage Score|Beats Hit Score|Frechet Audio Distance|Beat Align Score|Genre KLD"
    assert [cell.strip(" ↑↓") for cell in table.splitlines()[0].split("|")[2:-1]] == head.split("|")
    assert "| published: Tan et al. 2023 | 93.5 | 86 | 4.96 | 0.212 | 0.604 |" in table
    reference = next(k for k in table.splitlines() if k.startswith("| reference"))
    assert reference.startswith("| reference | 100.0 | 100.0 | 0.000 |")
    tiny = next(k for k in table.splitlines() if k.startswith("| tiny"))
    assert tiny.count("not measured") == 2
    assert "4 of 31 slices found" in ran.stdout


def test_a_missing_data_set_is_reported_before_anything_is_written(tmp_path):
    ran = kinetune("evaluate", "aist", tmp_path / "none", "--no-genre", "--out", tmp_path / "out")
    assert ran.returncode == 2
    assert "none: no such folder" in ran.stderr
    assert not (tmp_path / "out").exists()
