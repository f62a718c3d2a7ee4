"""codeplan.load_run, on pipelines that ran for real from samples that the test made up; and the notebook on it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documented_commands import ROOT

import codeplan
from codeplan import pipeline, records
from codeplan.config import TrackingConfig
from codeplan.errors import UserError
from codeplan.evaluation import report as reports
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.records import Problem
from codeplan.stages.run import PROBLEMS
from codeplan.tracking import uri

NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


def test_a_run_is_found_by_folder_fingerprint_id_and_name(runs: Any) -> None:
    folder = runs.folder("base")
    for name in (folder, str(folder), folder.name, folder.name[:8], runs.ids["base"], runs.ids["base"][:8], "base"):
        found = codeplan.load_run(name, home=runs.home)
        assert found.folder.resolve() == folder.resolve(), name
        assert found.report == reports.load(folder)
        assert found.settings["sampling.plans"] == 3


def test_stages_are_those_of_the_pipeline(runs: Any) -> None:
    for name in ("base", "better"):
        built = pipeline.build(runs.made.config(runs.home, name, *runs.changes(name)))
        found = codeplan.load_run(name, home=runs.home).stages
        assert {role: stage.folder for role, stage in found.items()} == {
            role: stage.folder for role, stage in built.items()
        }
        assert SamplePool.of(found["samples"]).folder == SamplePool.of(built["samples"]).folder
        assert VerdictPool.of(found["verdicts"]).folder == VerdictPool.of(built["verdicts"]).folder


def test_tables_have_what_the_run_used_of_the_pools(runs: Any) -> None:
    """Runs "base" and "better" differ in their plan counts; each gets its own records of a pool that may hold more."""
    for name, count in (("base", 3), ("better", 5)):
        run = codeplan.load_run(name, home=runs.home)
        given = records.read(Problem, run.stages["test"].folder / PROBLEMS)
        assert run.problems(["problem_id"])["problem_id"].to_pylist() == [problem.problem_id for problem in given]
        assert run.problems()["question"].to_pylist() == [problem.question for problem in given]
        plans = run.plans().to_pandas()
        assert (plans.groupby("problem_id")["sample_index"].nunique() == count).all()
        programs = run.programs().to_pandas()
        assert set(programs.groupby(["arm", "phase"]).size().index) == {
            *(("direct", "final"), ("sampled", "trial"), ("codeplan", "trial"), ("codeplan", "final"))
        }
        keys = [records.program_key(code) for code in programs["code"]]
        assert programs["program_key"].tolist() == keys
        hidden = run.verdicts().to_pandas().query("suite == 'hidden'")
        joined = programs.merge(hidden, on=["problem_id", "program_key"])
        assert len(joined) == len(programs)
        direct = joined[joined["arm"] == "direct"]["outcome"].eq("passed").mean()
        assert direct == pytest.approx(run.report.row("direct").mean)  # type: ignore[union-attr]


def test_rates_are_those_of_the_report(runs: Any) -> None:
    run = codeplan.load_run("base", home=runs.home)
    rates = run.rates().to_pandas()
    for point in run.report.curve:
        of_point = rates[(rates["arm"] == point.arm) & (rates["plans"] == point.plans)]
        assert of_point["rate"].mean() == pytest.approx(point.solved.mean)
        assert len(of_point) == 40
    assert rates[rates["arm"] == "direct"]["plans"].isna().all()


def test_columns_and_blocks(runs: Any) -> None:
    run = codeplan.load_run("base", home=runs.home)
    blocks = list(run.blocks("programs", ["program_key", "problem_id"]))
    assert [block.column_names for block in blocks] == [["program_key", "problem_id"]] * 3
    assert sum(block.num_rows for block in blocks) == run.programs(["arm"]).num_rows
    assert len(set(blocks[0]["problem_id"].to_pylist())) == 16
    assert run.teacher_plans().num_rows == 0
    assert run.teacher_plans(["text"], of="forward").column_names == ["text"]
    with pytest.raises(UserError, match="no column 'txt'; there are problem_id, author"):
        run.plans(["txt"])
    with pytest.raises(UserError, match="no stage 'samples-code-steps'; it has test,"):
        run.plans(code_only="steps")


def test_wrong_names_are_one_message(runs: Any, tmp_path: Path) -> None:
    stage = runs.folder("base").parent
    for name, message in (
        (tmp_path, "is not the folder of a finished report: it has no report.json and no rates.json"),
        (tmp_path / "nowhere", "there is no folder"),
        ("no/where", "there is no folder"),
        ("nobody", "no run has the name 'nobody'"),
        ('it\'s "both"', "no run has the name"),
        ("", "is not the folder of a finished report"),
    ):
        with pytest.raises(UserError, match=message):
            codeplan.load_run(name, home=runs.home)
    shared = [found.name for found in stage.iterdir()]
    first = next((name[0] for name in shared if sum(other[0] == name[0] for other in shared) > 1), None)
    if first:
        with pytest.raises(UserError, match="starts several reports"):
            codeplan.load_run(first, home=runs.home)
    with pytest.raises(UserError, match="no runs in"):
        codeplan.load_run("base", home=tmp_path)


def test_a_run_of_another_home_has_its_report_and_says_where_its_records_are(runs: Any, tmp_path: Path) -> None:
    run = codeplan.load_run(runs.ids["base"], home=tmp_path, uri=uri(TrackingConfig(), runs.home))
    assert run.report == reports.load(runs.folder("base"))
    assert run.rates().num_rows > 0
    with pytest.raises(UserError, match="name the home that it ran with"):
        run.programs()


def test_a_lost_part_of_a_pool_is_named(runs: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(runs.home, home)
    run = codeplan.load_run(home / runs.folder("base").relative_to(runs.home))
    (run.stages["test"].folder / PROBLEMS).unlink()
    with pytest.raises(UserError, match="is missing or damaged"):
        run.problems()


def test_import_is_cheap() -> None:
    code = (
        "import sys, codeplan; print([name for name in ('pyarrow', 'pandas', 'ray', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Cell by cell, with a run of this test in place of the demo's; the notebook is stored without outputs."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "runs").symlink_to(runs.home)
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    assert '"demo"' in "".join(cells[0]["source"])
    for cell in cells:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        text = "".join(cell["source"]).replace('"demo"', '"base"')
        exec(compile(text, f"{path.name}, {cell['id']}", "exec"), names)
    assert names["solved"] == pytest.approx(names["run"].report.row("codeplan").mean)
    assert names["judged"]["outcome"].notna().all()
    assert names["longest"] > 0


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["results.ipynb"]
