"""Modules of the standard library that the fork server imports once, so that no test pays for them."""

from __future__ import annotations

import builtins
import functools
import importlib
import math
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from codeplan_sandbox import packages

COMMON = tuple(
    """
abc array ast atexit base64 binascii bisect builtins calendar cmath codecs collections collections.abc contextlib copy
dataclasses datetime decimal encodings.ascii encodings.idna encodings.latin_1 encodings.utf_8 enum errno fractions
functools gc hashlib heapq inspect io itertools json keyword linecache locale math numbers operator os pathlib pickle
platform pprint queue random re reprlib resource select secrets signal statistics string struct sys tempfile textwrap
threading time timeit traceback types typing unicodedata unittest uuid warnings weakref zlib
""".split()  # noqa: SIM905 - a list of this length reads better as text
)
"""What programs use most."""

RARE = tuple(
    """
argparse asyncio asyncio.events bz2 cProfile concurrent.futures configparser csv curses.ascii difflib dis
fileinput fnmatch getpass gettext glob graphlib gzip hmac html imp ipaddress logging lzma mmap multiprocessing
opcode optparse pdb pstats runpy sched selectors shlex shutil socket stringprep subprocess symtable tarfile
token tokenize trace tracemalloc urllib.parse xml.etree.ElementTree zipfile encodings.cp437 encodings.utf_16
encodings.utf_32 encodings.cp1252
""".split()  # noqa: SIM905 - a list of this length reads better as text
)
"""What is imported too where a program cannot read the library's files itself."""


_PRELUDE_MODULES = [
    "array",
    "bisect",
    "collections",
    "copy",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "random",
    "re",
    "string",
    "typing",
]
_PRELUDE_CONTENTS = ("operator", "string", "math", "typing", "collections", "functools", "itertools", "heapq", "bisect")


@functools.cache
def prelude() -> dict[str, Any]:
    """The names that programs of ``call`` suites, and of LeetCode's ``assert`` suites, find defined.

    Such problems come from LeetCode, whose judge imports "most libraries automatically": accepted solutions use
    ``List`` or ``defaultdict`` without a word. A name of several modules is that of the last; modules win, and built-in
    names stay.
    """
    modules = {name: importlib.import_module(name) for name in _PRELUDE_MODULES}
    names: dict[str, Any] = {"inf": math.inf}
    for module in _PRELUDE_CONTENTS:
        names.update({name: getattr(modules[module], name) for name in _public(modules[module])})
    return {name: value for name, value in (names | modules).items() if name not in vars(builtins)}


def _public(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]))


_loaded_packages: set[str] = set()


def load_packages(folders: dict[str, str]) -> None:
    """Import packages for the code of tests, with those of their modules that it may use later.

    Args:
        folders: each package's name, and the folder that it is installed in.

    Raises:
        ImportError: one cannot be imported; any other exception of its code goes through as well.
    """
    for name, folder in folders.items():
        sys.path.append(folder)
        try:
            importlib.import_module(name)
            load(packages.PRELOADED.get(name, name).split())
        finally:
            sys.path.remove(folder)
        _loaded_packages.add(name)


def hide_packages() -> None:
    """Take from a program what was imported for its tests: its verdict must not depend on what else is installed."""
    if _loaded_packages:
        for name in [name for name in sys.modules if name.split(".")[0] in _loaded_packages]:
            del sys.modules[name]


def load(names: Iterable[str]) -> None:
    """Import the modules that this version of Python has."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def complete_builtins() -> None:
    """Give what the module ``site`` gives, which is left out: it would run code from installed packages."""
    sitebuiltins = importlib.import_module("_sitebuiltins")
    for name in ("exit", "quit"):
        setattr(builtins, name, sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = sitebuiltins._Helper()


def forget_packages() -> None:
    """Leave programs the standard library: their verdicts must not depend on what else is installed here."""
    library = sys.base_prefix
    sys.path[:] = [path for path in sys.path if path.startswith(library) and "-packages" not in path]
