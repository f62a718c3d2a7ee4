"""What a program leaves behind in modules: names that it adds to them, and built-in names that it changes.

The next test in the process would see it; a new interpreter would not.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

# The functions below use these built-in names, whatever a program assigns in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]

# CPython's PyDictObject: reference count, type, number of names, version, address of the table of names and values.
_LAYOUT_KNOWN = (
    sys.implementation.name == "cpython"
    and (3, 11) <= sys.version_info[:2] <= (3, 14)
    and "t" not in sys.abiflags  # the build without a global lock has a longer object header
)
_COUNT_AT, _TABLE_AT, _WORD_BYTES = 16, 32, 8
_MAX_PIECES = 1024  # the kernel's limit for one writev (UIO_MAXIOV)
_write_pieces = ctypes.PyDLL(None).pwritev64
_write_pieces.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)


class ModuleState:
    """The names of all modules at one time, for comparison with a later one.

    It is taken in the fork server, once: a test process that took it would copy the memory of every module. For the
    same reason the comparison first looks at the memory of the dicts as bytes, as Python would write to each object it
    reads, to count references: where the bytes are the same, so are the names.
    """

    def __init__(self) -> None:
        self._namespaces = [vars(module) for module in sys.modules.values() if isinstance(module, types.ModuleType)]
        self._take()

    def _take(self) -> None:
        self._builtins = dict(builtins.__dict__)
        self._sizes = list(map(len, self._namespaces))
        self._memory = _Memory(_pieces(self._namespaces, builtins.__dict__))
        self._bytes = self._memory.read()

    def add_builtins(self, names: dict[str, Any]) -> None:
        """Make names available to the program in addition to the built-in ones."""
        if names:
            builtins.__dict__.update(names)
            self._take()

    def changed(self) -> bool:
        """Whether a module has more or fewer names than before, or `builtins` has others."""
        if self._bytes is not None and self._memory.read() == self._bytes:
            return False
        if builtins.__dict__ != self._builtins or list(map(len, self._namespaces)) != self._sizes:
            return True
        self._memory.close()
        self._take()  # only the interpreter's own marks have changed, or where the names are
        return False

    def remove_additions(self) -> None:
        """Destroy what the program added, as the interpreter's end would."""
        for names, count in zip(self._namespaces, self._sizes, strict=True):
            for name in list(names)[count:]:  # dicts keep the order of insertion
                names.pop(name, None)
        builtins.__dict__.update(self._builtins)
        gc.collect()


def _pieces(namespaces: Sequence[dict[str, Any]], whole: dict[str, Any]) -> list[tuple[int, int]]:
    """Addresses and lengths of the dicts' counts of names, and of the contents of one; empty if they are not known."""
    if not _LAYOUT_KNOWN or len(namespaces) + 2 > _MAX_PIECES:
        return []
    table_at = id(whole) + _TABLE_AT
    table = ctypes.c_size_t.from_address(table_at).value, dict.__sizeof__(whole) - dict.__basicsize__
    return [*((id(names) + _COUNT_AT, _WORD_BYTES) for names in namespaces), (table_at, _WORD_BYTES), table]


class _Memory:
    """Pieces of this process's memory, which are read without touching the objects in them."""

    def __init__(self, pieces: list[tuple[int, int]]) -> None:
        numbers = [number for piece in pieces for number in piece]
        self._vector = (ctypes.c_size_t * len(numbers))(*numbers)
        self._count, self._length = len(pieces), sum(length for _, length in pieces)
        self._file, self._inode = -1, 0

    def read(self) -> bytes | None:
        """Their contents one after another; None if they cannot be read."""
        if not self._count:
            return None
        try:
            if not self._is_open():
                self._file = os.memfd_create("names")
                self._inode = os.fstat(self._file).st_ino
            if _write_pieces(self._file, self._vector, self._count, 0) != self._length:
                return None
            return os.pread(self._file, self._length, 0)
        except OSError:
            return None

    def close(self) -> None:
        """Close the file that memory is read through."""
        if self._is_open():
            os.close(self._file)

    def _is_open(self) -> bool:
        """Whether its file is still open: a new process closes it, and a program may, and open another one."""
        try:
            return self._file >= 0 and os.fstat(self._file).st_ino == self._inode
        except OSError:
            return False
