"""Pickles from strangers, read without running anything of theirs.

A pickle is a program: loading one the usual way can run any code. Here every name it asks for is
answered from a short table of stand-ins that only note down what they were given; numpy arrays
and numbers are rebuilt from those notes afterwards. Any other name is refused. Knows the names of
numpy 1 and 2, protocols 0 to 5, and the byte strings of Python 2.
Source: the Python documentation of ``pickle`` ("Restricting Globals").
"""

import io
import pickle
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError

# Booleans, whole numbers, floats, text: what `np.frombuffer` can make from plain bytes.
_SAFE_DTYPE = re.compile(r"[<>=|]?[biufSU?]\d*")
_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError,
    ImportError, MemoryError, OverflowError, RecursionError,
)  # fmt: skip


def read_pickle(path: Path) -> dict[str, object]:
    """Read a pickled dictionary; its arrays come back as numpy arrays, the rest as plain Python.

    Args:
        path: The file.

    Raises:
        MotionError: The pickle is damaged, isn't a dictionary, or asks for anything but numpy
            arrays, numbers and plain containers.
    """
    try:
        with path.open("rb") as file:
            loaded = _Unpickler(io.BytesIO(file.read()), encoding="latin1").load()
        if not isinstance(loaded, dict):
            raise MotionError(
                f"{path}: expected a pickled dictionary of arrays, found {type(loaded).__name__}"
            )
        return {str(key): _plain(value) for key, value in loaded.items()}
    except _Refused as refusal:
        raise MotionError(
            f"{path}: the pickle tries to load {refusal} and was refused; only numpy arrays, "
            "numbers and plain containers are read. Save it again as plain numpy arrays."
        ) from refusal
    except _BROKEN as error:
        raise MotionError(f"{path}: the pickle is damaged or cut short ({error})") from error


class _Refused(Exception):
    """The pickle asked for a name that isn't on the table."""


class _StandIn:
    """Takes the place of a class a pickle asks for; by itself it accepts no state."""

    __slots__ = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        raise pickle.UnpicklingError("unexpected state")


class _Dtype(_StandIn):
    """Stands in for ``numpy.dtype``."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: str, *_: object) -> None:
        self.spec, self.order = str(spec), ""

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = str(state[1])

    def numpy(self) -> np.dtype:
        name = self.order + self.spec
        if not _SAFE_DTYPE.fullmatch(name):
            raise _Refused(f"an array of {self.spec!r} values")
        return np.dtype(name)


class _Array(_StandIn):
    """Stands in for ``numpy.ndarray`` and for the function that makes an empty one."""

    __slots__ = ("state",)

    def __init__(self, *_: object) -> None:
        self.state: tuple[object, ...] = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.state = state

    def numpy(self) -> object:
        shape, dtype, fortran, data = self.state[-4:]
        if isinstance(data, list):  # An array of Python objects.
            return [_plain(item, deep=False) for item in data]
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")


class _Buffer(_StandIn):
    """Stands in for the function that makes an array from a buffer (protocol 5)."""

    __slots__ = ("args",)

    def __init__(self, *args: object) -> None:
        self.args = args

    def numpy(self) -> object:
        data, dtype, shape, order = self.args[:4]
        axes = self.args[4] if len(self.args) > 4 else None
        array = _from_bytes(data, dtype, shape, "F" if order == "F" else "C")
        return array.transpose(axes) if isinstance(axes, tuple) else array


class _Scalar(_StandIn):
    """Stands in for the function that makes a numpy number."""

    __slots__ = ("data", "dtype")

    def __init__(self, dtype: object, data: object = b"") -> None:
        self.dtype, self.data = dtype, data

    def numpy(self) -> object:
        return _from_bytes(self.data, self.dtype, (), "C")[()]


class _Bytes(_StandIn):
    """Stands in for ``bytes``, ``bytearray`` and ``_codecs.encode``, which protocol 2 needs."""

    __slots__ = ()

    def __new__(cls, data: object = b"", *_: object) -> bytes:  # type: ignore[misc]
        return _as_bytes(data)


_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_TABLE: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{(module, "_reconstruct"): _Array for module in _ARRAY_MODULES},
    **{(module, "scalar"): _Scalar for module in _ARRAY_MODULES},
    **{(module, "_frombuffer"): _Buffer for module in _NUMERIC_MODULES + _ARRAY_MODULES},
    ("_codecs", "encode"): _Bytes,
    ("builtins", "bytes"): _Bytes,
    ("builtins", "bytearray"): _Bytes,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "tuple"): tuple,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("collections", "OrderedDict"): dict,
}


class _Unpickler(pickle.Unpickler):
    """The standard unpickler with the table above in place of every import."""

    def find_class(self, module: str, name: str) -> type:
        try:
            # Python 2 called its own module otherwise.
            return _TABLE[module.replace("__builtin__", "builtins"), name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def _as_bytes(data: object) -> bytes:
    if isinstance(data, str):  # A Python 2 byte string, decoded as latin1 on the way in.
        return data.encode("latin1")
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    raise pickle.UnpicklingError(f"expected bytes, found {type(data).__name__}")


def _from_bytes(data: object, dtype: object, shape: object, order: str) -> NDArray:
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise pickle.UnpicklingError("an array without a type or a shape")
    flat = np.frombuffer(_as_bytes(data), dtype=dtype.numpy()) if data else np.empty(0)
    return flat.astype(flat.dtype.newbyteorder("=")).reshape(shape, order=order)  # type: ignore[call-overload]


def _plain(value: object, *, deep: bool = True) -> object:
    if isinstance(value, _Array | _Buffer | _Scalar):
        return value.numpy()
    if deep and isinstance(value, list | tuple):
        return [_plain(item, deep=False) for item in value]
    return value
