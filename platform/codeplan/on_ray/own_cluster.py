"""What a cluster of its own needs around it: its token, a short folder for sockets, and nobody else's settings."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from codeplan.environment import socket_base
from codeplan.stages import StageError, locked, write_text

TOKEN = "ray_token"  # noqa: S105  # a file's name

_OF_OTHER_CLUSTERS = (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",  # Ray then chooses a token, its default
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",  # would ask for a job's package, which only the job's cluster has
    "RAY_NAMESPACE",
    "RAY_REDIS_ADDRESS",
    "RAY_RUNTIME_ENV",
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_USE_TLS",
)
"""Variables that lead to another cluster or carry its settings. Workers inherit them: they are gone while ours runs."""


@contextmanager
def own_environment(home: Path) -> Iterator[None]:
    """The environment of a cluster of this process alone; put back as it was at the end.

    Raises:
        UserError: the token cannot be kept in the home, or there is no folder for temporary files.
    """
    changed = (*_OF_OTHER_CLUSTERS, "RAY_TMPDIR")
    before = {name: os.environ.get(name) for name in changed}
    uv_before = ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV
    base, token = socket_base(), own_token(home)
    for name in _OF_OTHER_CLUSTERS:
        os.environ.pop(name, None)
    os.environ["RAY_TMPDIR"] = str(base)
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    # Started by `uv run`, Ray would pack the working folder for its workers; ours run where this process does.
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


def own_token(home: Path) -> Path:
    """The file with the local cluster's token, in the run's home and for its owner alone; made where it is missing.

    Ray would write it to the user's home, readable for all, and stop where that is not writable.

    Raises:
        StageError: the file cannot be read or written.
    """
    path = (home / TOKEN).resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{TOKEN}.lock"), {}):
            if not path.exists() or not path.read_text().strip():  # empty: a run was killed while it wrote
                path.unlink(missing_ok=True)
                before = os.umask(0o077)
                try:
                    write_text(path, secrets.token_hex(32))
                finally:
                    os.umask(before)
    except OSError as error:
        raise StageError(
            f"{error.filename or path}: {error.strerror}; the local Ray cluster keeps its token there: execution.home "
            "must be a folder that this user can write to"
        ) from error
    return path


@contextmanager
def redirect_stderr(home: Path) -> Iterator[None]:
    """Send file descriptor 2 to ``ray.log`` while Ray's native core starts: it greets there, whatever its log level."""
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
