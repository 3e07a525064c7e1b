"""Pickles read without running any code in them.

A pickle is a program: loading one the usual way can run any code. Here every name it imports is
looked up in a short table of placeholders that only record their arguments; numpy arrays and
numbers are rebuilt from those records when their key is read. Any other name is refused. Knows the
names of numpy 1 and 2, protocols 0 to 5, and the byte strings of Python 2. What it may cost is
limited, see :mod:`kinetune.motion.io.pickle_limits`. Source: the Python documentation of ``pickle``
("Restricting Globals").
"""

import contextlib
import io
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion.io.pickle_limits import check_pickle

# Booleans, whole numbers, floats, text: what `np.frombuffer` can make from plain bytes.
_SAFE_DTYPE = re.compile(r"[<>=|]?[biufSU?]\d{0,4}")
# Two hours of SMPL poses at 60 frames per second are half of this.
_MAX_BYTES = 600_000_000
# Elements of nested lists, counted as they are copied: lists may hold themselves many times.
_MAX_ELEMENTS = 1_000_000
_MAX_DEPTH = 8
_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError,
    ImportError, MemoryError, OverflowError, RecursionError,
)  # fmt: skip


class PickledDict(Mapping[str, object]):
    """A pickled dictionary whose values are rebuilt when they are read.

    Arrays come back as numpy arrays, the rest as plain Python.
    """

    def __init__(self, path: Path, entries: dict[str, object]) -> None:
        self._path, self._entries = path, entries

    def __getitem__(self, key: str) -> object:
        entry = self._entries[key]
        with _damage_as_motion_error(self._path):
            return _Rebuilder().rebuild(entry)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def read_pickle(path: Path) -> PickledDict:
    """Read a pickled dictionary.

    Args:
        path: The file.

    Raises:
        MotionError: The pickle is damaged, too large, isn't a dictionary of text keys, or imports
            anything but numpy arrays, numbers and plain containers. Reading a value may raise it
            too.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise MotionError(
            f"{path}: expected a pickle of at most {_MAX_BYTES / 1e6:.0f} MB, found "
            f"{size / 1e6:.0f} MB; cut the dance into parts"
        )
    with _damage_as_motion_error(path), path.open("rb") as file:
        loaded = _load(file)
    if not isinstance(loaded, dict):
        raise MotionError(
            f"{path}: expected a pickled dictionary of arrays, found {type(loaded).__name__}"
        )
    return PickledDict(path, {str(key): value for key, value in loaded.items()})


def _load(file: IO[bytes]) -> object:
    first_line = file.readline(64)
    file.seek(0)
    if first_line.startswith(b"(") and first_line.endswith(b"\r\n"):
        # Protocol 0 is text and escapes line ends in values: a transfer as text can be undone.
        file = io.BytesIO(file.read().replace(b"\r\n", b"\n"))
    check_pickle(file)
    file.seek(0)
    return _Unpickler(file, encoding="latin1").load()


@contextlib.contextmanager
def _damage_as_motion_error(path: Path) -> Iterator[None]:
    try:
        yield
    except _Refused as refusal:
        raise MotionError(
            f"{path}: the pickle tries to load {refusal} and was refused; only numpy arrays, "
            "numbers and plain containers are read. Save it again as plain numpy arrays."
        ) from refusal
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        if _was_sent_as_text(path):
            reason = "all its line ends are CRLF: it was sent as text; copy it as binary"
        raise MotionError(f"{path}: the pickle is damaged or cut short ({reason})") from error


def _was_sent_as_text(path: Path) -> bool:
    """Whether no line feed of a file is without the carriage return that a text transfer adds."""
    data = path.read_bytes()
    return data.count(b"\n") == data.count(b"\r\n") > 0


class _Refused(Exception):
    """The pickle imports a name that isn't in the table."""


class _Placeholder:
    """Stands in for a class a pickle imports; by itself it accepts no state."""

    __slots__ = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        raise pickle.UnpicklingError("unexpected state")


class _Dtype(_Placeholder):
    """Stands in for ``numpy.dtype``."""

    __slots__ = ("order", "spec")

    def __init__(self, spec: object, *_: object) -> None:
        self.spec, self.order = _text(spec), ""

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = _text(state[1])

    def numpy(self) -> np.dtype:
        name = self.order + self.spec
        if not _SAFE_DTYPE.fullmatch(name):
            raise _Refused(f"an array of {self.spec!r} values")
        return np.dtype(name)


class _Array(_Placeholder):
    """Stands in for ``numpy.ndarray`` and for the function that makes an empty one."""

    __slots__ = ("state",)

    def __init__(self, *_: object) -> None:
        self.state: tuple[object, ...] = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.state = state

    def numpy(self, rebuilder: "_Rebuilder") -> object:
        shape, dtype, fortran, data = self.state[-4:]
        if isinstance(data, list):  # An array of Python objects.
            return rebuilder.rebuild(data)
        return rebuilder.array(data, dtype, shape, "F" if fortran else "C")


