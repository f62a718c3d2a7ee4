"""A stage's identity, its folder and its done marker: what makes work reusable and resumable.

A stage is what it is (settings, inputs, version: the fingerprint), apart from how it is run. Its folder is named by the
fingerprint; ``done.json`` is written last. A folder with a marker is reused; one without is resumed from the parts that
are there. State is files: delete a folder and the stage runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from codeplan.config.base import Settings
from codeplan.errors import UserError
from codeplan.files import locked, remove_leftovers, write_text

DONE = "done.json"


class StageError(UserError):
    """A stage cannot go on, for a reason that a user can act on; finished work is kept."""


@dataclass(frozen=True)
class Account:
    """Where every row of a stage's input went: in = out + dropped, by the reason's name."""

    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows_in != self.rows_out + sum(self.dropped.values()):
            raise AssertionError(f"rows are unaccounted for: {self}")


@dataclass(frozen=True)
class StageResult:
    """What a finished stage says of itself; kept in its done marker.

    Attributes:
        accounts: a row account per kind of input row, by the rows' name.
        metrics: numbers worth comparing between runs.
        pools: folders that hold some of its records, relative to the home; see `codeplan.pool`.
    """

    accounts: Mapping[str, Account]
    metrics: Mapping[str, float] = field(default_factory=dict)
    pools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What a stage is.

    Attributes:
        role: what it is in its pipeline, for example ``oracle``; two roles may be one and the same stage.
        name: for example ``distill``.
        version: raised when the stage's code changes what it writes for the same settings.
        settings: everything that changes the result, and all that the stage's code gets to see of the configuration.
        inputs: the stages whose records it reads, by role.
        home: the folder that holds all stages.
    """

    role: str
    name: str
    version: int
    settings: Settings
    inputs: Mapping[str, Stage]
    home: Path

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: SHA-256 over name, version, settings and the inputs' fingerprints."""
        return fingerprint(self.identity())

    def identity(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        return {
            "name": self.name,
            "version": self.version,
            "settings": self.settings.identity(),
            "inputs": {role: stage.fingerprint for role, stage in sorted(self.inputs.items())},
        }

    @property
    def folder(self) -> Path:
        """Where its records are: ``home/stages/name/first 16 digits``."""
        return self.home / "stages" / self.name / self.fingerprint[:16]

    def done(self) -> StageResult | None:
        """What it said when it finished; None where it has not finished, or where a pool that it needs was deleted."""
        try:
            plain = json.loads((self.folder / DONE).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        accounts = {name: Account(**account) for name, account in plain["accounts"].items()}
        result = StageResult(accounts, plain["metrics"], tuple(plain["pools"]))
        return result if all((self.home / pool).is_dir() for pool in result.pools) else None

    def finish(self, result: StageResult) -> None:
        """Write the done marker; everything else of the folder is on disk before."""
        accounts = {
            name: {"rows_in": account.rows_in, "rows_out": account.rows_out, "dropped": dict(account.dropped)}
            for name, account in result.accounts.items()
        }
        plain = {"accounts": accounts, "metrics": dict(result.metrics), "pools": list(result.pools)}
        write_text(self.folder / DONE, json.dumps(plain, indent=1))

    @contextmanager
    def lock(self, on_wait: Callable[[str], None], mlflow_run: str = "") -> Iterator[Path]:
        """Hold the folder for this process alone; the lock ends with the process, however it ends.

        What another process worked on may be done when the lock is acquired: call `done` again.

        Args:
            on_wait: called once, with who holds the stage, where another process does; this one then waits for it.
            mlflow_run: the MLflow run that works on the stage, shown to those who wait.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", {"mlflow_run": mlflow_run}, on_wait):
            remove_leftovers(self.folder)
            write_text(self.folder / "identity.json", json.dumps(self.identity(), indent=1))
            yield self.folder


def fingerprint(identity: Mapping[str, Any]) -> str:
    """64 hexadecimal digits: SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def canonical(plain: Any) -> str:
    """JSON text that is the same for equal data."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
