"""Where MLflow writes: a server, or a SQLite database that several first runs may try to create at once."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus, urlsplit, urlunsplit

from codeplan.config import TrackingConfig
from codeplan.errors import UserError
from codeplan.files import locked

DATABASE = "mlflow.db"
_SERVER_VARIABLES = ("MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")
"""Environment variables meant for a server, which break a local SQLite database."""


_IN_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword)=)([^&#]*)", re.IGNORECASE)


class TrackingError(UserError):
    """MLflow cannot be reached or written to."""


def uri(tracking: TrackingConfig, home: Path) -> str:
    """The tracking URI: the configured one, or that of the SQLite file in the home."""
    return tracking.uri or database_uri(home / DATABASE)


def database_uri(path: Path) -> str:
    """The URI of a SQLite file, whatever characters its path contains.

    Raises:
        TrackingError: the path cannot be expressed as a URI.
    """
    from sqlalchemy.engine import make_url

    absolute = os.path.abspath(path)  # noqa: PTH100  # a symbolic link is kept: its target may change
    # The second form names the driver because MLflow creates a folder of the quoted name for the first.
    for address in (f"sqlite:///{absolute}", f"sqlite+pysqlite:///{quote(os.fsencode(absolute))}"):
        if make_url(address).database == absolute and not make_url(address).query:
            return address
    special = "".join(sorted({char for char in absolute if not char.isascii() or quote(char) != char}))
    raise TrackingError(
        f"the path {absolute!r} cannot be expressed as a database URI, because of one of the characters {special!r}; "
        "set execution.home to another folder, or tracking.uri to an MLflow server"
    )


def redacted(address: str) -> str:
    """A URI with its password masked, also one among its parameters, as PostgreSQL takes it."""
    parts = urlsplit(_IN_QUERY.sub(r"\1***", address))
    if parts.password is None:
        return parts.geturl() if _IN_QUERY.search(address) else address
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def hidden(message: str, address: str) -> str:
    """A message without the passwords that the URI contains."""
    message = message.replace(address, redacted(address))
    written = [urlsplit(address).password or "", *(found.group(2) for found in _IN_QUERY.finditer(address))]
    for password in {form for word in written for form in (word, unquote(word), unquote_plus(word)) if form}:
        message = message.replace(password, "***")
    return message


def sqlite_path(address: str) -> Path | None:
    """The file of a SQLite URI, or None for any other URI."""
    if not address.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(address).database
    return Path(name) if name and name != ":memory:" else None


def make_database(path: Path) -> None:
    """Create the database if it is missing, and repair one that a killed first run left incomplete.

    It is created under a temporary name and renamed, under a lock, so that no process ever sees a partial one. Only a
    database without runs is replaced.

    Raises:
        TrackingError: it cannot be created, is corrupt, or has the schema of another version of MLflow; an existing
            file is kept.
    """
    for name in _SERVER_VARIABLES:
        os.environ.pop(name, None)
    with _as_tracking_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_complete(path):
            return
        with locked(path.with_name(f".{path.name}.lock"), {}):
            if _is_complete(path):
                return
            unfinished = path.with_name(f".{path.name}.new")
            for leftover in path.parent.glob(f".{path.name}.new*"):
                leftover.unlink()
            _migrate(unfinished)
            for leftover in path.parent.glob(f"{path.name}-*"):  # the journal of the incomplete database
                leftover.unlink()
            unfinished.replace(path)


def _is_complete(path: Path) -> bool:
    """True if the database is usable, False if it is missing, or incomplete and without runs."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("r+b"):  # raises a clear error if the file is not writable
        pass
    connection = sqlite3.connect(path, timeout=60)
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = _first(connection, "SELECT version_num FROM alembic_version") if "alembic_version" in tables else None
        runs = _first(connection, "SELECT COUNT(*) FROM runs") if "runs" in tables else 0
    finally:
        connection.close()
    if version == _head():
        return True
    if not runs:
        return False
    raise TrackingError(
        f"the database {path} was written by another version of MLflow (its schema is {version}, this version's "
        f"{_head()}); use that version, or back up the file and run: mlflow db upgrade "
        f"{shlex.quote(database_uri(path))}"
    )


def _first(connection: sqlite3.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _head() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision

    return str(_get_latest_schema_revision())


def _migrate(path: Path) -> None:
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(database_uri(path))
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()


@contextmanager
def _as_tracking_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"the database {path} is unusable: {error}; move it away (a new one is created, and finished stages are "
            "still reused), or set tracking.uri to another one"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise TrackingError(
            f"{error.filename or path}: {error.strerror}; execution.home must be a writable folder"
        ) from error
