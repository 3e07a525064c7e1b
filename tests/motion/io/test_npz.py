import zipfile

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.io import npz


def test_shapes_are_reported_without_loading(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros((3, 4)), b="word")
    assert npz.shapes_in(tmp_path / "a.npz") == {"a": (3, 4), "b": ()}
    np.save(tmp_path / "a.npy", np.zeros((2, 5)))
    assert npz.shape_of(tmp_path / "a.npy") == (2, 5)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(tmp_path, version):
    held = np.arange(6.0).reshape(2, 3)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, held, version=version)
    assert npz.shape_of(tmp_path / "a.npy") == (2, 3)
    np.testing.assert_array_equal(npz.load_array(tmp_path / "a.npy"), held)


def test_only_requested_arrays_that_exist_are_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", a=[1], b=[2])
    assert set(npz.load_arrays(tmp_path / "a.npz", ["b", "c"])) == {"b"}


def test_too_much_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "_MAX_BYTES", 1000)
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(10_000))
    np.save(tmp_path / "a.npy", np.zeros(10_000))
    with pytest.raises(MotionError, match="at most"):
        npz.load_arrays(tmp_path / "a.npz", ["a"])
    with pytest.raises(MotionError, match="at most"):
        npz.load_array(tmp_path / "a.npy")


def test_a_member_that_is_no_array_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"nothing")
    with pytest.raises(MotionError, match="can't be read"):
        npz.shapes_in(tmp_path / "a.npz")
