"""What processes that were killed, or that ended while MLflow was away, left in a home's outbox."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from codeplan.tracking import outbox
from codeplan.tracking.database import DATABASE, TrackingError, database_uri, hidden, redacted, sqlite_path
from codeplan.tracking.delivery import Delivery, UnavailableError
from codeplan.tracking.mlflow_errors import first_line, silence_logs

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_ATTEMPTS = 3


@dataclass
class Sent:
    """What `push` did."""

    writes: int = 0
    left: int = 0
    busy: int = 0
    """Outboxes of processes that live, which send them themselves."""
    rejected: list[str] = field(default_factory=list)


def address_of(folder: Path) -> str | None:
    """The address that an outbox's writes are for; None if it was sent meanwhile."""
    try:
        return (folder / "address").read_text(encoding="utf-8")
    except OSError:
        return None


def adopt(folder: Path) -> outbox.Outbox | None:
    """The outbox of a process that has ended, in which each run that it created and did not end is marked as failed;
    None if there is nothing to do.
    """
    waiting = outbox.adopt(folder)
    if waiting is None:
        return None
    created: dict[str, None] = {}
    for record in waiting.records():
        if "create" in record:
            created[record["run"]] = None
        elif record.get("call") == "set_terminated":
            created.pop(record["run"], None)
    for run in created:
        waiting.append({"run": run, "entries": [["tag", "codeplan.error", "the process was killed"]]})
        arguments = ["FAILED", int(time.time() * 1000)]
        waiting.append({"run": run, "call": "set_terminated", "arguments": arguments, "options": {"map": {}}})
    return waiting


def waiting_writes(home: Path) -> dict[str, int]:
    """How many writes wait in a home, by the address that they are for."""
    counts: dict[str, int] = {}
    for folder in outbox.found(home):
        address = address_of(folder)
        if address is not None:
            counts[address] = counts.get(address, 0) + outbox.count(folder)
    return counts


def push(home: Path, uri: str, on_sent: Callable[[int], None]) -> Sent:
    """Send what processes that have ended left in a home.

    Args:
        home: the runs' home.
        uri: MLflow's address with its password, which is not kept; only what is for this address is sent. Empty takes
            the addresses that are kept.
        on_sent: called with numbers of writes that MLflow has taken.

    Raises:
        TrackingError: MLflow cannot be reached, or a password is missing.
    """
    sent = Sent()

    def count(writes: int) -> None:
        sent.writes += writes
        on_sent(writes)

    for folder in outbox.found(home):
        address = address_of(folder)
        if address is None or (uri and address != redacted(uri)):
            sent.left += outbox.count(folder) if address is not None else 0
            continue
        waiting = adopt(folder)
        if waiting is None:
            sent.busy += 1
            continue
        try:
            _send(waiting, uri or _usable(address, home), count, sent)
        finally:
            waiting.close()
    return sent


def _send(waiting: outbox.Outbox, uri: str, count: Callable[[int], None], sent: Sent) -> None:
    delivery: Delivery | None = None
    for attempt in range(_ATTEMPTS):
        try:
            if delivery is None:
                delivery = Delivery(_client(uri), waiting, sent.rejected, count)
            delivery.send()
            break
        except Exception as error:  # MLflow's own errors, the database's, the network's
            if attempt == _ATTEMPTS - 1:
                why = str(error) if isinstance(error, UnavailableError) else first_line(error)
                raise TrackingError(
                    f"{waiting.left:,} writes are left, as MLflow at {redacted(uri)} does not take them: "
                    f"{hidden(why, uri)}; they stay in {waiting.folder}. If the address needs a password, which is "
                    "never kept, give it with --uri, or in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
                ) from error
            time.sleep(2.0**attempt)


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    import mlflow

    silence_logs()
    database = sqlite_path(uri)
    if database is not None and not database.exists():
        raise FileNotFoundError(f"{database} does not exist")
    mlflow.set_tracking_uri(uri)  # the client takes the artifact store from it
    return mlflow.MlflowClient(uri)


def _usable(address: str, home: Path) -> str:
    """The URI for an address that may lack its password, which the libraries then look for in the environment."""
    if not address:
        return database_uri(home / DATABASE)
    if address.startswith("http"):
        return re.sub(r"//[^/@]*:\*\*\*@", "//", address)
    return address.replace(":***@", "@")
