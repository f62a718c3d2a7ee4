"""Findings of the checks: one line per finding, with what to do where something is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from codeplan.files import write_text
from codeplan.stage import canonical

FindingStatus = Literal["ok", "warning", "failed", "skipped"]

MARKS: dict[FindingStatus, str] = {
    "ok": "[green]✓[/green]",
    "warning": "[yellow]![/yellow]",
    "failed": "[red]✗[/red]",
    "skipped": "[dim]-[/dim]",
}
PLAIN_MARKS: dict[FindingStatus, str] = {"ok": "+", "warning": "!", "failed": "x", "skipped": "-"}
"""Marks for terminals whose encoding is not a Unicode one."""


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        status: ``ok``; ``warning``: the run starts and shows it; ``failed``: the run does not start; ``skipped``: not
            checked, because something that the check needs failed.
        text: what was found, and where.
        advice: what to do; empty where there is nothing to do.
    """

    status: FindingStatus
    text: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        """Text and advice in one line."""
        return f"{self.text}; {self.advice}" if self.advice else self.text


def ok(text: str) -> Finding:
    """A finding without a problem."""
    return Finding("ok", text)


def warning(text: str, advice: str = "") -> Finding:
    """Something that the user should know before money or hours are spent."""
    return Finding("warning", text, advice)


def failed(text: str, advice: str = "") -> Finding:
    """Something that makes the run useless or impossible."""
    return Finding("failed", text, advice)


def skipped(text: str) -> Finding:
    """Something that could not be checked."""
    return Finding("skipped", text)


class FindingsStore:
    """A cache in the run's home of findings that take time, by the identity of what they depend on.

    Findings that failed or were skipped are not cached, so that they are checked again.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "checks"

    def get(self, area: str, identity: Any) -> list[Finding] | None:
        """The findings for an identity; None where there are none or the file is invalid."""
        try:
            plain = json.loads(self._path(area, identity).read_text(encoding="utf-8"))
            return [Finding(**finding) for finding in plain["findings"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, area: str, identity: Any, findings: Sequence[Finding]) -> None:
        """Cache findings, unless one of them failed or was skipped."""
        if any(finding.status in ("failed", "skipped") for finding in findings):
            return
        path = self._path(area, identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {"identity": identity, "findings": [asdict(finding) for finding in findings]}
        write_text(path, json.dumps(plain, indent=1))

    def folder(self, area: str, identity: Any) -> Path:
        """A folder for a check's unfinished work."""
        return self._path(area, identity).with_suffix("")

    def _path(self, area: str, identity: Any) -> Path:
        name = hashlib.sha256(canonical(identity).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return self._folder / area / f"{name}.json"
