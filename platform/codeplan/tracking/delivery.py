"""Sends what waits in an outbox, in order and in batches. Sending a write twice changes nothing in MLflow.

MLflow stores one metric point once for the same run, key, value, timestamp and step; parameters, tags and artifacts of
the same name are replaced by equal ones; a run that may have been created already is first looked for by its local id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codeplan.tracking import operations
from codeplan.tracking.mlflow_errors import RejectedError, first_line, is_rejected, retry_while_locked
from codeplan.tracking.outbox import Outbox
from codeplan.tracking.segments import Record, Waiting
from codeplan.tracking.writes import Entry, batch_options, batches, unpacked, with_ids

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

LOCAL_ID_TAG = "mlflow.codeplanLocalId"
"""Of a run that was given a local id first. MLflow's UI hides tags whose names begin so."""
_TABLES_TAG = "mlflow.loggedArtifacts"
_ATTEMPTS = 5
_PATIENCE_S = 90.0
"""A write that MLflow fails to take this often and for this long, while it answers other requests, is rejected. A store
of artifacts that is away for a minute is no reason to.
"""


class UnavailableError(Exception):
    """MLflow does not take writes now; what was not acknowledged waits."""


class Delivery:
    """Sends one outbox."""

    def __init__(
        self,
        client: MlflowClient,
        outbox: Outbox,
        rejected: list[str],
        on_sent: Callable[[int], None] | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: MLflow's client.
            outbox: what to send.
            rejected: gets why MLflow rejected a write, before that write is acknowledged.
            on_sent: called with the number of writes that were acknowledged.
        """
        self.outbox = outbox
        self._client = client
        self._why_rejected = rejected
        self._on_sent = on_sent
        self._failures = 0
        self._failing_since = 0.0
        self._attempted: set[str] = set()
        self._rejected: set[str] = set()

    def send(self) -> None:
        """Send what waits.

        Raises:
            UnavailableError: MLflow does not take it now.
        """
        while self.send_some():
            pass

    def send_some(self) -> bool:
        """Send a part of what waits; false once nothing does.

        Raises:
            UnavailableError: MLflow does not take it now.
        """
        if window := self.outbox.read():
            self._send_window(window)
            return True
        self._send_files()
        return False

    def _report(self, count: int) -> None:
        if self._on_sent is not None:
            self._on_sent(count)

    def _send_window(self, window: list[Waiting]) -> None:
        while window:
            group = list(takewhile(lambda waiting: "entries" in waiting.record, window)) or window[:1]
            if "entries" in group[0].record:
                self._send_entries(group)
            else:
                self._send_call(group[0].record)
            self.outbox.acknowledge(group[-1], len(group))
            self._report(len(group))
            window = window[len(group) :]

    def _send_entries(self, group: list[Waiting]) -> None:
        by_run: dict[str, list[Entry]] = {}
        for waiting in group:
            by_run.setdefault(waiting.record["run"], []).extend(waiting.record["entries"])
        for run, entries in by_run.items():
            try:
                run_id = self._run_id(run)
            except RejectedError as error:
                self._reject({"run": run, "entries": entries}, error)
                continue
            for batch in batches(entries):
                self._send_batch(run_id, batch)

    def _send_batch(self, run: str, entries: list[Entry]) -> None:
        """Send entries of one run; if MLflow rejects them, halves of them, until those to blame stand alone."""
        try:
            options = batch_options([[*entry[:2], *map(self._with_ids, entry[2:])] for entry in entries])
            self._attempt(lambda: self._client.log_batch(run, **options))
        except RejectedError as error:
            if len(entries) == 1:
                self._reject({"run": run, "entries": entries}, error)
                return
            half = len(entries) // 2
            self._send_batch(run, entries[:half])
            self._send_batch(run, entries[half:])

    def _send_call(self, record: Record) -> None:
        try:
            if "create" in record:
                self._create(record["run"], record["create"])
            elif "call" in record:
                self._call(record)
            else:
                raise RejectedError("the record is unreadable")
        except RejectedError as error:
            self._reject(record, error)

    def _call(self, record: Record) -> None:
        arguments = unpacked(record["arguments"], self._with_ids)
        options = unpacked(record["options"], self._with_ids)
        run_id = self._run_id(record["run"])
        self._attempt(lambda: operations.call(self._client, record["call"], run_id, *arguments, **options))

    def _create(self, local: str, arguments: dict[str, Any]) -> None:
        if local in self.outbox.ids:  # created, and not acknowledged
            return
        if self.outbox.adopted or local in self._attempted:
            query = f"tags.`{LOCAL_ID_TAG}` = '{local}'"
            runs = self._attempt(lambda: self._client.search_runs([arguments["experiment_id"]], query))
            if runs:
                self.outbox.remember(local, runs[0].info.run_id)
                return
        self._attempted.add(local)
        tags = {key: self._with_ids(value) for key, value in arguments["tags"].items()}
        tags[LOCAL_ID_TAG] = local
        run = self._attempt(lambda: self._client.create_run(**{**arguments, "tags": tags}))
        self.outbox.remember(local, run.info.run_id)

    def _send_files(self) -> None:
        """Send artifacts; one that fails does not hold up the others, as MLflow may take its own elsewhere."""
        unavailable: UnavailableError | None = None
        for name, record, path in self.outbox.files():
            try:
                self._send_file(record, path)
            except RejectedError as error:
                self._reject(record, error, name)
            except UnavailableError as error:
                if not self._answers():
                    raise
                unavailable = error
                continue
            self.outbox.acknowledge_file(name)
            self._report(1)
        if unavailable is not None:
            raise unavailable

    def _send_file(self, record: Record, path: Path) -> None:
        if "folder" not in record or not path.is_file():
            raise RejectedError("the record is unreadable")
        run_id = self._run_id(record["run"])
        if record.get("text"):
            self._replace_ids(path)
        self._attempt(lambda: self._client.log_artifact(run_id, str(path), record["folder"]), patient=True)
        if record["table"]:
            self._attempt(lambda: self._note_table(run_id, record["table"]), patient=True)

    def _replace_ids(self, path: Path) -> None:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if (replaced := self._with_ids(text)) != text:
            # Elsewhere first: a crash must leave one whole file in the artifact's folder.
            unfinished = path.parents[1] / "replaced"
            unfinished.write_bytes(replaced.encode("utf-8", "surrogateescape"))
            unfinished.replace(path)

    def _note_table(self, run_id: str, path: str) -> None:
        """List the table among those that MLflow's UI can show."""
        noted = json.loads(self._client.get_run(run_id).data.tags.get(_TABLES_TAG, "[]"))
        table = {"path": path, "type": "table"}
        if table not in noted:
            self._client.set_tag(run_id, _TABLES_TAG, json.dumps([*noted, table]))

    def _attempt(self, call: Callable[[], T], *, patient: bool = False) -> T:
        """Call MLflow once.

        Raises:
            RejectedError: it will never take this.
            UnavailableError: it may take this later.
        """
        try:
            result = retry_while_locked(call)
        except RejectedError:
            raise
        except Exception as error:  # MLflow's own errors, the database's, the network's, the disk's
            # A proxy, or a server that is starting, may answer 404 to everything.
            answers = self._answers()
            self._count_failure(counts=answers and not patient)
            if answers and (is_rejected(error) or self._is_hopeless()):
                self._failures = 0
                raise RejectedError(first_line(error)) from error
            raise UnavailableError(first_line(error)) from error
        self._failures = 0
        return result

    def _count_failure(self, *, counts: bool) -> None:
        if self._failures == 0:
            self._failing_since = time.monotonic()
        self._failures = self._failures + 1 if counts else 0

    def _is_hopeless(self) -> bool:
        return self._failures >= _ATTEMPTS and time.monotonic() - self._failing_since >= _PATIENCE_S

    def _answers(self) -> bool:
        try:
            self._client.search_experiments(max_results=1)
        except Exception:
            return False
        return True

    def _reject(self, record: Record, error: RejectedError, file: str = "") -> None:
        known = json.dumps(record, sort_keys=True)
        if known not in self._rejected:  # the rest of its batch may have been unavailable, and is sent again
            self._rejected.add(known)
            self.outbox.reject(record, str(error), file)
            self._why_rejected.append(str(error))

    def _run_id(self, run: str) -> str:
        run_id: str = self._with_ids(run)
        if run_id.startswith("local-"):
            raise RejectedError("MLflow rejected the run itself")
        return run_id

    def _with_ids(self, value: Any) -> Any:
        return with_ids(value, self.outbox.mlflow_id) if isinstance(value, str) else value
