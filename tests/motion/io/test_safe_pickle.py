import collections
import os
import pickle
import struct

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.io import safe_pickle
from kinetune.motion.io.safe_pickle import read_pickle


def written(tmp_path, value, protocol=pickle.DEFAULT_PROTOCOL):
    path = tmp_path / "held.pkl"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


ARRAYS = {
    "floats": np.random.default_rng(0).normal(size=(5, 72)).astype(np.float32),
    "doubles": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
    "big_endian": np.arange(4, dtype=">f4"),
    "whole": np.arange(4),
    "flags": np.array([True, False]),
    "words": np.array(["dance", "rest"]),
    "empty": np.zeros((0, 3)),
    "point": np.array(2.5),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_round_trip(tmp_path, name, protocol):
    got = read_pickle(written(tmp_path, {name: ARRAYS[name]}, protocol))[name]
    np.testing.assert_array_equal(got, ARRAYS[name])
    assert got.shape == ARRAYS[name].shape


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_and_numpy_numbers_round_trip(tmp_path, protocol):
    held = {"loss": 2.5, "n": np.float64(1.5), "k": np.int32(3), "s": "x", "b": b"y", "l": [1, 2]}
    assert read_pickle(written(tmp_path, held, protocol)) == held


def test_lists_and_object_arrays_of_numpy_numbers_round_trip(tmp_path):
    held = {"scale": [np.float32(2.0)], "mixed": np.array([1.0, "a", None], dtype=object)}
    assert read_pickle(written(tmp_path, held)) == {"scale": [2.0], "mixed": [1.0, "a", None]}


def test_an_ordered_dictionary_is_a_dictionary(tmp_path):
    assert read_pickle(written(tmp_path, collections.OrderedDict(a=1))) == {"a": 1}


@pytest.mark.parametrize("name", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_the_module_names_of_numpy_1_and_2_are_both_known(tmp_path, name):
    raw = pickle.dumps({"a": ARRAYS["doubles"]}, protocol=2)
    here = next(n for n in (b"numpy._core.multiarray", b"numpy.core.multiarray") if n in raw)
    path = written(tmp_path, raw.replace(here, name.encode()))
    np.testing.assert_array_equal(read_pickle(path)["a"], ARRAYS["doubles"])


def test_byte_strings_of_python_2_are_read(tmp_path):
    data = struct.pack("<2d", 1.25, -7.5)
    raw = (
        b"\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
        b"\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + data + b"tbs."
    )
    np.testing.assert_array_equal(read_pickle(written(tmp_path, raw))["x"], [1.25, -7.5])


class Hostile:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "it-ran"
    path = written(tmp_path, {"smpl_poses": Hostile(os.system, f"touch {mark}")}, protocol)
    with pytest.raises(MotionError, match=r"tries to load \w+\.system and was refused"):
        read_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize("function", [eval, exec, open, __import__, getattr, np.load, np.fromfile])
def test_no_function_is_loaded_whatever_its_name(tmp_path, function):
    with pytest.raises(MotionError, match="was refused"):
        read_pickle(written(tmp_path, {"a": Hostile(function, "1")}))


def test_code_hidden_inside_an_array_of_objects_is_refused(tmp_path):
    mark = tmp_path / "it-ran"
    hidden = np.array([Hostile(os.mkdir, str(mark))], dtype=object)
    with pytest.raises(MotionError, match="was refused"):
        read_pickle(written(tmp_path, {"a": hidden}))
    assert not mark.exists()


def test_a_structured_array_is_refused(tmp_path):
    array = np.zeros(2, dtype=[("a", "f8")])
    with pytest.raises(MotionError, match="an array of 'V8' values"):
        dict(read_pickle(written(tmp_path, {"a": array})))


def test_state_for_a_name_on_the_table_changes_nothing(tmp_path):
    raw = b"\x80\x02cnumpy\nndarray\n}U\x03numK\x01sb."
    with pytest.raises(MotionError, match="damaged"):
        read_pickle(written(tmp_path, raw))


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps({"a": ARRAYS["floats"]})[:200],
        b"\x80\x04",
        b"\x80\x63.",
        b"\x80\x04garbage",
        b"\x80\x02cnumpy\ndtype\n)R.",
        b"\x80\x02}U\x01acnumpy\nndarray\n)Rs.",
    ],
)
def test_a_damaged_pickle_is_an_error_of_one_line(tmp_path, raw):
    with pytest.raises(MotionError, match="damaged or cut short") as caught:
        dict(read_pickle(written(tmp_path, raw)))
    assert "\n" not in str(caught.value)


def test_an_array_whose_bytes_do_not_fit_its_shape_is_an_error(tmp_path):
    raw = pickle.dumps({"a": np.zeros((2, 3))}, protocol=2).replace(b"K\x02K\x03", b"K\x02K\x04")
    with pytest.raises(MotionError, match="damaged"):
        dict(read_pickle(written(tmp_path, raw)))


def test_lists_are_limited_in_length_and_depth(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "_MAX_ELEMENTS", 10)
    # The list itself is an element.
    assert read_pickle(written(tmp_path, {"a": [1] * 9}))["a"] == [1] * 9
    with pytest.raises(MotionError, match="damaged"):
        dict(read_pickle(written(tmp_path, {"a": [1] * 10})))
    nested = 1
    for _ in range(8):
        nested = [nested]
    assert read_pickle(written(tmp_path, {"a": nested}))["a"] == nested
    with pytest.raises(MotionError, match="damaged"):
        dict(read_pickle(written(tmp_path, {"a": [nested]})))


def test_anything_but_a_dictionary_is_refused(tmp_path):
    with pytest.raises(MotionError, match="expected a pickled dictionary of arrays, found list"):
        read_pickle(written(tmp_path, [1, 2]))
