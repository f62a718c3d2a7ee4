"""Calls of MLflow's client as records of the outbox, and back.

A record is a JSON object with ``run``, the run's id (MLflow's or a local one), and one of:

- ``entries``: metrics ``["metric", key, value, timestamp in ms, step]``, parameters ``["param", key, value]`` and tags
  ``["tag", key, value]``, which are sent together in batches;
- ``create``: the arguments of `MlflowClient.create_run`;
- ``call``, ``arguments``, ``options``: any other method of the client that takes the run's id first, or an operation
  of `codeplan.tracking.operations`;
- ``folder``, ``table``, ``text``: where the artifact goes that is kept beside the record, its path if it is a table,
  and whether local ids in it are replaced.
"""

from __future__ import annotations

import base64
import posixpath
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from codeplan.tracking.mlflow_errors import RejectedError
from codeplan.tracking.operations import OPERATIONS
from codeplan.tracking.outbox import Outbox
from codeplan.tracking.segments import Record

Entry = list[Any]
_Artifact = tuple[Callable[[Path], None], Record]
"""What writes the artifact's file into a folder, and its record but for the run."""
_TEXT_SUFFIXES = {".md", ".html", ".json"}
_TEXT_BYTES = 1_000_000
"""Local ids are replaced in files of these kinds up to this size, and in all that is logged as text."""

BATCH = 900
"""Metrics per request; MLflow takes 1,000 entries, and of parameters and tags 100 each."""
_PER_REQUEST = {"metric": BATCH, "param": 50, "tag": 50}
LOCAL_ID = re.compile(r"local-[0-9a-f]{32}")
"""A run's id until MLflow has created the run."""


def add(outbox: Outbox, run: str, method: str, *arguments: Any, **options: Any) -> None:
    """Add a call of the client, without the run's id, to an outbox.

    Raises:
        RejectedError: it can never be sent, such as a file that does not exist.
        OSError: the disk is full.
    """
    try:
        if method in _FILES:
            fill, artifact = _FILES[method](*arguments, **options)
            outbox.append_file({"run": run, **artifact}, fill)
        else:
            outbox.append(_record(run, method, arguments, options))
    except (ValueError, TypeError, KeyError, AttributeError, FileNotFoundError) as error:
        outbox.reject({"run": run, "call": method}, f"{type(error).__name__}: {error}")
        raise RejectedError(f"{method}: {error}") from error


def _record(run: str, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Record:
    if method == "set_tag":
        key, value = arguments
        return {"run": run, "entries": [["tag", key, value]]}
    if method == "log_batch":
        metrics = [["metric", m.key, float(m.value), int(m.timestamp), int(m.step)] for m in options.get("metrics", ())]
        params = [["param", param.key, str(param.value)] for param in options.get("params", ())]
        tags = [["tag", tag.key, tag.value] for tag in options.get("tags", ())]
        return {"run": run, "entries": metrics + params + tags}
    from mlflow.tracking import MlflowClient

    if method not in OPERATIONS and not callable(getattr(MlflowClient, method, None)):
        raise AttributeError(f"MLflow's client has no method {method}")
    if method == "set_terminated" and len(arguments) == 1:
        arguments = (*arguments, int(time.time() * 1000))  # when it ended, not when MLflow is told
    return {"run": run, "call": method, "arguments": packed(list(arguments)), "options": packed(dict(options))}


def _file(path: str, folder: str | None = None) -> _Artifact:
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not a file")

    def fill(content: Path) -> None:
        shutil.copyfile(source, content / source.name)

    text = source.suffix in _TEXT_SUFFIXES and source.stat().st_size <= _TEXT_BYTES
    return fill, {"folder": folder, "table": "", "text": text}


def _text(text: str, name: str) -> _Artifact:
    def fill(content: Path) -> None:
        (content / posixpath.basename(name)).write_text(text, encoding="utf-8")

    return fill, {"folder": posixpath.dirname(name) or None, "table": "", "text": True}


def _table(columns: Mapping[str, Any], name: str) -> _Artifact:
    """As `MlflowClient.log_table` writes it; that appends when it is called again, which a repeated write must not."""
    import pandas as pd

    text = pd.DataFrame(dict(columns)).to_json(orient="split", index=False, date_format="iso")
    fill, artifact = _text(text, name)
    return fill, {**artifact, "table": name}


_FILES: Mapping[str, Callable[..., _Artifact]] = {
    "log_artifact": _file,
    "log_text": _text,
    "log_table": _table,
}
"""Methods that write an artifact."""


def packed(value: Any) -> Any:
    """A JSON value for an argument: entities of MLflow as their protocol buffers.

    Raises:
        TypeError: it has no such form.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {"map": {str(key): packed(inner) for key, inner in value.items()}}
    if isinstance(value, list | tuple):
        return [packed(inner) for inner in value]
    if hasattr(value, "to_proto") and hasattr(value, "from_proto"):
        message = value.to_proto()
        data = base64.b64encode(message.SerializeToString()).decode("ascii")
        return {"entity": type(value).__name__, "message": message.DESCRIPTOR.full_name, "data": data}
    raise TypeError(f"an argument of the type {type(value).__name__} cannot be kept in the outbox")


def unpacked(value: Any, replace: Callable[[str], str]) -> Any:
    """The argument of a packed one; ``replace`` is applied to every string in it."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [unpacked(inner, replace) for inner in value]
    if isinstance(value, Mapping) and "map" in value:
        return {key: unpacked(inner, replace) for key, inner in value["map"].items()}
    if isinstance(value, Mapping):
        import mlflow.entities
        from google.protobuf import descriptor_pool, message_factory

        descriptor = descriptor_pool.Default().FindMessageTypeByName(value["message"])
        message = message_factory.GetMessageClass(descriptor)()
        message.ParseFromString(base64.b64decode(value["data"]))
        return getattr(mlflow.entities, value["entity"]).from_proto(message)
    return value


def with_ids(text: str, known: Callable[[str], str | None]) -> str:
    """The text with MLflow's ids in place of the local ones that are known."""
    return LOCAL_ID.sub(lambda local: known(local.group()) or local.group(), text) if "local-" in text else text


def batches(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The entries of one run in parts that `MlflowClient.log_batch` takes in one request, each kind in order.

    Of several values of a tag only the last one is sent: the order of tags within a request is not defined.
    """
    tags = {entry[1]: entry for entry in entries if entry[0] == "tag"}
    kinds = {
        "metric": [entry for entry in entries if entry[0] == "metric"],
        "param": [entry for entry in entries if entry[0] == "param"],
        "tag": list(tags.values()),
    }
    parts = [
        [kinds[kind][start : start + limit] for start in range(0, len(kinds[kind]), limit)]
        for kind, limit in _PER_REQUEST.items()
    ]
    return [[entry for part in together for entry in part] for together in zip_longest(*parts, fillvalue=[])]


def batch_options(entries: Sequence[Entry]) -> dict[str, Any]:
    """The options of `MlflowClient.log_batch` for entries."""
    from mlflow.entities import Metric, Param, RunTag

    return {
        "metrics": [Metric(*entry[1:]) for entry in entries if entry[0] == "metric"],
        "params": [Param(*entry[1:]) for entry in entries if entry[0] == "param"],
        "tags": [RunTag(*entry[1:]) for entry in entries if entry[0] == "tag"],
    }
