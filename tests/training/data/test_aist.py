import shutil

import numpy as np
import pytest

from kinetune.audio.sound import Sound, write_sound
from kinetune.errors import ConfigError
from kinetune.motion.features import paper_features
from kinetune.motion.io.formats import read_motion
from kinetune.training.data import aist
from tests.conftest import EXAMPLE

NAME = "gBR_sBM_cAll_d04_mBR2_ch08"
TEST_NAME = "gHO_sFM_cAll_d20_mHO3_ch05"
IGNORED = "gBR_sFM_cAll_d05_mBR5_ch14"
NO_MUSIC = "gBR_sBM_cAll_d04_mKR0_ch02"


def noise(path, duration_s, seed):
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-0.5, 0.5, round(duration_s * 48_000)).astype(np.float32)
    write_sound(path, Sound(samples, 48_000))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "aist"
    (folder / "motions").mkdir(parents=True)
    (folder / "splits").mkdir()
    for name in (NAME, TEST_NAME, IGNORED, NO_MUSIC):
        shutil.copy(EXAMPLE, folder / "motions" / f"{name}.pkl")
    noise(folder / "wavs" / f"{NAME}.wav", 9.0, 1)
    noise(folder / "music" / "mHO3.wav", 12.0, 2)
    noise(folder / "music" / "mBR5.wav", 12.0, 3)
    names = {
        "crossmodal_train": [NAME, IGNORED, NO_MUSIC],
        "crossmodal_test": [TEST_NAME],
    }
    for file, lines in names.items():
        (folder / "splits" / f"{file}.txt").write_text("\n".join(lines) + "\n")
    (folder / "ignore_list.txt").write_text(IGNORED + "\n")
    return folder


def test_the_official_layout_becomes_a_training_set(root, tmp_path):
    found = aist.prepare_aist(root, tmp_path / "out")
    items = {item.name: item for item in found.prepared.items}
    assert set(items) == {NAME, TEST_NAME}
    assert (found.ignored, found.without_music) == (1, 1)
    assert not items[NAME].held_out
    assert items[TEST_NAME].held_out
    assert items[NAME].genre == "BR"


def test_motion_and_music_are_cut_equally_and_slices_are_counted(root, tmp_path):
    found = aist.prepare_aist(root, tmp_path / "out")
    item = found.prepared.items[0]
    assert item.duration_s == pytest.approx(9.0)  # The music is shorter than the 9.6 s dance.
    assert len(found.prepared.samples(item)) == 9 * 22_050
    assert found.slices == 9  # 0, 0.5, ... 4 s.
    assert found.prepared.items[1].duration_s == pytest.approx(9.6)


def test_features_are_the_papers(root, tmp_path):
    found = aist.prepare_aist(root, tmp_path / "out")
    rows = found.prepared.feature_rows(found.prepared.items[0])
    np.testing.assert_array_equal(rows, paper_features(read_motion(EXAMPLE)))


def test_beats_are_known_for_basic_dances_only(root, tmp_path):
    basic, advanced = aist.prepare_aist(root, tmp_path / "out").prepared.items
    np.testing.assert_allclose(np.diff(basic.beats_s), 0.6)
    assert len(basic.beats_s) == 16
    assert advanced.beats_s == ()


@pytest.mark.parametrize(
    ("name", "bpm"),
    [("gBR_sBM_cAll_d04_mBR2_ch08", 100), ("gHO_sBM_cAll_d20_mHO5_ch01", 135)],
)
def test_the_tempo_is_read_from_the_name(name, bpm):
    assert aist.tempo_from_name(name) == bpm


@pytest.mark.parametrize(("seconds", "count"), [(4.9, 0), (5.0, 1), (5.4, 1), (5.5, 2), (9.6, 10)])
def test_slices_start_every_half_second(seconds, count):
    assert aist.slice_count(seconds) == count


def test_a_missing_list_is_reported(root, tmp_path):
    (root / "ignore_list.txt").unlink()
    with pytest.raises(ConfigError, match="ignore_list.txt not found"):
        aist.prepare_aist(root, tmp_path / "out")


@pytest.mark.parametrize("line", [b"\xff\xfe", b"../../etc/passwd", b"gBR_sBM", b"a/b_c_d_e_f"])
def test_a_line_that_is_no_name_is_reported(root, tmp_path, line):
    path = root / "splits" / "crossmodal_train.txt"
    path.write_bytes(path.read_bytes() + b"\n" + line)
    with pytest.raises(ConfigError, match=r"crossmodal_train\.txt: (can't be read|expected names)"):
        aist.prepare_aist(root, tmp_path / "out")


def test_nothing_usable_is_reported(root, tmp_path):
    shutil.rmtree(root / "motions")
    with pytest.raises(ConfigError, match="nothing to prepare"):
        aist.prepare_aist(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_official_lists_drop_what_the_paper_drops():
    from tests.conftest import SHARED_MOTIONS

    lists = SHARED_MOTIONS.parent / "aist"
    if not lists.is_dir():
        pytest.skip("the official lists are not beside this checkout")
    train = aist.read_names(lists / "crossmodal_train.txt")
    ignore = set(aist.read_names(lists / "ignore_list.txt"))
    assert sum(name in ignore for name in train) == 28
