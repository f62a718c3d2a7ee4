"""Distillation on a real cluster, with the offline teacher and with one that misbehaves."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from codeplan import records
from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.on_ray.distill import distill
from codeplan.problems import miniapps
from codeplan.records import Plan, Problem, to_table
from codeplan.stage import StageError
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import REJECTION_LIMIT
from codeplan.teacher.distillation import REJECTION_LIMIT_AFTER_ANSWER
from codeplan.teacher.offline import write_plan
from codeplan.teacher.plan_collection import Distilled, RequestCounts

KEY = "sk-secret-1234567890"
pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture
def key(monkeypatch) -> None:
    monkeypatch.setenv("A_TEACHERS_KEY", KEY)


def problems(count: int, directive: dict | None = None) -> list[Problem]:
    text = f" @@{json.dumps(directive)}@@" if directive else ""
    return [
        Problem(
            problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}{text}", solutions=(f"print({n})",)
        )
        for n in range(count)
    ]


def run(
    given: list[Problem], base_url: str, folder: Path, seen: list[RequestCounts] | None = None, teacher=(), **execution
) -> Distilled:
    asked = TeacherConfig(base_url=base_url, model="m", api_key_env="A_TEACHERS_KEY", **dict(teacher))
    settings = ExecutionConfig(**{"request_attempts": 2, **execution})
    return distill(given, asked, settings, folder, (seen if seen is not None else []).append)


def test_the_offline_teacher_distils_miniapps_and_a_second_run_sends_nothing(tmp_path):
    given = [*miniapps.generate("train", 60), Problem(problem_id="x", dataset="d", split="s", level="l", question="?")]
    seen: list[RequestCounts] = []
    first = distill(given, TeacherConfig(), ExecutionConfig(), tmp_path, seen.append)
    assert [plan.problem_id for plan in first.plans] == [problem.problem_id for problem in given[:60]]
    assert [plan.text for plan in first.plans] == [write_plan(problem.solutions[0]) for problem in given[:60]]
    assert first.account.rows_in == 61
    assert first.account.dropped == {"without_solution": 1}
    assert sum(counts.rows for counts in seen) == 60
    assert sum(seen, RequestCounts()) == first.counts
    second = distill(given, TeacherConfig(), ExecutionConfig(), tmp_path, lambda _: None)
    assert second.counts.cached == 60
    assert [plan.text for plan in second.plans] == [plan.text for plan in first.plans]
    assert to_table(Plan, second.plans).num_rows == 60


@pytest.mark.usefixtures("key")
def test_requests_run_concurrently_and_progress_arrives_in_the_meantime(fake_teacher, tmp_path):
    seen: list[tuple[RequestCounts, int]] = []
    given = problems(64, {"delay": 0.5})
    asked = TeacherConfig(base_url=fake_teacher.base_url, model="m", api_key_env="A_TEACHERS_KEY")
    settings = ExecutionConfig(requests_in_flight=16)
    made = distill(
        given, asked, settings, tmp_path, lambda counts: seen.append((counts, fake_teacher.counts()["answered"]))
    )
    assert len(made.plans) == 64
    assert fake_teacher.counts()["max_in_flight"] == 16
    assert fake_teacher.counts()["answered"] == 64
    assert len({answered for _, answered in seen}) > 2  # progress arrived while other requests were in flight


@pytest.mark.usefixtures("key")
def test_a_wrong_key_stops_after_one_request_and_is_redacted(fake_teacher, tmp_path):
    with pytest.raises(StageError, match=r"your \[key\] is wrong.*A_TEACHERS_KEY|teacher.api_key_env") as stopped:
        run(problems(500, {"status": 401, "say": "your {key} is wrong"}), fake_teacher.base_url, tmp_path)
    assert fake_teacher.counts()["received"] == 1
    assert KEY not in str(stopped.value)


@pytest.mark.usefixtures("key")
def test_rejections_in_the_middle_stop_every_actor_and_keep_the_answers(fake_teacher, tmp_path):
    given = problems(300, {"status": 403, "say": "no longer"})
    given[0] = problems(1)[0]
    with pytest.raises(StageError, match=r"no longer.*1 of 300 answers are kept"):
        run(given, fake_teacher.base_url, tmp_path, requests_in_flight=4, teacher_actors=2)
    assert fake_teacher.counts()["received"] <= 1 + 2 * (REJECTION_LIMIT_AFTER_ANSWER + 4)


@pytest.mark.usefixtures("key")
def test_rejections_of_every_request_stop_after_a_few(fake_teacher, tmp_path):
    with pytest.raises(StageError, match=r"no, not you.*0 of 500 answers are kept"):
        run(problems(500, {"status": 400, "say": "no, not you"}), fake_teacher.base_url, tmp_path)
    assert fake_teacher.counts()["received"] == REJECTION_LIMIT


@pytest.mark.usefixtures("key")
def test_a_rejected_first_request_does_not_stop_the_others_now_or_in_the_next_run(fake_teacher, tmp_path):
    given = problems(24)
    given[:4] = problems(4, {"status": 403, "code": 403, "say": "flagged"})
    with pytest.raises(StageError, match=r"4 of 24 requests .* 4 rejected.*flagged.*20 of 24 answers are kept"):
        run(given, fake_teacher.base_url, tmp_path)
    with pytest.raises(StageError, match=r"4 of 24 requests .* 4 rejected"):
        run(given, fake_teacher.base_url, tmp_path)  # only rejected ones remain, which is no reason to stop
    made = run(given, fake_teacher.base_url, tmp_path, max_failed_fraction=0.2)
    assert made.account.dropped == {"rejected": 4}
    assert fake_teacher.counts()["answered"] == len(made.plans) == 20


@pytest.mark.usefixtures("key")
def test_actors_leave_out_the_setting_that_the_first_request_found_refused(scripted_teacher, tmp_path):
    good = {"choices": [{"message": {"content": "1. Read."}, "finish_reason": "stop"}]}
    refused = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}
    teacher = scripted_teacher(lambda sent: (422, refused, {}) if "seed" in sent else (200, good, {}))
    made = run(problems(20), teacher.base_url, tmp_path)
    assert made.left_out == {"seed": 20}
    assert sum("seed" in body for body in teacher.bodies) == 1


@pytest.mark.usefixtures("key")
def test_an_unreachable_teacher_stops_the_stage(tmp_path):
    with pytest.raises(StageError, match="cannot be reached"):
        run(problems(500), "http://127.0.0.1:9/v1", tmp_path)


def test_a_missing_key_names_its_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("A_TEACHERS_KEY", raising=False)
    with pytest.raises(StageError, match="A_TEACHERS_KEY"):
        run(problems(1), "http://127.0.0.1:9/v1", tmp_path)


def test_a_model_without_an_endpoint_is_explained(tmp_path):
    with pytest.raises(StageError, match=r"teacher.base_url is empty"):
        distill(problems(1), TeacherConfig(model="gpt"), ExecutionConfig(), tmp_path, lambda _: None)


@pytest.mark.usefixtures("key")
def test_failed_requests_are_counted_and_sent_again_in_the_next_run(fake_teacher, tmp_path):
    given = [
        *problems(20),
        *(
            problem.model_copy(update={"problem_id": "bad"})
            for problem in problems(1, {"status": 400, "code": "content_filter"})
        ),
    ]
    with pytest.raises(StageError, match=r"1 of 21 requests .* 1 rejected.*20 of 21 answers are kept"):
        run(given, fake_teacher.base_url, tmp_path)
    assert fake_teacher.counts()["answered"] == 20
    made = run(given, fake_teacher.base_url, tmp_path, max_failed_fraction=0.1)
    assert made.account.dropped == {"rejected": 1}
    assert made.counts.cached == 20
    assert fake_teacher.counts()["answered"] == 20


@pytest.mark.usefixtures("key")
def test_the_budget_holds_across_actors_and_runs(fake_teacher, tmp_path):
    # An answer costs 0.2 $; any of 40 may cost about 11 $.
    prices = {"prompt_price_usd": 1000.0, "completion_price_usd": 10_000.0, "budget_usd": 14.0, "teacher_actors": 2}
    for _ in range(2):
        with pytest.raises(StageError, match=r"\$14 .*answers are kept"):
            run(problems(40), fake_teacher.base_url, tmp_path, **prices)
    paid = fake_teacher.counts()["answered"]
    assert 0 < paid * 0.2 <= 14.0
    made = run(problems(40), fake_teacher.base_url, tmp_path, **{**prices, "budget_usd": 100.0})
    assert len(made.plans) == fake_teacher.counts()["answered"] == 40
    assert made.counts.cost_usd == pytest.approx((40 - paid) * 0.2)
    assert sum(plan.cost_usd for plan in made.plans) == pytest.approx(made.counts.cost_usd)


@pytest.mark.usefixtures("key")
def test_a_budget_without_prices_is_refused(tmp_path):
    with pytest.raises(StageError, match="prompt_price_usd"):
        run(problems(1), "http://127.0.0.1:9/v1", tmp_path, budget_usd=1.0)


@pytest.mark.usefixtures("key")
def test_the_key_appears_in_no_file_of_the_run_and_no_ray_log(fake_teacher, tmp_path):
    run(problems(20), fake_teacher.base_url, tmp_path)
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    files = [file for folder in (tmp_path, session / "logs") for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


CHILD = """
import sys
from pathlib import Path
import ray
from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.on_ray.distill import distill
from codeplan.records import Problem, read
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="WARNING")
teacher = TeacherConfig(base_url=sys.argv[2], model="m", api_key_env="A_TEACHERS_KEY")
execution = ExecutionConfig(requests_in_flight=8)
distill(read(Problem, Path(sys.argv[3])), teacher, execution, Path(sys.argv[4]), lambda counts: None)
"""


@pytest.mark.usefixtures("key")
def test_a_killed_run_resumes_without_paying_twice(fake_teacher, tmp_path):
    given = problems(100, {"delay": 0.2})
    records.write(tmp_path / "problems.parquet", Problem, given)
    answers = tmp_path / "answers"
    command = [sys.executable, "-c", CHILD, ray.get_runtime_context().gcs_address, fake_teacher.base_url]
    with subprocess.Popen([*command, str(tmp_path / "problems.parquet"), str(answers)]) as child:
        end = time.monotonic() + 120
        while fake_teacher.counts()["answered"] < 30:
            assert child.poll() is None
            assert time.monotonic() < end, "the child sends no requests"
            time.sleep(0.05)
        child.kill()
    made = run(given, fake_teacher.base_url, answers)
    assert len(made.plans) == 100
    assert made.counts.cached >= 20
    counts = fake_teacher.counts()
    # What was in flight at the kill may be paid again, as it was not written; no other answer is.
    assert counts["answered"] <= 100 + 8
    assert counts["most_times_answered"] <= 2
    assert all(AnswerCache(answers).path(plan.request_key).exists() for plan in made.plans)
