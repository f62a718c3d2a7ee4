"""codeplan compare, on pipelines that ran for real from samples that the test made up."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner

from codeplan import pipeline
from codeplan.cli import compare, comparison_text
from codeplan.cli.main import app
from codeplan.config import TrackingConfig
from codeplan.evaluation import lineage, rates
from codeplan.evaluation import report as reports
from codeplan.evaluation.problem_page import read_index
from codeplan.evaluation.run_comparison import compare_runs
from codeplan.tracking import Tracker, uri


def test_a_report_has_the_rates_of_its_table_and_its_stages(runs: Any) -> None:
    folder = runs.folder("base")
    found, table = rates.read(folder), reports.load(folder)
    for arm in table.arms:
        row = table.row(arm)
        assert row is not None
        assert found.mean(arm, 3) == pytest.approx(row.mean)
    for point in table.curve:
        assert found.mean(point.arm, point.plans) == pytest.approx(point.solved.mean)
        if point.arm == "plan_after_trial":
            assert point.sequences <= found.sequences[point.plans], "the mean over problems of what it needs"
        else:
            assert found.sequences[point.plans] == point.sequences
    stages = pipeline.build(runs.made.config(runs.home, "base"))
    assert lineage.read(folder).fingerprints == {role: stage.fingerprint for role, stage in stages.items()}


def test_a_pipeline_has_the_identity_of_every_stage_as_a_tag(runs: Any) -> None:
    client = MlflowClient(uri(TrackingConfig(), runs.home))
    tags = client.get_run(runs.ids["base"]).data.tags
    stages = pipeline.build(runs.made.config(runs.home, "base"))
    assert {role: tags[f"codeplan.identity.{role}"] for role in stages} == {
        role: stage.fingerprint for role, stage in stages.items()
    }


def test_runs_that_differ_only_by_seed_are_named_so(runs: Any) -> None:
    output = " ".join(runs.compare("base", "seed").stdout.split())
    assert "sampling.seed 0 1" in output
    assert "shared test, train, plans, oracle, student; not shared samples, verdicts, report" in output
    assert "They differ only by seed (sampling.seed)" in output
    (found,) = runs.json("base", "seed")["comparisons"]
    assert found["only_seeds"] == ["sampling.seed"]
    direct = found["differences"][0]
    assert (direct["arm"], direct["difference"], direct["differing"], direct["p"]) == ("direct", 0.0, 0, 1.0)


def test_comparison_has_settings_stages_and_the_differences_of_every_shared_arm(runs: Any) -> None:
    found = runs.json("base", "better", "seed")
    better, seed = found["comparisons"]
    assert found["reference"] == runs.ids["base"][:8]
    assert found["settings"]["sampling.plans"] == {runs.ids[name][:8]: plans for name, plans in PLANS_BY_NAME}
    assert "training.learning_rate" in found["settings"]
    assert better["shared_stages"] == ["test", "train", "plans", "oracle"]
    rows = [(row["arm"], row["plans"]) for row in better["differences"]]
    assert rows[:3] == [("direct", None), ("control", [2, 2]), ("control", [3, 5])]
    direct = better["differences"][0]
    assert direct["difference"] == pytest.approx(direct["compared"] - direct["reference"])
    assert direct["low"] <= direct["difference"] <= direct["high"]
    assert direct["p"] < 0.001
    assert direct["p_exact"]
    assert direct["p"] <= direct["p_holm"] <= 13.01 * direct["p"]
    assert [row["plans"] for row in seed["differences"]] == [None, *[[3, 3]] * 5]


PLANS_BY_NAME = [("base", 3), ("better", 5), ("seed", 3)]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(runs: Any, width: int) -> None:
    found = [compare._resolve(str(runs.folder(name)), None, runs.home) for name in ("base", "better")]
    terminal = Console(width=width, file=io.StringIO())
    results = compare_runs(found[0].rates, [found[1].rates])
    comparison_text.show(terminal, found, results)
    lines = [line.rstrip() for line in terminal.file.getvalue().splitlines()]
    (row,) = [line for line in lines if line.startswith("direct")]
    assert len(row) <= width
    interval = results[0].differences[0].difference
    shown = f"{100 * interval.mean:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    assert shown in row
    assert row.split()[-3:-1] == ["<0.001", "<0.001"]


def test_other_problems_are_refused_after_the_settings(runs: Any) -> None:
    result = runs.compare("base", "harder")
    assert result.exit_code == 1
    assert "problems.test.inversion" in result.stdout
    assert "pass@1" not in result.stdout
    assert "shared problems have another question, first miniapps/test/" in result.stderr
    (found,) = runs.json("base", "harder")["comparisons"]
    assert "have another question" in found["refused"]


def test_report_folders_are_compared_without_mlflow(runs: Any) -> None:
    folders = [str(runs.folder(name)) for name in ("base", "better")]
    by_folder = CliRunner().invoke(app, ["compare", *folders, "--home", "/nonexistent", "--json"])
    assert by_folder.exit_code == 0, by_folder.output
    found = json.loads(by_folder.stdout)["comparisons"][0]["differences"]
    assert found == runs.json("base", "better")["comparisons"][0]["differences"]
    mixed = runs.compare("base", folders[1], options=("--json",))
    assert json.loads(mixed.stdout)["comparisons"][0]["differences"] == found


def test_the_start_of_an_id_is_enough(runs: Any) -> None:
    assert runs.compare(runs.ids["base"][:8], runs.ids["seed"][:8]).exit_code == 0


def test_files_come_from_mlflow_where_the_stage_is_not_in_the_home(runs: Any, tmp_path: Path) -> None:
    address = uri(TrackingConfig(), runs.home)
    tokens = [runs.ids["base"], runs.ids["better"]]
    result = CliRunner().invoke(app, ["compare", *tokens, "--home", str(tmp_path), "--uri", address, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == runs.json("base", "better")


def test_missing_and_ambiguous_ids_are_one_message(runs: Any, tmp_path: Path) -> None:
    result = runs.compare("base", "nothing", "fffffffffff", str(tmp_path), "base")
    assert result.exit_code == 1
    assert result.stderr.count("codeplan: ") == 1
    assert "no run's id starts with 'nothing' or 'fffffffffff'," in result.stderr
    assert f"{tmp_path}/rates.json cannot be read" in result.stderr
    assert "names a run that is named before" in result.stderr
    shared = next(digit for digit in "0123456789abcdef" if any(run.startswith(digit) for run in runs.ids.values()))
    tracker = Tracker(TrackingConfig(), runs.home)
    ids = list(runs.ids.values())
    while sum(run.startswith(shared) for run in ids) < 2:
        with tracker.experiment(runs.made.config(runs.home, "filler"), {"kind": "pipeline"}) as run:
            ids.append(run.run_id)
    ambiguous = runs.compare("base", shared)
    assert f"'{shared}' starts the ids of several runs" in ambiguous.stderr


def test_one_run_is_too_few(runs: Any) -> None:
    assert "at least two runs" in runs.compare("base").stderr


def test_a_run_without_a_report_says_why(runs: Any) -> None:
    tracker = Tracker(TrackingConfig(), runs.home)
    with (
        pytest.raises(ValueError, match="broken"),
        tracker.experiment(runs.made.config(runs.home, "x"), {"kind": "pipeline"}) as run,
    ):
        raise ValueError("broken")
    with tracker.experiment(runs.made.config(runs.home, "axes"), {"kind": "sweep"}) as sweep:
        pass
    message = runs.compare("base", run.run_id, sweep.run_id).stderr
    assert f"{run.run_id[:12]} (x) has no report that could be read: its state is 'failed'" in message
    assert f"{sweep.run_id[:12]} (axes) is a sweep" in message


def test_a_run_that_did_not_finish_is_said_to_be_so(runs: Any) -> None:
    client = MlflowClient(uri(TrackingConfig(), runs.home))
    client.set_terminated(runs.ids["seed"], "FAILED")
    try:
        output = " ".join(runs.compare("base", "seed").output.split())
    finally:
        client.set_terminated(runs.ids["seed"], "FINISHED")
    assert f"{runs.ids['seed'][:8]} is failed; its report is there all the same" in output
    assert "is failed" not in runs.compare("base", "seed").output


def test_commands_import_neither_torch_nor_ray(runs: Any) -> None:
    code = """
