"""The fenced blocks of documentation pages: commands, whether the tests run them, and the output that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIALS = (
    "quickstart.md",
    "sweeps.md",
    "tutorials/results.md",
    "tutorials/own_data.md",
    "tutorials/teacher.md",
    "tutorials/gpu.md",
    "cluster.md",
    "jobs.md",
    "watching.md",
    "kubernetes.md",
    "vm.md",
)
"""Pages of docs whose commands are all run or marked, in the order in which the tests run them."""

SHELL = frozenset({"sh", "console"})
_SNIPPET = re.compile(r'^--8<-- "(?P<path>[^":]+)(?::(?P<part>\w+))?"$')
_MARK = re.compile(r"^<!-- (?P<kind>not run|fails)(?:: (?P<reason>.*\S))? -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the page's path in docs.
        line: number of its opening fence in the page, snippets included.
        language: what stands behind the opening fence.
        text: its lines.
        mark: ``not run``, ``fails`` (ends with exit code 1), or empty, by the comment directly above.
        reason: why it is not run.
    """

    page: str
    line: int
    language: str
    text: str
    mark: str
    reason: str

    @property
    def runs(self) -> bool:
        """Whether tests run it."""
        return self.language in SHELL and self.mark != "not run"


def blocks(page: str) -> list[Block]:
    """The blocks of a page of docs, or of `../README.md`."""
    return _blocks_of(page, _expanded(ROOT / "docs" / page))


def blocks_of(page: str, text: str) -> list[Block]:
    """The blocks of a page with this text."""
    return _blocks_of(page, text.split("\n"))


def _blocks_of(page: str, lines: list[str]) -> list[Block]:
    found, start = [], 0
    for number, line in enumerate(lines, 1):
        fence = line.strip()
        if not fence.startswith("```"):
            continue
        if not start:
            start = number
            continue
        mark = _MARK.match(lines[start - 2].strip()) if start > 1 else None
        kind, reason = (mark["kind"], mark["reason"] or "") if mark else ("", "")
        language = lines[start - 1].strip().removeprefix("```").strip()
        found.append(Block(page, start, language, "\n".join(lines[start : number - 1]), kind, reason))
        start = 0
    return found


def _expanded(path: Path) -> list[str]:
    """Its lines, with the parts of other files that it includes."""
    lines = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        snippet = _SNIPPET.match(line)
        lines += _part(ROOT / snippet["path"], snippet["part"]) if snippet else [line]
    return lines


def _part(path: Path, part: str | None) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if part:
        text = text.split(f"--8<-- [start:{part}] -->\n")[1].split(f"<!-- --8<-- [end:{part}]")[0]
    return text.split("\n")