class _Buffer(_Placeholder):
    """Stands in for the function that makes an array from a buffer (protocol 5)."""

    __slots__ = ("args",)

    def __init__(self, *args: object) -> None:
        self.args = args

    def numpy(self, rebuilder: "_Rebuilder") -> object:
        data, dtype, shape, order = self.args[:4]
        axes = self.args[4] if len(self.args) > 4 else None
        array = rebuilder.array(data, dtype, shape, "F" if order == "F" else "C")
        return array.transpose(axes) if isinstance(axes, tuple) else array


class _Scalar(_Placeholder):
    """Stands in for the function that makes a numpy number."""

    __slots__ = ("data", "dtype")

    def __init__(self, dtype: object, data: object = b"") -> None:
        self.dtype, self.data = dtype, data

    def numpy(self, rebuilder: "_Rebuilder") -> object:
        return rebuilder.array(self.data, self.dtype, (), "C")[()]


class _Bytes(_Placeholder):
    """Stands in for ``bytes``, ``bytearray`` and ``_codecs.encode``, which protocol 2 needs."""

    __slots__ = ("data",)

    def __init__(self, data: object = b"", *_: object) -> None:
        self.data = data


def _sequence(items: object = ()) -> object:
    """Stands in for ``list``, ``tuple`` and sets: gives back the sequence, not a copy."""
    if isinstance(items, list | tuple):
        return items
    raise pickle.UnpicklingError(f"expected a sequence, found {type(items).__name__}")


def _mapping(pairs: object = ()) -> dict[object, object]:
    """Stands in for ``dict`` and ``OrderedDict``: an empty one, or of a list of pairs."""
    if not isinstance(pairs, list | tuple) or len(pairs) > 1000:
        raise pickle.UnpicklingError("expected a dictionary of pairs")
    made: dict[object, object] = {}
    for pair in pairs:
        key, value = pair
        made[_text(key)] = value
    return made


_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_TABLE: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{(module, "_reconstruct"): _Array for module in _ARRAY_MODULES},
    **{(module, "scalar"): _Scalar for module in _ARRAY_MODULES},
    **{(module, "_frombuffer"): _Buffer for module in _NUMERIC_MODULES + _ARRAY_MODULES},
    ("_codecs", "encode"): _Bytes,
    ("builtins", "bytes"): _Bytes,
    ("builtins", "bytearray"): _Bytes,
    ("builtins", "list"): _sequence,
    ("builtins", "dict"): _mapping,
    ("builtins", "tuple"): _sequence,
    ("builtins", "set"): _sequence,
    ("builtins", "frozenset"): _sequence,
    ("builtins", "complex"): complex,
    ("collections", "OrderedDict"): _mapping,
}


class _Unpickler(pickle.Unpickler):
    """The standard unpickler with the table above in place of every import."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        try:
            # Python 2 called its own module otherwise.
            return _TABLE[module.replace("__builtin__", "builtins"), name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


class _Rebuilder:
    """Makes arrays and plain values of placeholders, within the limits; lives for one value."""

    def __init__(self) -> None:
        self.bytes_left, self.elements_left = _MAX_BYTES, _MAX_ELEMENTS

    def rebuild(self, value: object, depth: int = 0) -> object:
        """Return a plain value: an array, a number, text, or lists of them."""
        self.elements_left -= 1
        if self.elements_left < 0 or depth > _MAX_DEPTH:
            raise pickle.UnpicklingError("lists too long or too deep")
        if isinstance(value, _Array | _Buffer | _Scalar):
            return value.numpy(self)
        if isinstance(value, _Bytes):
            return _as_bytes(value)
        if isinstance(value, list | tuple):
            return [self.rebuild(item, depth + 1) for item in value]
        return value

    def array(self, data: object, dtype: object, shape: object, order: str) -> NDArray:
        """Return the array of these bytes."""
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("an array without a type or a shape")
        raw = _as_bytes(data)
        self.bytes_left -= len(raw)
        if self.bytes_left < 0:
            raise pickle.UnpicklingError("arrays too large")
        flat = np.frombuffer(raw, dtype=dtype.numpy()) if raw else np.empty(0)
        flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
        return flat.reshape(shape, order=order)  # type: ignore[call-overload]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise pickle.UnpicklingError(f"expected text, found {type(value).__name__}")


def _as_bytes(data: object) -> bytes:
    for _ in range(_MAX_DEPTH):
        if isinstance(data, _Bytes):
            data = data.data
    if isinstance(data, str):  # A Python 2 byte string, decoded as latin1 on the way in.
        return data.encode("latin1")
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    raise pickle.UnpicklingError(f"expected bytes, found {type(data).__name__}")