import sys
from typer.testing import CliRunner
from codeplan.cli.main import app
for command in (["runs"], ["compare", *sys.argv[2:]]):
    result = CliRunner().invoke(app, [*command, "--home", sys.argv[1]])
    assert result.exit_code == 0, result.output
print(sorted({"torch", "ray", "transformers", "matplotlib"} & set(sys.modules)))
"""
    arguments = [sys.executable, "-c", code, str(runs.home), runs.ids["base"], runs.ids["seed"]]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_page_of_two_runs_is_written_also_where_only_mlflow_has_them(runs: Any, tmp_path: Path) -> None:
    path = tmp_path / "compare.html"
    result = runs.compare("base", "better", options=("--page", str(path)))
    assert result.exit_code == 0, result.output
    assert f"page  {path} (40 problems)" in result.stdout
    index = read_index(path)
    assert [(run.label, run.plans) for run in index.runs] == [(runs.ids["base"][:8], 3), (runs.ids["better"][:8], 5)]
    at = index.arms.index("direct")
    for run, name in enumerate(("base", "better")):
        wanted = rates.read(runs.folder(name))
        assert [row["id"] for row in index.rows] == list(wanted.problem_ids)
        assert [row["runs"][run]["rates"][at] for row in index.rows] == list(wanted.direct)
    home = ["--home", str(tmp_path), "--uri", uri(TrackingConfig(), runs.home), "--page", str(tmp_path / "again.html")]
    again = CliRunner().invoke(app, ["compare", runs.ids["base"], runs.ids["better"], *home])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("names", "page", "message"),
    [
        (("base", "better", "seed"), "compare.html", "--page shows two runs side by side, not 3"),
        (("base", "better"), "nowhere/compare.html", "name a file in a folder that exists"),
        (("base", "harder"), "compare.html", "have another question"),
    ],
)
def test_page_that_cannot_be_made_is_one_message(
    runs: Any, tmp_path: Path, names: tuple[str, ...], page: str, message: str
) -> None:
    result = runs.compare(*names, options=("--page", str(tmp_path / page)))
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / page).exists()
