"""How the command talks: its console, its errors, and where to look next."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

    from codeplan.config import Config

_TERMINATED = 128 + signal.SIGTERM


def console() -> Console:
    """The terminal; wide where there is none, as a table in a log file must not be squeezed to 80 columns.

    A submitted job has ``COLUMNS`` from the terminal that it was submitted from.
    """
    from rich.console import Console

    return Console() if sys.stdout.isatty() or os.environ.get("COLUMNS") else Console(width=120)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors that a user can act on into one message; any other is a bug and keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding shows a question mark
    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted; finished work is kept, run the same command to resume", code=130)
    except SystemExit as error:
        if error.code == _TERMINATED:
            fail("terminated; finished work is kept, run the same command to resume", code=_TERMINATED)
        raise
    except Exception as error:
        from codeplan.environment import explain_variable
        from codeplan.errors import explain

        message = explain(error) or explain_variable(error)
        if message is None:
            raise
        fail(message)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong on standard error, and end."""
    sys.stdout.flush()
    print(f"codeplan: {message}", file=sys.stderr)
    raise SystemExit(code)


def how_to_look(config: Config) -> str:
    """How to open MLflow on the runs."""
    from codeplan.tracking import redacted

    if config.tracking.uri:
        return f"open MLflow at {redacted(config.tracking.uri)}"
    here = Path(sys.executable).with_name("codeplan")
    with suppress(ValueError, OSError):  # the current folder may be gone
        here = here.relative_to(Path.cwd())
    command = "codeplan" if shutil.which("codeplan") else shlex.quote(str(here))
    home = config.execution.home
    return f"{command} ui" + (f" --home {shlex.quote(home)}" if home != "runs" else "")
