"""codeplan status: what a run would do and cost, without doing it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from codeplan import problems
from codeplan.cli.main import GOALS, app
from codeplan.config import Config
from codeplan.config.loading import parse
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples, as_record
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.pipeline import build
from codeplan.pool import PROBLEMS_PER_BLOCK, BlockMarkers
from codeplan.problems import miniapps
from codeplan.records import Arm, Phase, Plan, Problem, Program
from codeplan.status import Seen, status_of
from codeplan.student.checkpoint import CheckpointState
from codeplan_sandbox import Case, Outcome, Suite, SuiteVerdict

TRAIN, TEST, PLANS, TRIALS = 30, 20, 3, 2


def plain(home: Path, **sections: Any) -> dict[str, Any]:
    return {
        "problems": {
            "train": {"reader": "miniapps", "split": "train", "count": TRAIN},
            "test": {"reader": "miniapps", "split": "test", "count": TEST},
        },
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        "training": {"steps": 50},
        "sampling": {"plans": PLANS, "trials": TRIALS},
        "execution": {"home": str(home)},
        **sections,
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain(tmp_path / "runs")))
    return path


def test_pipelines_that_share_stages_read_their_problems_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = problems.read

    def counted(source: Any) -> Any:
        read.append(source)
        return real(source)

    configs = [parse(plain(tmp_path / "runs", training={"steps": steps})) for steps in (50, 60)]
    alone = [status_of(config, "report") for config in configs]
    monkeypatch.setattr("codeplan.status.problems.read", counted)
    seen = Seen()
    assert [status_of(config, "report", seen) for config in configs] == alone
    assert len(read) == 2


def test_a_new_home_needs_everything_and_status_writes_nothing(tmp_path: Path) -> None:
    found = status_of(parse(plain(tmp_path / "runs")), "report")
    assert list(found) == ["train", "test", "plans", "oracle", "student", "samples", "verdicts", "report"]
    assert {status.state for status in found.values()} == {"missing"}
    assert found["train"].left == {"problems": TRAIN}
    assert found["plans"].left["requests"] == TRAIN
    assert found["oracle"].left["requests"] == TEST
    assert found["plans"].left["prompt_tokens"] > 0
    assert found["student"].left["steps"] == 50
    budget = PLANS + PLANS * TRIALS + 1
    written = TEST * (PLANS + 1 + budget + PLANS * TRIALS + PLANS + 2)
    assert found["samples"].left["sequences"] == written, "plans, direct, sampled, trials, finals, oracle, foreign"
    assert found["verdicts"].left["programs"] == written - TEST * PLANS
    assert not (tmp_path / "runs").exists()


def test_students_that_learn_from_code_alone_have_their_own_work(tmp_path: Path) -> None:
    baselines = {"code_only": ["steps", "examples"]}
    found = status_of(parse(plain(tmp_path / "runs", baselines=baselines)), "report")
    assert [found[f"student{kind}"].left["steps"] for kind in ("", "-code-steps", "-code-examples")] == [50, 50, 17]
    budget = PLANS + PLANS * TRIALS + 1
    assert found["samples-code-steps"].left["sequences"] == TEST * (1 + budget)
    assert found["verdicts-code-steps"].left["programs"] == TEST * (1 + budget)
    assert found["verdicts-code-steps"].title == "judge verdicts-code-steps"


def test_plans_from_questions_are_counted_before_they_are_asked_for(tmp_path: Path) -> None:
    teacher = {"model": "m", "base_url": "https://llm.example.org/v1", "max_tokens": 100}
    before = status_of(parse(plain(tmp_path / "runs", teacher=teacher)), "report")
    sampling = {"plans": PLANS, "trials": TRIALS, "teacher_plan": True}
    found = status_of(parse(plain(tmp_path / "runs", teacher=teacher, sampling=sampling)), "report")
    assert found["forward"].left["requests"] == TEST
    assert found["forward"].left["completion_tokens"] == 100 * TEST
    for role, unit in (("samples", "sequences"), ("verdicts", "programs")):
        assert found[role].left[unit] == (before[role].left[unit] or 0) + TEST


def test_a_finished_stage_is_done_and_costs_nothing(
    tmp_path: Path, config: Path, new_home: Callable[[Path], Path]
) -> None:
    new_home(tmp_path / "runs")
    assert CliRunner().invoke(app, ["problems", str(config)]).exit_code == 0
    found = status_of(parse(plain(tmp_path / "runs")), "distill")
    assert {role: status.state for role, status in found.items()} == {
        "train": "done",
        "test": "done",
        "plans": "missing",
        "oracle": "missing",
    }
    assert not found["train"].left


def test_a_begun_stage_is_resumable(tmp_path: Path) -> None:
    loaded = parse(plain(tmp_path / "runs"))
    with build(loaded)["student"].lock(pytest.fail):
        pass
    assert status_of(loaded, "finetune")["student"].state == "resumable"


def test_the_price_of_plans_is_known_beforehand(tmp_path: Path) -> None:
    teacher = {"model": "m", "base_url": "https://llm.example.org/v1", "max_tokens": 100}
    execution = {"home": str(tmp_path / "runs"), "prompt_price_usd": 0.5, "completion_price_usd": 2.0}
    found = status_of(parse(plain(tmp_path / "runs", teacher=teacher, execution=execution)), "distill")
    left = found["plans"].left
    assert left["completion_tokens"] == 100 * TRAIN
    assert left["cost_usd"] == pytest.approx((left["prompt_tokens"] * 0.5 + left["completion_tokens"] * 2.0) / 1e6)


def test_json_names_stage_identity_and_state_by_role(config: Path) -> None:
    result = CliRunner().invoke(app, ["status", str(config), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["samples"]["stage"] == "sample"
    assert found["samples"]["state"] == "missing"
    assert len(found["samples"]["identity"]) == 64


def program(problem: Problem, arm: Arm, phase: Phase, plan_index: int, sample_index: int, code: str) -> Program:
    return Program(
        problem_id=problem.problem_id,
        arm=arm,
        phase=phase,
        plan_index=plan_index,
        sample_index=sample_index,
        code=code,
        tokens=1,
        finished=True,
    )


def test_what_is_in_the_pools_is_reused_and_equal_programs_count_once(tmp_path: Path) -> None:
    loaded = parse(plain(tmp_path / "runs"))
    pipeline = build(loaded)
    test = list(miniapps.generate("test", TEST))
    new = status_of(loaded, "report")["samples"].left["sequences"]
    assert new is not None
    samples, verdicts = SamplePool.of(pipeline["samples"]), VerdictPool.of(pipeline["verdicts"])
    plan = Plan(problem_id=test[0].problem_id, author="student", text="p")
    beyond = Plan(problem_id=test[0].problem_id, author="student", sample_index=PLANS, text="p")
    direct = program(test[0], "direct", "final", -1, 0, "1")
    equal = program(test[0], "sampled", "trial", -1, 0, "1")
    samples.add(0, Samples([plan, beyond], [direct, equal, program(test[0], "codeplan", "trial", 0, 1, "2")]))
    verdict = SuiteVerdict(Outcome.WRONG_ANSWER, 1)
    verdicts.add(0, [as_record(test[0].problem_id, "1", "hidden", verdict)])
    found = status_of(loaded, "report")
    assert found["samples"].left == {"sequences": new - 4, "reused": 4}, "not the plan that is not asked for"
    assert found["samples"].state == "resumable"
    programs = TEST * (1 + PLANS + PLANS * TRIALS + 1 + PLANS * TRIALS + PLANS + 2)
    assert found["verdicts"].left == {"programs": programs - 3 + 1, "reused": 1}


def test_a_block_that_is_finished_needs_nothing(tmp_path: Path) -> None:
    loaded = parse(plain(tmp_path / "runs"))
    stage = build(loaded)["samples"]
    before = status_of(loaded, "report")["samples"].left["sequences"]
    stage.folder.mkdir(parents=True)
    BlockMarkers.of(stage).put(1, {}, [])
    after = status_of(loaded, "report")["samples"].left["sequences"]
    assert before is not None
    assert after == before * PROBLEMS_PER_BLOCK / TEST


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shorter_training_of_other_workers_is_not_reused(tmp_path: Path, workers: int) -> None:
    def config(steps: int) -> Config:
        execution = {"home": str(tmp_path / "runs"), "train_workers": workers}
        return parse(plain(tmp_path, training={"steps": steps}, execution=execution))

    with build(config(20))["student"].lock(pytest.fail) as folder:
        checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    state = CheckpointState(step=20, first_step=0, world_size=1, zero_stage=1, metrics={})
    (checkpoint / "state.json").write_text(json.dumps(asdict(state)))
    (checkpoint / "files-0.json").write_text("{}")
    (folder.parent / "unknown" / "checkpoint").mkdir(parents=True)  # without an identity: not ours
    left = status_of(config(30), "finetune")["student"].left
    assert left == ({"steps": 10, "reused": 20} if workers == 1 else {"steps": 30, "reused": 0})


def test_a_mixture_that_a_run_refuses_is_refused(config: Path) -> None:
    for command in (["status"], ["run", "--dry-run"]):
        name, *options = command
        result = CliRunner().invoke(app, [name, str(config), *options, "-s", "training.mixing={code: 1, plan_code: 1}"])
        assert result.exit_code == 1
        assert "sampling needs the task plan" in result.stderr


def test_rows_that_an_earlier_run_left_out_stop_one_that_should_not(
    tmp_path: Path, config: Path, new_home: Callable[[Path], Path]
) -> None:
    new_home(tmp_path / "runs")
    file = tmp_path / "a.jsonl"
    suite = Suite(kind="stdin", cases=(Case(input="1", output="1"),))
    given = {"problem_id": "d/train/a", "dataset": "d", "split": "train", "level": "l", "question": "?"}
    row = Problem(**given, solutions=("print(1)",), hidden_tests=suite).model_dump(mode="json")
    file.write_text(json.dumps(row) + "\n{broken\n")
    source = ["-s", f"problems.train={{reader: jsonl, path: {file}}}"]
    dropped = CliRunner().invoke(app, ["problems", str(config), *source, "--skip-bad"])
    assert dropped.exit_code == 0, dropped.output
    assert "1 broken" in dropped.output
    again = CliRunner().invoke(app, ["problems", str(config), *source])
    assert again.exit_code == 1
    assert "a.jsonl has 1 broken row; fix the file, or drop such rows with --skip-bad" in again.stderr


@pytest.mark.parametrize("command", GOALS)
def test_a_dry_run_shows_the_work_and_does_nothing(command: str, config: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, str(config), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "missing" in result.stdout
    assert not (tmp_path / "runs").exists()
