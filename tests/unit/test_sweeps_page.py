"""What a sweep leaves in its folder: tables, the best configuration, figures, and the page in a real browser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from codeplan.config import Config, SweepConfig
from codeplan.config.loading import load
from codeplan.sweeps.outputs import best_yaml, write
from codeplan.sweeps.points import Point
from codeplan.sweeps.space import points
from codeplan.sweeps.summary import Summary, summarize
from codeplan.sweeps.tables import as_table
from codeplan.sweeps.trials import Trial

ATTACK = "</script><img src=x onerror=alert(1)>"
MIXING: list[dict[str, float]] = [
    {"code": 1},
    {"code": 1, "plan": 1},
    {"code": 1, "plan": 1, "plan_code": 1},
    {"code": 1, "plan_code": 3},
]
GRID: dict[str, Any] = {
    "axes": {"training.mixing": {"grid": MIXING}, "sampling.plans": {"grid": [2, 5, 10]}},
    "repeats": 3,
}
ODD: dict[str, Any] = {
    "axes": {
        "student": {
            "choice": [{"model": f"a/{ATTACK}"}, {"init": "scratch", "architecture": {"model_type": "t5"}}],
        },
        "training.schedule": {"choice": ["constant", "cosine"], "labels": ["$x_1$ & <b>", "cosine | `x`"]},
        "training.warmup_steps": {"int": [1, 300], "when": {"training.schedule": "cosine"}},
        "training.learning_rate": {"loguniform": [1e-5, 1e-2]},
    },
    "search": "random",
    "points": 25,
    "repeats": 2,
    "objective": ["codeplan - control", "validation_loss/code"],
}
"""Sections and a conditional key as axes, labels that attack, and two objectives."""


def solved(values: Any) -> float:
    return 0.2 + 0.02 * float(values.get("sampling.plans", 3)) + 0.05 * len(values.get("training.mixing", ()))


def summary_of(example: Any, plain: dict[str, Any], name: str = "toy") -> Summary:
    """Trials of every point, of which one has failed, one was stopped, one has no number and one has not started."""
    sweep = SweepConfig.model_validate(plain)
    trials = example.trials(sweep, points(sweep, example.base), solved)
    trials[1] = trials[1].with_(state="failed", metrics={}, report="", error=f"worker died\n{ATTACK}")
    trials[2] = trials[2].with_(state="stopped")
    trials[5] = trials[5].with_(metrics={"pass_at_1.codeplan.all": float("nan"), "sequences": 7.0})
    return summarize(trials[:-1], sweep, example.base, name=name, home=example.home)


Written = tuple[Summary, list[Path], Path]


@pytest.fixture(scope="module")
def grid(sweep_example: Any) -> Written:
    summary = summary_of(sweep_example, GRID)
    folder = sweep_example.home / "sweeps" / "grid"
    return summary, write(summary, folder), folder


@pytest.fixture(scope="module")
def odd(sweep_example: Any) -> Written:
    summary = summary_of(sweep_example, ODD, name=ATTACK)
    folder = sweep_example.home / "sweeps" / "odd"
    return summary, write(summary, folder), folder


@pytest.mark.parametrize("which", ["grid", "odd"])
def test_same_summary_gives_the_same_bytes(request: pytest.FixtureRequest, which: str) -> None:
    summary, written, folder = request.getfixturevalue(which)
    first = {path: path.read_bytes() for path in written}
    assert {path: path.read_bytes() for path in write(summary, folder)} == first
    assert {path.name for path in first} >= {"table.csv", "table.md", "best.yaml", "summary.json", "page.html"}
    figures = {path.stem for path in first if path.suffix == ".png"}
    assert figures >= {"heat_map", "lines", "parallel_coordinates", "importance"}
    for path in first:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert min(image.size) > 200


def test_best_yaml_of_a_base_with_all_defaults_is_the_same_configuration(grid: Written, tmp_path: Path) -> None:
    summary, _, _ = grid
    assert summary.best is not None
    whole = Config.model_validate(summary.base).model_dump(mode="json", exclude={"sweep"})
    (tmp_path / "best.yaml").write_text(best_yaml(replace(summary, base=whole), summary.best))
    assert load(tmp_path / "best.yaml") == summary.best.point.config(summary.base)


def test_best_yaml_holds_no_password(grid: Written) -> None:
    summary, _, _ = grid
    assert summary.best is not None
    base = {**summary.base, "tracking": {"uri": "http://me:sEcReT9@127.0.0.1:5000", "experiment": "mine"}}
    text = best_yaml(replace(summary, base=base), summary.best)
    assert "sEcReT9" not in text
    assert "experiment: mine" in text
    assert "Without tracking.uri" in text


def test_best_yaml_is_the_configuration_of_the_best_point(grid: Written) -> None:
    summary, _, folder = grid
    assert summary.best is not None
    text = (folder / "best.yaml").read_text()
    assert load(folder / "best.yaml") == summary.best.point.config(summary.base)
    assert text.startswith("# The best of 12 points of the sweep toy by pass@1, CodePLAN: mixing=")


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
@pytest.mark.parametrize("word", ["no", "1e-6", "0o17", "~", "2024-01-01", "a: b", "- x", "1:30", "#", "<<"])
def test_any_name_survives_best_yaml(tmp_path_factory: pytest.TempPathFactory, word: str, text: str) -> None:
    path = tmp_path_factory.mktemp("best") / "best.yaml"
    base = {
        "name": word + text,
        "problems": {split: {"reader": "miniapps", "split": split, "count": 3} for split in ("train", "test")},
        "student": {"init": "scratch", "architecture": {"model_type": "t5", "d_model": 16, word: text}},
    }
    trial = Trial({"training.learning_rate": 1e-7}, 0, text, state="done", metrics={"pass_at_1.codeplan.all": 0.5})
    sweep = SweepConfig.model_validate({"axes": {"training.learning_rate": {"grid": [1e-7]}}})
    summary = summarize([trial], sweep, base, name=text, home=path.parent)
    assert summary.best is not None
    path.write_text(best_yaml(summary, summary.best), encoding="utf-8")
    assert load(path) == Point({"training.learning_rate": 1e-7}).config(base)


def test_files_of_a_sweep_without_trials(tmp_path: Path) -> None:
    summary = summarize([], SweepConfig.model_validate(GRID), {}, name="empty", home=tmp_path)
    (tmp_path / "best.yaml").write_text("of an earlier sweep")
    written = write(summary, tmp_path)
    assert "best.yaml" not in {path.name for path in written}
    assert not (tmp_path / "best.yaml").exists()
    assert json.loads((tmp_path / "summary.json").read_text())["best"] is None


def test_csv_has_a_row_per_point_with_both_uncertainties(grid: Written) -> None:
    summary, _, folder = grid
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    assert len(rows) == 12
    assert [row["point"] for row in rows if row["best"] == "1"] == [summary.best.point.point_id]  # type: ignore[union-attr]
    assert [json.loads(row["training.mixing"]) for row in rows[::3]] == MIXING
    first, last = rows[0], rows[-1]
    assert (first["done"], first["failed"], first["stopped"], first["codeplan.n"]) == ("1", "1", "1", "1")
    assert (last["waiting"], last["codeplan.n"], last["codeplan.problems"]) == ("1", "2", "60")
    for row in rows:
        if row["codeplan.n"] == "3":
            assert float(row["codeplan.low"]) < float(row["codeplan.mean"]) < float(row["codeplan.high"])
            assert float(row["codeplan.seeds_low"]) <= float(row["codeplan.min"])


def test_summary_json_has_every_seed(odd: Written) -> None:
    _, _, folder = odd
    plain = json.loads((folder / "summary.json").read_text())
    assert len(plain["points"]) == 25
    assert set(plain["points"][3]["objectives"]) == {"codeplan - control", "validation_loss/code"}
    assert sum(point["seeds"].get("done", 0) for point in plain["points"]) == 47
    assert set(plain["pareto_front"]) <= {point["point"] for point in plain["points"]}
    assert plain["importance"]["validation_loss/code"]["points"] > 0


def test_terminal_table_fits_80_columns_and_shows_no_markup(sweep_example: Any) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_table(summary_of(sweep_example, GRID, name="[red]x[/]"), shown=3))
    text = console.export_text()
    assert "Sweep [red]x[/]: pass@1, CodePLAN, the best 3 of 12 points" in text
    assert "The best of 12 points is biased by the choice." in text
    assert "1:1:1" in text
    assert "…" not in text


def test_markdown_of_labels_is_escaped(odd: Written) -> None:
    _, _, folder = odd
    text = (folder / "table.md").read_text()
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "repeat" not in row and "worker died" not in row}
    assert len(widths) <= 2  # the table of points, and that of failed trials


class _Page(HTMLParser):
    """What a page would load, and its text outside of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.loaded += [value for name in ("src", "srcset", "data") if (value := named.get(name))]
        if tag == "link":
            self.loaded.append(named["href"] or "")
        elif tag == "a":
            self.links.append(named["href"] or "")


