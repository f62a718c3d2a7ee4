"""The tables of the documentation are whole: a row after a blank line would be shown as text with bars in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documented_commands import ROOT

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
DELIMITERS = re.compile(r"\|(\s*:?-+:?\s*\|)+")


def headless(text: str) -> list[str]:
    """The first rows of tables that no row of delimiters follows."""
    lines = ["", *FENCED.sub("", text).splitlines(), ""]
    starts = (at for at, line in enumerate(lines) if line.startswith("|") and not lines[at - 1].startswith("|"))
    return [lines[at] for at in starts if not DELIMITERS.fullmatch(lines[at + 1].strip())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_table_has_a_head(page: Path) -> None:
    assert headless(page.read_text(encoding="utf-8")) == []


def test_rows_after_a_blank_line_are_found() -> None:
    table = "| a | b |\n|---|:-:|\n| 1 | 2 |\n"
    assert headless(f"{table}\n```\n| in a block |\n```\n") == []
    assert headless(f"{table}\n| 3 | 4 |\n") == ["| 3 | 4 |"]
