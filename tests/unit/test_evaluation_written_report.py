"""What is written of a report: files, tables, figures and the problem page."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from synthetic_experiment import experiment, report_of

from codeplan.evaluation.figures import arms_figure
from codeplan.evaluation.report import load, write
from codeplan.evaluation.results import Report, ordered_levels
from codeplan.evaluation.tables import table


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return experiment()


@pytest.fixture(scope="module")
def report(records: dict[str, Any]) -> Report:
    return report_of(records)


def test_written_files_agree_and_are_deterministic(records: dict[str, Any], report: Report, tmp_path: Path) -> None:
    written = write(report, tmp_path / "one")
    again = write(report_of(records), tmp_path / "two")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    assert {path.name for path in written} == {
        *("report.json", "table.csv", "report.md"),
        *("figure_plans.png", "figure_budget.png", "figure_arms.png", "figure_outcomes.png"),
    }
    assert load(tmp_path / "one") == report
    rows = list(csv.DictReader((tmp_path / "one/table.csv").open()))
    codeplan = next(row for row in rows if (row["kind"], row["arm"], row["level"]) == ("pass@1", "codeplan", "all"))
    assert float(codeplan["mean"]) == pytest.approx(report.metrics()["pass_at_1.codeplan.all"], abs=1e-6)
    text = (tmp_path / "one/report.md").read_text()
    assert all(sentence in text for sentence in (*report.conclusions, *report.notes))
    assert all(f"]({path.name})" in text for path in written if path.suffix == ".png")


def test_table_fits_a_terminal_of_100_columns(report: Report) -> None:
    wide = Console(width=200, file=io.StringIO())
    wide.print(table(report))
    lines = [line.rstrip() for line in wide.file.getvalue().splitlines()]  # type: ignore[attr-defined]  # a StringIO
    assert max(map(len, lines)) <= 100
    found = report.row("codeplan")
    assert found is not None
    shown = f"{100 * found.mean:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    assert any("CodePLAN" in line and line.endswith(shown) for line in lines)


def test_unknown_levels_are_ordered_by_name_after_the_known_ones() -> None:
    assert ordered_levels(["mbpp", "competition", "apps", "interview"]) == ["interview", "competition", "apps", "mbpp"]


LEVELS = (
    "普及+/提高",
    "1200-1399 (div. 2)",
    "",
    "[/red] [bold]",
    "$x$ \\frac{",
    "a|b <i>",
    "all",
    "line\nbreak\x1b[31m",
    "x" * 300,
)


def test_levels_may_have_any_name(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    made = experiment(problems=2 * len(LEVELS))
    made["problems"] = [
        problem.model_copy(update={"level": LEVELS[number % len(LEVELS)]})
        for number, problem in enumerate(made["problems"])
    ]
    report = report_of(made)
    assert len(report.levels) == len(LEVELS) + 1
    assert report.row("direct").n == 2 * len(LEVELS)  # type: ignore[union-attr]  # not the level of that name
    write(report, tmp_path)
    assert load(tmp_path) == report
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert {"普及+/提高", "", "line\nbreak\x1b[31m", "a|b <i>"} <= {row["level"] for row in rows}
    markdown = (tmp_path / "report.md").read_text()
    (head,) = {line for line in markdown.splitlines() if line.startswith("| arm |") and "普及+/提高" in line}
    assert "a\\|b &lt;i>" in head
    console = Console(file=io.StringIO(), width=400)
    console.print(table(report))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("普及+/提高", "[/red]", "(no level)", "all (level)"):
        assert word in shown
    assert "\x1b" not in shown


def test_figure_with_hundreds_of_levels_fits_a_png(tmp_path: Path) -> None:
    few = report_of(experiment(problems=3))
    rows = [replace(row, level=f"level {number}") for number in range(300) for row in few.rows if row.level != "all"]
    arms_figure(replace(few, rows=(*rows, *(row for row in few.rows if row.level == "all"))), tmp_path / "arms.png")
    width = int.from_bytes((tmp_path / "arms.png").read_bytes()[16:20], "big")
    assert 0 < width < 2**14
