"""What a check found: one line for a person, with what to do where something is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from codeplan.stages import canonical, write_text

Status = Literal["ok", "warning", "failed", "skipped"]

MARKS: dict[Status, str] = {
    "ok": "[green]✓[/green]",
    "warning": "[yellow]![/yellow]",
    "failed": "[red]✗[/red]",
    "skipped": "[dim]-[/dim]",
}
PLAIN_MARKS: dict[Status, str] = {"ok": "+", "warning": "!", "failed": "x", "skipped": "-"}
"""For terminals whose encoding lacks the others."""


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        status: ``ok``; ``warning``: a run goes on, and says it; ``failed``: no run starts; ``skipped``: not known,
            because something that it needs failed.
        text: what was found, and where.
        advice: what to do; empty where nothing is to be done.
    """

    status: Status
    text: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        """Text and advice in one line."""
        return f"{self.text}; {self.advice}" if self.advice else self.text


def ok(text: str) -> Finding:
    """Something that is as it should be."""
    return Finding("ok", text)


def warning(text: str, advice: str = "") -> Finding:
    """Something that a person should know before money or hours are spent."""
    return Finding("warning", text, advice)


def failed(text: str, advice: str = "") -> Finding:
    """Something that makes a run useless or impossible."""
    return Finding("failed", text, advice)


def skipped(text: str) -> Finding:
    """Something that cannot be known yet."""
    return Finding("skipped", text)


class FindingsStore:
    """Findings of checks that take time, kept in a run's home by what they depend on.

    Findings with a failure, or with something left unknown, are not kept: these are looked at again.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "checks"

    def get(self, area: str, identity: Any) -> list[Finding] | None:
        """The findings for an identity; None where there are none, or none that can be read."""
        try:
            plain = json.loads(self._path(area, identity).read_text(encoding="utf-8"))
            return [Finding(**each) for each in plain["findings"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, area: str, identity: Any, findings: Sequence[Finding]) -> None:
        """Keep findings."""
        if any(each.status in ("failed", "skipped") for each in findings):
            return
        path = self._path(area, identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {"identity": identity, "findings": [asdict(each) for each in findings]}
        write_text(path, json.dumps(plain, indent=1))

    def folder(self, area: str, identity: Any) -> Path:
        """A folder for a check's unfinished work."""
        return self._path(area, identity).with_suffix("")

    def _path(self, area: str, identity: Any) -> Path:
        name = hashlib.sha256(canonical(identity).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return self._folder / area / f"{name}.json"
