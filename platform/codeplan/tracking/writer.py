"""Writes to MLflow without waiting for it: into an outbox on disk, which one thread sends."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeplan.tracking import outbox, writes
from codeplan.tracking.delivery import Delivery, UnavailableError
from codeplan.tracking.left_behind import address_of, adopt
from codeplan.tracking.mlflow_errors import RejectedError, first_line
from codeplan.tracking.writes import LOCAL_ID

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_GATHER_S = 1.0
"""How long writes are gathered before they are sent together."""
_IDLE_S = 3.0
"""How long the thread waits for more writes before it ends; the next write starts another."""
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 15.0
"""How long the thread waits after MLflow failed: twice as long each time, up to this."""
_ID_S = 5.0
"""How long `Writer.run_id` waits for MLflow to create a run."""


@dataclass(frozen=True)
class Undelivered:
    """What MLflow does not have.

    Attributes:
        left: how many writes wait on disk.
        why: why MLflow did not take the last one that was tried.
        rejected: why MLflow rejected writes.
    """

    left: int
    why: str
    rejected: tuple[str, ...]


class Writer:
    """Keeps the writes of all runs of a tracker and sends them, from any thread, without waiting for MLflow.

    What is left when the process ends is sent by the next run on the home, or by `codeplan track --push`.
    """

    def __init__(self, client: MlflowClient, home: Path, address: str) -> None:
        """Nothing is written yet.

        Args:
            client: MLflow's client.
            home: the runs' home.
            address: the tracking URI without its password; empty for the database in the home.
        """
        self._client = client
        self._home = home
        self._address = address
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._hurry = threading.Event()
        self._delivery: Delivery | None = None
        self._thread: threading.Thread | None = None
        self._left_behind: list[Path] = []
        self._adopted: Delivery | None = None
        self._why = ""
        """Why MLflow is unavailable; empty while it takes writes."""
        self._rejected: list[str] = []
        self._ids: dict[str, str] = {}

    def write(self, run: str, method: str, *arguments: Any, **options: Any) -> None:
        """Keep a call of a method of the client that takes the run's id first, and its result nowhere.

        Raises:
            OSError: the disk is full.
        """
        with self._lock:
            try:
                writes.add(self._open(), run, method, *arguments, **options)
            except RejectedError as error:
                self._rejected.append(str(error))
            self._start()

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """A local id for a run that MLflow will be asked to create; `run_id` gives MLflow's own.

        Raises:
            OSError: the disk is full.
        """
        local = f"local-{uuid.uuid4().hex}"
        arguments = {"experiment_id": experiment_id, "start_time": int(time.time() * 1000)}
        record = {"run": local, "create": {**arguments, "run_name": name, "tags": dict(tags)}}
        with self._lock:
            self._open().append(record)
            self._start()
        return local

    def run_id(self, run: str) -> str:
        """MLflow's id of a run. If MLflow does not create it within seconds, its local id, which the writer replaces
        in tags, arguments and the like once it knows better.

        Args:
            run: MLflow's id or a local one.
        """
        if not LOCAL_ID.fullmatch(run):
            return run
        deadline = time.monotonic() + _ID_S
        with self._changed:
            while (known := self._known(run)) is None and not self._why and time.monotonic() < deadline:
                self._hurry.set()
                self._changed.wait(0.5)
            if known is None and self._delivery is not None:
                self._delivery.outbox.hand_out(run)
                known = self._known(run)
            return known or run

    def send_left_behind(self) -> None:
        """Send in the background what processes that have ended left in the home for this MLflow."""
        with self._lock:
            self._left_behind = [folder for folder in outbox.found(self._home) if address_of(folder) == self._address]
            if self._left_behind:
                self._start()

    def flush(self, timeout_s: float) -> Undelivered:
        """Wait until MLflow has all that was written before this call, for a limited time.

        Returns:
            What it does not have; rejected writes are returned once.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            goal = self._goal()
            while not self._reached(goal) and time.monotonic() < deadline:
                self._hurry.set()
                self._start()
                self._changed.wait(min(1.0, max(0.0, deadline - time.monotonic())))
            rejected = tuple(self._rejected)
            self._rejected.clear()
            left = self._delivery.outbox.left if self._delivery is not None else 0
            if not left:
                self._close()
            return Undelivered(left, self._why, rejected)

    def _goal(self) -> tuple[Delivery | None, int, frozenset[str]]:
        if self._delivery is None:
            return None, 0, frozenset()
        waiting = self._delivery.outbox
        return self._delivery, waiting.appended, waiting.pending_files()

    def _reached(self, goal: tuple[Delivery | None, int, frozenset[str]]) -> bool:
        delivery, appended, files = goal
        if delivery is None or delivery is not self._delivery:
            return True
        return delivery.outbox.sent >= appended and not files & delivery.outbox.pending_files()

    def _known(self, run: str) -> str | None:
        if self._delivery is not None and run in self._delivery.outbox.ids:
            return self._delivery.outbox.ids[run]
        return self._ids.get(run)

    def _open(self) -> outbox.Outbox:
        if self._delivery is None:
            opened = outbox.create(self._home, self._address)
            for local, run_id in self._ids.items():
                opened.remember(local, run_id)
            self._delivery = Delivery(self._client, opened, self._rejected, self._on_sent)
        return self._delivery.outbox

    def _close(self) -> None:
        if self._delivery is not None:
            self._ids.update(self._delivery.outbox.ids)
            self._delivery.outbox.close()
            self._delivery = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="codeplan-mlflow", daemon=True)
            self._thread.start()

    def _on_sent(self, count: int) -> None:  # noqa: ARG002  # the command that sends shows it
        with self._changed:
            self._why = ""
            self._changed.notify_all()

    def _send_all(self) -> None:
        """Send all that waits, again and again, until nothing has been written for a while."""
        pause = _FIRST_PAUSE_S
        last_work = time.monotonic()
        while True:
            self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            delivery = self._delivery
            try:
                if delivery is not None:
                    delivery.outbox.sync()
                    delivery.send()
                self._send_some_left_behind()
            except Exception as error:  # also a disk that is full: what waits is kept, and the end of the run reports
                self._unavailable(str(error) if isinstance(error, UnavailableError) else first_line(error), pause)
                pause = min(2 * pause, _MAX_PAUSE_S)
            else:
                pause = _FIRST_PAUSE_S
            with self._changed:
                if self._adopted or self._left_behind or (self._delivery is not None and self._delivery.outbox.left):
                    last_work = time.monotonic()
                self._changed.notify_all()
                if time.monotonic() - last_work > _IDLE_S:
                    self._thread = None
                    return

    def _unavailable(self, why: str, pause: float) -> None:
        """Wait before the next attempt; what is written meanwhile is brought to disk all the same."""
        with self._changed:
            self._why = why
            self._changed.notify_all()
        time.sleep(_FIRST_PAUSE_S)  # however much whoever waits is in a hurry: MLflow fails at once while it is down
        until = time.monotonic() + pause - _FIRST_PAUSE_S
        while time.monotonic() < until and not self._hurry.wait(min(1.0, pause)):
            delivery = self._delivery
            if delivery is not None:
                delivery.outbox.sync()

    def _send_some_left_behind(self) -> None:
        """Send a part of what another process left, so that this one's own writes need not wait for the rest."""
        while self._adopted is None and self._left_behind:
            waiting = adopt(self._left_behind.pop(0))
            self._adopted = Delivery(self._client, waiting, []) if waiting is not None else None
        if self._adopted is None:
            return
        self._hurry.set()  # the next part at once
        if not self._adopted.send_some():
            self._adopted.outbox.close()
            self._adopted = None
