"""Where MLflow writes: a server, or a SQLite database that several first runs may want to make at once."""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from codeplan.config import TrackingConfig
from codeplan.errors import UserError
from codeplan.stages import locked

DATABASE = "mlflow.db"
_FOREIGN = ("MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")
"""Variables of the environment that belong to a server, and lead a SQLite database of a home astray."""


class TrackingError(UserError):
    """MLflow cannot be reached or written to."""


def uri(tracking: TrackingConfig, home: Path) -> str:
    """The tracking address: the configured one, or the SQLite file in the run's home."""
    return tracking.uri or database_uri(home / DATABASE)


def database_uri(path: Path) -> str:
    """The address of a SQLite file, whatever characters its path has.

    Raises:
        TrackingError: the address cannot hold the path.
    """
    from sqlalchemy.engine import make_url

    whole = os.path.abspath(path)  # noqa: PTH100  # a link stays a link: its target may have another name tomorrow
    # The second form names the driver because MLflow makes a folder of the quoted name for the first.
    for address in (f"sqlite:///{whole}", f"sqlite+pysqlite:///{quote(os.fsencode(whole))}"):
        if make_url(address).database == whole and not make_url(address).query:
            return address
    odd = "".join(sorted({sign for sign in whole if not sign.isascii() or quote(sign) != sign}))
    raise TrackingError(
        f"the path {whole!r} cannot be written as the address of a database, because of one of the characters "
        f"{odd!r}; name another folder in execution.home, or an MLflow server in tracking.uri"
    )


def redacted(address: str) -> str:
    """An address without its password."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{place}"))


def sqlite_path(address: str) -> Path | None:
    """The file of a SQLite address, or None for any other address."""
    if not address.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    found = make_url(address).database
    return Path(found) if found and found != ":memory:" else None


def make_database(path: Path) -> None:
    """Make the database where it is missing, and mend one that a killed first run left half made.

    It is made under a temporary name and renamed, under a lock: nobody ever sees half of one. Only a database that
    holds no runs is made again.

    Raises:
        TrackingError: it cannot be made, is damaged, or belongs to another version of MLflow; what is there is kept.
    """
    for name in _FOREIGN:
        os.environ.pop(name, None)
    with _one_message(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if _is_complete(path):
            return
        with locked(path.with_name(f".{path.name}.lock"), {}):
            if _is_complete(path):
                return
            unfinished = path.with_name(f".{path.name}.new")
            for left in path.parent.glob(f".{path.name}.new*"):
                left.unlink()
            _migrate(unfinished)
            for left in path.parent.glob(f"{path.name}-*"):  # the journal belongs to the half-made database
                left.unlink()
            unfinished.replace(path)


def _is_complete(path: Path) -> bool:
    """True if the database can be used, False where there is none or a half-made one without runs."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("r+b"):  # says what a person can act on where it may not be written to
        pass
    connection = sqlite3.connect(path, timeout=60)
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found = _first(connection, "SELECT version_num FROM alembic_version") if "alembic_version" in tables else None
        runs = _first(connection, "SELECT COUNT(*) FROM runs") if "runs" in tables else 0
    finally:
        connection.close()
    if found == _head():
        return True
    if not runs:
        return False
    raise TrackingError(
        f"the database {path} was written by another version of MLflow (its schema is {found}, this one's {_head()}); "
        f"use that version, or, after a copy of the file, bring it to this one's by: mlflow db upgrade "
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
def _one_message(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"the database {path} cannot be used: {error}; move it away (a new one is made, and finished stages are "
            "still reused), or name another one in tracking.uri"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise TrackingError(
            f"{error.filename or path}: {error.strerror}; execution.home must be a folder that can be written to"
        ) from error
