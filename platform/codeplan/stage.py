"""A stage's identity, its folder and its done marker: what makes work reusable and resumable.

A stage is what it is (settings, inputs, version: the fingerprint), apart from how it is run. Its folder is named by the
fingerprint; ``done.json`` is written last. A folder with a marker is reused; one without is resumed from the parts that
are there. State is files: delete a folder and the stage runs again.

A fingerprint does not say everything of a stage that asks a teacher: which requests fail is a matter of chance, and an
answer that is asked for again may be another one. So such a stage also states a digest of what it wrote, and every
stage that reads it, directly or not, keeps the digest that it began with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from codeplan.config.base import Settings
from codeplan.errors import UserError
from codeplan.files import locked, remove_leftovers, write_text

DONE = "done.json"
IDENTITY = "identity.json"


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
        parts: the files outside its folder that hold some of its records, by path within the home, with their sizes in
            bytes; see `codeplan.pool`.
        digest: of its records, where the fingerprint does not determine them; else empty.
    """

    accounts: Mapping[str, Account]
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""


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
        """What it said when it finished; None where it has not finished, or where a part of a pool is lost or cut off.

        Raises:
            StageError: the done marker is damaged.
        """
        result = self._finished()
        return result if result is not None and are_whole(self.home, result.parts) else None

    def _finished(self) -> StageResult | None:
        try:
            text = (self.folder / DONE).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            plain = json.loads(text)
            accounts = {name: Account(**account) for name, account in plain["accounts"].items()}
            return StageResult(accounts, plain["metrics"], plain.get("parts", {}), plain.get("digest", ""))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StageError(
                f"{self.folder / DONE} is damaged; delete the folder {self.folder} and run the same command"
            ) from error

    def finish(self, result: StageResult) -> None:
        """Write the done marker; everything else of the folder is on disk before."""
        accounts = {
            name: {"rows_in": account.rows_in, "rows_out": account.rows_out, "dropped": dict(account.dropped)}
            for name, account in result.accounts.items()
        }
        plain = {"accounts": accounts, "metrics": dict(result.metrics), "parts": dict(result.parts)}
        write_text(self.folder / DONE, json.dumps({**plain, "digest": result.digest}, indent=1))

    def digests(self) -> dict[str, str]:
        """The digests of the stages that it reads from, directly or not, by role; without those that have none yet."""
        found: dict[str, str] = {}
        for stage in self.inputs.values():
            found |= stage.digests()
            finished = stage._finished()
            if finished is not None and finished.digest:
                found[stage.role] = finished.digest
        return found

    @property
    def result_id(self) -> str:
        """The fingerprint, together with its digest and those before it: what names its records among all others."""
        digests = self.digests()
        if (finished := self._finished()) is not None and finished.digest:
            digests[self.role] = finished.digest
        return fingerprint({"stage": self.fingerprint, "digests": digests}) if digests else self.fingerprint

    def is_outdated(self) -> bool:
        """Whether it began with records that a stage before it has since replaced by others."""
        now = self.digests()
        return any(now.get(role, began) != began for role, began in begun_with(self.folder).items())

    @contextmanager
    def lock(self, on_wait: Callable[[str], None], mlflow_run: str = "") -> Iterator[Path]:
        """Hold the folder for this process alone; the lock ends with the process, however it ends.

        What another process worked on may be done when the lock is acquired: call `done` again. Raises StageError where
        `is_outdated`.

        Args:
            on_wait: called once, with who holds the stage, where another process does; this one then waits for it.
            mlflow_run: the MLflow run that works on the stage, shown to those who wait.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", {"mlflow_run": mlflow_run}, on_wait):
            remove_leftovers(self.folder)
            require_same_inputs([self])
            write_text(self.folder / IDENTITY, json.dumps({**self.identity(), "digests": self.digests()}, indent=1))
            yield self.folder


def begun_with(folder: Path) -> dict[str, str]:
    """The digests of the records that the stage of a folder began with, by role; empty where that is not known."""
    try:
        found: dict[str, str] = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))["digests"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found


def are_whole(home: Path, parts: Mapping[str, int]) -> bool:
    """Whether all files are there with their sizes; nothing of them is read.

    Args:
        home: the folder that the files' paths start from.
        parts: sizes in bytes, by path.
    """
    try:
        return all((home / name).stat().st_size == size for name, size in parts.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def require_same_inputs(stages: Iterable[Stage]) -> None:
    """Check that all stages still belong to what they were made from.

    Raises:
        StageError: stages began with other plans than there are now, as those were deleted and asked for again.
    """
    outdated = [str(stage.folder) for stage in stages if stage.is_outdated()]
    if outdated:
        raise StageError(
            "the teacher's plans were asked for again and are not the same; what was made from the plans before is "
            f"not used with them: delete {', '.join(outdated)} and run the same command"
        )


def fingerprint(identity: Mapping[str, Any]) -> str:
    """64 hexadecimal digits: SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def canonical(plain: Any) -> str:
    """JSON text that is the same for equal data."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
