"""One run that trains several students: repeats, and students that learn from code alone; without a control."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console
from small_pipeline import changed

from codeplan import pipeline
from codeplan.config import Config
from codeplan.config.loading import parse
from codeplan.evaluation import rates
from codeplan.evaluation.report import load
from codeplan.evaluation.results import Report
from codeplan.inference.sample_pool import SamplePool
from codeplan.status import status_of
from codeplan.tracking import Tracker

STUDENTS = ("", "-code-examples", "-seed1", "-code-examples-seed1")
PROBLEMS, PLANS, TRIALS = 12, 3, 1


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Path:
    return new_home(tmp_path_factory.mktemp("students") / "runs")


def config_of(home: Path, base_url: str, *overrides: tuple[str, Any]) -> Config:
    plain = changed(
        ("teacher", {"model": "m", "base_url": base_url, "api_key_env": "A_TEACHERS_KEY"}),
        ("execution.home", str(home)),
        ("baselines.code_only", ["examples"]),
        ("tracking.register_model", "tiny student"),
        *overrides,
    )
    return parse(plain)


@pytest.mark.usefixtures("ray_cluster")
def test_one_run_trains_samples_and_compares_all_students(
    home: Path, fake_teacher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TEACHERS_KEY", "sk-secret-1234567890")
    others = (("repeats", 2), ("sampling.control", False), ("sampling.teacher_plan", True))
    config = config_of(home, fake_teacher.base_url, *others)
    tracker = Tracker(config.tracking, home)
    console = Console(record=True, width=110)
    found = pipeline.run(config, "report", tracker, console)

    trained = {name: found[f"student{name}"].done() for name in STUDENTS}
    assert [result.metrics["step"] for result in trained.values() if result] == [20, 7] * 2
    assert len({found[f"student{name}"].fingerprint for name in STUDENTS}) == len(STUDENTS)
    for name in STUDENTS:
        sampled = SamplePool.of(found[f"samples{name}"]).read(0)
        arms = [program.arm for program in sampled.programs]
        assert arms.count("direct") == PROBLEMS
        assert "sampled" not in arms
        with_plans = "code" not in name
        assert len(sampled.plans) == (PROBLEMS * PLANS if with_plans else 0)
        assert arms.count("teacher_plan") == (PROBLEMS if with_plans else 0)

    report = load(found["report"].folder)
    assert report.seeds == 2
    assert report.arms == [*("direct", "codeplan", "fresh", "best_trial", "teacher_plan", "code_only_examples")]
    assert all(len(row.by_seed) == 2 for row in report.rows)
    assert {pair.right for pair in report.comparisons if pair.left == "codeplan"} == {"direct", "code_only_examples"}
    assert rates.read(found["report"].folder).arms == tuple(report.arms)
    _shown(report, console.export_text())
    _tracked(tracker)

    before = fake_teacher.counts()["received"]
    again = Console(record=True, width=110)
    pipeline.run(config, "report", tracker, again)
    assert again.export_text().count("reused") == len(found)
    assert fake_teacher.counts()["received"] == before

    one = status_of(config_of(home, fake_teacher.base_url), "report")
    assert {one[f"student{name}"].state for name in STUDENTS[:2]} == {"done"}, "a run of one seed shares its students"
    missing = PROBLEMS * (PLANS + PLANS * TRIALS + 1)
    assert one["samples-code-examples"].left == {"sequences": missing, "reused": PROBLEMS}


def _shown(report: Report, text: str) -> None:
    assert "mean of 2" in text
    assert "code-only" in text
    assert "finetune student-code-examples-seed1" in text
    assert not any("one seed" in sentence for sentence in report.conclusions)
    assert any(note.startswith("There is no equal-budget control") for note in report.notes)
    assert any("about as many examples of code (7 steps)" in note for note in report.notes)


def _tracked(tracker: Tracker) -> None:
    client = MlflowClient(tracker.uri)
    models = client.search_logged_models(["1"])
    assert len({model.tags["codeplan.identity"] for model in models}) == len(STUDENTS)
    assert ["teacher" in json.dumps(dict(model.tags)) for model in models].count(True) == 2
    (version,) = client.search_model_versions("name = 'tiny student'")
    assert version.version in {1, "1"}
