"""Put the table, the conclusions and the figure of a demo's report into the README.

    python docs/demo_table.py runs/stages/report/FINGERPRINT

Nothing of these is copied by hand: run it after `make demo` on the machine whose numbers the README shows.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import textwrap
from pathlib import Path

from rich.console import Console

from codeplan.evaluation.report import load
from codeplan.evaluation.results import Report
from codeplan.evaluation.tables import table

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(ends like this:\n\n```\n).*?(\n```\n)", re.DOTALL)
WIDTH = 118
"""Characters of a line, as in the rest of the README."""


def shown(report: Report) -> str:
    """What the command prints of a report, without trailing blanks."""
    terminal = Console(file=io.StringIO(), width=100)
    terminal.print(table(report))
    printed = terminal.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    for sentence in report.conclusions:
        lines += textwrap.wrap(f"- {sentence}", WIDTH, break_on_hyphens=False)
    return "\n".join(lines)


def main() -> None:
    """Replace the block of the README, and the figure."""
    folder = Path(sys.argv[1])
    readme = ROOT / "README.md"
    text, count = BLOCK.subn(
        lambda found: found[1] + shown(load(folder)) + found[2], readme.read_text(encoding="utf-8")
    )
    if count != 1:
        sys.exit("README.md has no block that follows 'ends like this:'")
    readme.write_text(text, encoding="utf-8")
    shutil.copyfile(folder / "figure_plans.png", ROOT / "docs" / "figure_plans.png")


if __name__ == "__main__":
    main()
