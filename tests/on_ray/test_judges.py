"""The pool of sandboxes on a real cluster: verdicts come back whole, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import ray

from codeplan.on_ray.judges import BATCH_RETRIES, JudgePool, JudgeWorker
from codeplan_sandbox import Case, Limits, Outcome, SandboxError, Suite, SuiteVerdict

SUITE = Suite("stdin", cases=tuple(Case(input=f"{n}\n", output=f"{n + 1}\n") for n in range(3)))
RIGHT, WRONG = "print(int(input()) + 1)", "print(int(input()) + 2)"


@pytest.fixture(scope="module")
def pool(ray_cluster: None) -> Iterator[JudgePool]:
    started = JudgePool.start(2, Limits(time_s=2.0), num_cpus=0.25)
    yield started
    started.stop()


def outcomes(pool: JudgePool, programs: list[str]) -> list[Outcome]:
    verdicts = dict(pool.judge_many([(program, SUITE) for program in programs]))
    assert sorted(verdicts) == list(range(len(programs)))
    return [verdicts[index].outcome for index in range(len(programs))]


def test_every_program_gets_its_own_verdict(pool: JudgePool) -> None:
    programs = [RIGHT, WRONG, "print(", RIGHT] * 12
    expected = [Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SYNTAX_ERROR, Outcome.PASSED] * 12
    assert outcomes(pool, programs) == expected


def test_no_programs_give_no_verdicts(pool: JudgePool) -> None:
    assert list(pool.judge_many([])) == []


def test_stopping_at_the_first_failure_leaves_tests_out(pool: JudgePool) -> None:
    ((_, verdict),) = pool.judge_many([(WRONG, SUITE)], stop_at_failure=True)
    assert len(verdict.cases) == 1
    assert verdict.total == 3


def test_another_actor_can_use_the_pool(pool: JudgePool) -> None:
    @ray.remote(num_cpus=0.25)
    def judge_elsewhere(handle: JudgePool) -> list[Outcome]:
        return [verdict.outcome for _, verdict in handle.judge_many([(RIGHT, SUITE)])]

    assert ray.get(judge_elsewhere.remote(pool)) == [Outcome.PASSED]


def test_a_killed_worker_is_replaced_and_its_programs_judged_again(pool: JudgePool) -> None:
    # Each program takes long enough that the worker is killed with programs under way and waiting.
    slow = "import time\ntime.sleep(0.1)\n" + RIGHT
    before = ray.get([actor.pid.remote() for actor in pool.actors])
    verdicts = pool.judge_many([(slow, SUITE)] * 16)
    found = dict([next(verdicts)])
    os.kill(before[0], signal.SIGKILL)
    os.kill(before[1], signal.SIGKILL)
    found.update(verdicts)
    assert {index: verdict.outcome for index, verdict in found.items()} == dict.fromkeys(range(16), Outcome.PASSED)
    assert not set(before) & set(ray.get([actor.pid.remote() for actor in pool.actors]))


def test_a_pool_that_is_gone_raises_and_gives_no_verdict(ray_cluster: None) -> None:
    stopped = JudgePool.start(1, Limits(), num_cpus=0.25)
    stopped.stop()
    with pytest.raises(SandboxError):
        list(stopped.judge_many([(RIGHT, SUITE)]))


class FaultyWorker(JudgeWorker):
    """A worker whose sandbox fails a number of times."""

    def __init__(self, limits: Limits, faults: int) -> None:
        super().__init__(limits)
        self.faults = faults

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[SuiteVerdict]:
        if self.faults:
            self.faults -= 1
            raise SandboxError("the fork server failed")
        return super().judge(programs, stop_at_failure)


def faulty_pool(faults: int) -> JudgePool:
    worker = ray.remote(FaultyWorker).options(num_cpus=0.25, max_task_retries=BATCH_RETRIES)
    return JudgePool((worker.remote(Limits(), faults),))


def test_a_sandbox_that_fails_is_asked_again(ray_cluster: None) -> None:
    pool = faulty_pool(BATCH_RETRIES)
    assert outcomes(pool, [RIGHT, WRONG]) == [Outcome.PASSED, Outcome.WRONG_ANSWER]
    pool.stop()


def test_a_sandbox_that_goes_on_failing_raises_and_gives_no_verdict(ray_cluster: None) -> None:
    pool = faulty_pool(BATCH_RETRIES + 1)
    with pytest.raises(SandboxError, match="the fork server failed"):
        outcomes(pool, [RIGHT])
    pool.stop()
