"""Standard library modules that the fork server imports once, so that tests do not spend time on them."""

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
""".split()  # noqa: SIM905 - more readable as text
)
"""The modules that programs use most."""

RARE = tuple(
    """
argparse asyncio asyncio.events bz2 cProfile concurrent.futures configparser csv curses.ascii difflib dis
fileinput fnmatch getpass gettext glob graphlib gzip hmac html imp ipaddress logging lzma mmap multiprocessing
opcode optparse pdb pstats runpy sched selectors shlex shutil socket stringprep subprocess symtable tarfile
token tokenize trace tracemalloc urllib.parse xml.etree.ElementTree zipfile encodings.cp437 encodings.utf_16
encodings.utf_32 encodings.cp1252
""".split()  # noqa: SIM905 - more readable as text
)
"""Imported as well where programs cannot read the library's files."""


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
    """Names that are predefined for programs of ``call`` suites and of LeetCode-style ``assert`` suites.

    Such problems come from LeetCode, whose judge imports "most libraries automatically": accepted solutions use
    ``List`` or ``defaultdict`` without importing them. For a name in several modules the last one counts; modules take
    precedence, and built-in names are not replaced.
    """
    modules = {name: importlib.import_module(name) for name in _PRELUDE_MODULES}
    names: dict[str, Any] = {"inf": math.inf}
    for module in _PRELUDE_CONTENTS:
        names.update({name: getattr(modules[module], name) for name in _public(modules[module])})
    return {name: value for name, value in (names | modules).items() if name not in vars(builtins)}


def _public(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]))


_hidden_packages: set[str] = set()


def load_packages(folders: dict[str, str], of_programs: Iterable[str] = ()) -> None:
    """Import packages, including submodules that may be used later.

    Args:
        folders: the packages, and the folder in which each is installed.
        of_programs: those that programs may import too; tests alone may import the others.

    Raises:
        ImportError: a package cannot be imported. Other exceptions of its code propagate as well.
    """
    for name, folder in folders.items():
        sys.path.append(folder)
        try:
            importlib.import_module(name)
            load(packages.PRELOADED.get(name, name).split())
        finally:
            sys.path.remove(folder)
    _hidden_packages.update(set(folders) - set(of_programs))


def hide_packages() -> None:
    """Hide the packages of the tests from the program: its verdict must not depend on what is installed.

    What a package of the program imported stays with it, under names that the program cannot import.
    """
    if _hidden_packages:
        for name in [name for name in sys.modules if name.split(".")[0] in _hidden_packages]:
            del sys.modules[name]


def load(names: Iterable[str]) -> None:
    """Import modules, skipping those that this version of Python does not have."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def add_site_builtins() -> None:
    """Define the built-in names that ``site`` defines; ``site`` itself would run code of installed packages."""
    sitebuiltins = importlib.import_module("_sitebuiltins")
    for name in ("exit", "quit"):
        setattr(builtins, name, sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = sitebuiltins._Helper()


def remove_site_packages() -> None:
    """Reduce ``sys.path`` to the standard library: verdicts must not depend on what is installed."""
    library = sys.base_prefix
    sys.path[:] = [path for path in sys.path if path.startswith(library) and "-packages" not in path]
