"""The environment of a local Ray cluster: its token, a short path for sockets, no settings of other clusters."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from codeplan.environment import socket_base
from codeplan.files import locked, write_text
from codeplan.stage import StageError

TOKEN = "ray_token"  # noqa: S105  # a file name

_FOREIGN_VARIABLES = (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",  # Ray then uses a token, its default
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",  # would request a job's package, which only the job's cluster has
    "RAY_NAMESPACE",
    "RAY_REDIS_ADDRESS",
    "RAY_RUNTIME_ENV",
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_USE_TLS",
)
"""Variables that lead to another cluster or carry its settings; workers inherit them, so they are unset meanwhile."""


@contextmanager
def isolated_environment(home: Path) -> Iterator[None]:
    """Set up the environment of a local cluster, and restore the previous one at the end.

    Raises:
        UserError: the token cannot be stored in the home, or no folder for temporary files is writable.
    """
    names = (*_FOREIGN_VARIABLES, "RAY_TMPDIR")
    before = {name: os.environ.get(name) for name in names}
    uv_before = ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV
    base, token = socket_base(), local_token(home)
    for name in _FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    os.environ["RAY_TMPDIR"] = str(base)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    # Under `uv run`, Ray would package the working directory for its workers; here they run where this process does.
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    AuthenticationTokenLoader.instance().reset_cache()
    try:
        yield
    finally:
        ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = uv_before
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        AuthenticationTokenLoader.instance().reset_cache()
        Config.initialize("")  # Ray's native core caches RAY_AUTH_MODE, which `ray.init` had set.


def local_token(home: Path) -> Path:
    """The file with the local cluster's token, in the run's home, readable by its owner only; created if missing.

    Ray itself would write it to the user's home directory, readable by all, and fail if that is not writable.

    Raises:
        StageError: the file cannot be read or written.
    """
    path = (home / TOKEN).resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{TOKEN}.lock"), {}):
            if not path.exists() or not path.read_text().strip():  # empty: a run was killed while writing it
                path.unlink(missing_ok=True)
                before = os.umask(0o077)
                try:
                    write_text(path, secrets.token_hex(32))
                finally:
                    os.umask(before)
    except OSError as error:
        raise StageError(
            f"{error.filename or path}: {error.strerror}; the local Ray cluster stores its token there: execution.home "
            "must be a writable folder"
        ) from error
    return path


@contextmanager
def redirect_stderr(home: Path) -> Iterator[None]:
    """Send file descriptor 2 to ``ray.log`` while Ray's native core starts: it writes there, whatever its log level."""
    home.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with (home / "ray.log").open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