def test_page_loads_nothing_and_escapes_everything(odd: Written) -> None:
    _, _, folder = odd
    page = _Page()
    page.feed((folder / "page.html").read_text())
    assert page.loaded == ["data:,"]
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    assert len(page.links) > 40
    for link in page.links:
        assert (folder / link).parent.is_dir(), link


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """<script>
window.addEventListener("error", (event) => document.documentElement.dataset.error = event.message);
window.alert = () => document.documentElement.dataset.error = "alert";
</script>"""
SORT = """<script>
const column = (id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => row.cells[2].dataset.sort);
const button = document.querySelectorAll("#points th button")[2];
button.click();
document.documentElement.dataset.ascending = column("points").join(" ");
button.click();
document.documentElement.dataset.descending = column("points").join(" ");
const filter = document.querySelector("input[data-filter]");
filter.value = "WORKER DIED";
filter.dispatchEvent(new Event("input"));
const shown = [...document.querySelectorAll("#trials tbody tr")].filter((row) => !row.hidden);
document.documentElement.dataset.filtered = shown.length;
for (const select of document.querySelectorAll("select[data-panel]")) {
  select.value = select.options.length - 1;
  select.dispatchEvent(new Event("change"));
}
</script>"""


def in_browser(path: Path, profile: Path) -> str:
    """The page's elements after its scripts ran, in a browser that can reach nothing."""
    command = [
        *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"),
        *("--proxy-server=127.0.0.1:9", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"),
        *("--virtual-time-budget=20000", "--dump-dom", path.as_uri()),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: apt-get install chromium")
@pytest.mark.parametrize("which", ["grid", "odd"])
def test_page_works_in_a_browser_from_a_file_without_network(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    _, _, folder = request.getfixturevalue(which)
    page = (folder / "page.html").read_text()
    probed = folder / "probed.html"
    probed.write_text(page.replace("<head>", f"<head>{PROBE}", 1).replace("</body>", f"{SORT}</body>"))
    dom = in_browser(probed, tmp_path / "profile")
    root = re.search(r"<html[^>]*>", dom)
    assert root is not None
    assert "data-error" not in root[0]
    plots = re.findall(r'<div class="plot[^"]*js-plotly-plot[^"]*" data-panel="(\w+)"', dom)
    assert set(plots) >= {"heat_map", "lines", "coordinates", "importance", "budget"} - (
        {"budget"} if which == "odd" else set()
    )
    assert dom.count('class="main-svg"') >= len(plots)
    for order, reverse in (("ascending", False), ("descending", True)):
        found = re.search(f'data-{order}="([^"]*)"', root[0])
        assert found is not None
        numbers = [float(text) for text in found[1].split()]
        assert numbers == sorted(numbers, reverse=reverse)
    assert 'data-filtered="1"' in root[0]
