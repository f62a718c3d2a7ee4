"""Checks that use the cluster: judging all reference solutions, and a run that a failed check stops."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from codeplan.cli.main import app
from codeplan_sandbox import Judge

pytestmark = pytest.mark.usefixtures("ray_cluster")
CORRECT, WRONG, SLOW = "print(int(input()) + 1)", "print(int(input()) - 1)", "while True: pass"


def experiment(folder: Path, *solutions: list[str]) -> Path:
    rows = [
        {
            "problem_id": f"plus/all/{number}",
            "dataset": "plus",
            "split": "all",
            "level": "easy",
            "question": "Add one.",
            "solutions": of_problem,
            "hidden_tests": {"kind": "stdin", "cases": [{"input": f"{number}\n", "output": f"{number + 1}\n"}]},
        }
        for number, of_problem in enumerate(solutions)
    ]
    data = folder / "plus.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"reader": "jsonl", "path": str(data)}
    tiny = {"model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    plain = {
        "problems": {"train": source, "test": source},
        "student": {"init": "scratch", "architecture": tiny, "vocab_size": 300},
        "training": {"validation_examples": 1},
        "judging": {"hidden_tests": {"time_s": 0.2}},
        "execution": {"home": str(folder / "runs"), "train_workers": 1},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


def test_all_reference_solutions_are_judged_and_cached(tmp_path: Path) -> None:
    path = experiment(tmp_path, [CORRECT, CORRECT + " "], [CORRECT, WRONG], [WRONG, CORRECT], [SLOW])
    for _ in range(2):
        result = CliRunner().invoke(app, ["check", str(path), "--all"])
        shown = " ".join(result.stdout.split())
        assert result.exit_code == 0, result.output
        assert "train: 2 of 4 first solutions pass" in shown
        assert "of all 7 solutions, 4" in shown
        assert "1 fail, the solution itself is wrong (plus/all/2)" in shown
        assert "1 fail, limit too low: time limit (plus/all/3)" in shown
    assert not (tmp_path / "runs" / "stages").exists()


def test_run_stops_at_a_failed_check_and_shows_only_that(tmp_path: Path) -> None:
    path = experiment(tmp_path, [WRONG], [WRONG])
    result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert "test: 0 of 2 sampled reference solutions pass" in line
    assert not (tmp_path / "runs" / "stages").exists()
    assert not (tmp_path / "runs" / "answers").exists()


def test_a_run_that_leaves_nodes_for_sandboxes_out_is_refused_before_any_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = experiment(tmp_path, [CORRECT], [CORRECT])
    judged = []
    monkeypatch.setattr(Judge, "judge", lambda *_, **__: judged.append(1))
    monkeypatch.setenv("CODEPLAN_JUDGE_RESOURCE", "kept")  # of the cluster's nodes, also while no such node is alive
    result = CliRunner().invoke(app, ["run", str(path), "-s", "execution.ray_address=127.0.0.1:1"])
    assert result.exit_code == 1
    assert "the resource 'kept', and execution.judge_resource is empty" in result.stderr
    assert "set execution.judge_resource=kept" in result.stderr
    assert judged == []


def test_sandboxes_that_no_node_takes_are_refused(tmp_path: Path) -> None:
    path = experiment(tmp_path, [CORRECT], [CORRECT])
    settings = ["-s", "execution.judge_resource=sandbox", "-s", "execution.judge_labels={sandbox: 'yes'}"]
    result = CliRunner().invoke(app, ["run", str(path), *settings])
    assert result.exit_code == 1
    assert "no node of the cluster has the labels of execution.judge_labels, {'sandbox': 'yes'}" in result.stderr
    assert "execution.judge_actors = 2 sandboxes take one 'sandbox' each" in result.stderr
    assert not (tmp_path / "runs" / "stages").exists()
