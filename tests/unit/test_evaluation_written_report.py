"""What is written of a report: files, tables, figures and the problem page."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from synthetic_experiment import SAMPLING, experiment, report_of

from codeplan.evaluation import problem_page
from codeplan.evaluation.figures import arms_figure
from codeplan.evaluation.judged_problems import gather
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


class Tags(HTMLParser):
    """Counts the tags of a page and collects its links."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_problem_page_is_escaped_and_self_contained(records: dict[str, Any]) -> None:
    given = {name: value for name, value in records.items() if name != "plans"}
    judged = gather(**given, sampling=SAMPLING)

    def page_of(seed: int) -> str:
        drawn = [judged[position] for position in problem_page.draw(len(judged), seed, 7)]
        return problem_page.render(
            drawn, records["oracle_plans"], total=90, sampling=SAMPLING, final="fresh", seed=seed
        )

    page = page_of(1)
    tags = Tags()
    tags.feed(page)
    assert tags.counts["article"] == 7
    assert not {"script", "b", "img", "link"} & set(tags.counts)
    assert all(link.startswith("#problem-") for link in tags.links)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; numbers &amp; print" in page
    assert page == page_of(1)
    assert page != page_of(2)


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
