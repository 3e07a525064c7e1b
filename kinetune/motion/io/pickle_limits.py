"""Memory and time limits of a pickle, computed from its opcodes before unpickling.

A pickle is a program. Nine bytes can allocate gigabytes (a memo index), some kilobytes for lists
that double themselves, and keys that collide for hours of hashing. The program is read once
without being run, with a stack of labels in place of objects; what exceeds the limits is refused.
Source: the opcode descriptions of Python's ``pickletools``.
"""

import io
import pickle
import pickletools
from typing import IO, Any, cast

# A minute of dance as plain lists of numbers; arrays need some tens.
_MAX_OPCODES = 500_000
# The memo is an array: its largest index is its size.
_MAX_MEMO_INDEX = 1_000_000
# Items of all dictionaries together. Colliding keys cost the square of their number.
_MAX_ITEMS = 5000
_SETS = ("EMPTY_SET", "ADDITEMS", "FROZENSET")
# What is cheap to hash: tuples of tuples are not.
_PLAIN = (
    pickletools.pyint, pickletools.pylong, pickletools.pyinteger_or_bool, pickletools.pybool,
    pickletools.pyfloat, pickletools.pynone, pickletools.pyunicode, pickletools.pystring,
    pickletools.pybytes, pickletools.pybytes_or_str,
)  # fmt: skip


def check_pickle(file: IO[bytes]) -> None:
    """Read the opcodes of a pickle and check that unpickling it is cheap.

    Args:
        file: Positioned at the first opcode.

    Raises:
        UnpicklingError: It is damaged, or exceeds a limit.
        ValueError: An opcode or its argument can't be read.
    """
    simulation = _Simulation()
    for count, (opcode, argument, _) in enumerate(
        pickletools.genops(cast("IO[bytes]", _Bounded(file)))
    ):
        if count > _MAX_OPCODES:
            raise pickle.UnpicklingError(f"more than {_MAX_OPCODES} opcodes")
        simulation.step(opcode, argument)


class _Bounded:
    """A file that never makes room for more bytes than it has, whatever length is read."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.tell()
        self.left = file.seek(0, io.SEEK_END) - start
        file.seek(start)
        self.file = file

    def read(self, count: int) -> bytes:
        data = self.file.read(min(count, self.left))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        line = self.file.readline()
        self.left -= len(line)
        return line

    def tell(self) -> int:
        return self.file.tell()


class _Simulation:
    """The unpickler's stack and memo with labels for objects: "mark", "plain" or "other"."""

    def __init__(self) -> None:
        self.stack: list[str] = []
        self.memo: dict[int, str] = {}
        self.item_count = 0

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:  # noqa: ANN401
        if opcode.name in _SETS:
            raise pickle.UnpicklingError("sets aren't read")
        if "PUT" in opcode.name or opcode.name == "MEMOIZE":
            self._memoize(argument)
            return
        if "GET" in opcode.name:
            self.stack.append(self.memo.get(argument, "other"))
            return
        if opcode.name == "DUP":
            self.stack.append(self._top())
            return
        popped = self._pop(opcode)
        if opcode.name in ("SETITEM", "SETITEMS", "DICT"):
            self._check_keys(popped[-2:] if opcode.name == "SETITEM" else popped)
        for pushed in opcode.stack_after:
            is_mark = pushed is pickletools.markobject
            self.stack.append("mark" if is_mark else "plain" if pushed in _PLAIN else "other")

    def _memoize(self, argument: int | None) -> None:
        index = len(self.memo) if argument is None else argument
        if not 0 <= index <= _MAX_MEMO_INDEX:
            raise pickle.UnpicklingError(f"memo index {index}, expected at most {_MAX_MEMO_INDEX}")
        self.memo[index] = self._top()

    def _top(self) -> str:
        if not self.stack:
            raise pickle.UnpicklingError("the stack is empty")
        return self.stack[-1]

    def _pop(self, opcode: pickletools.OpcodeInfo) -> list[str]:
        """Pop what an opcode takes; return what was above the mark, or all it took."""
        before = opcode.stack_before
        to_mark = pickletools.markobject in before
        if opcode.name == "POP" and self.stack and self.stack[-1] == "mark":
            to_mark = True
        if not to_mark:
            return self._pop_many(len(before))
        above: list[str] = []
        while (label := self._pop_many(1)[0]) != "mark":
            above.append(label)
        # What such an opcode takes from below the mark: the list or dictionary it fills.
        below = before.index(pickletools.markobject) if pickletools.markobject in before else 0
        self._pop_many(below)
        return above[::-1]

    def _pop_many(self, count: int) -> list[str]:
        if count > len(self.stack):
            raise pickle.UnpicklingError("the stack is empty")
        popped = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return popped

    def _check_keys(self, items: list[str]) -> None:
        self.item_count += len(items) // 2
        if self.item_count > _MAX_ITEMS:
            raise pickle.UnpicklingError(f"dictionaries of more than {_MAX_ITEMS} items")
        if any(key != "plain" for key in items[::2]):
            raise pickle.UnpicklingError("a key that is neither text nor a number")
