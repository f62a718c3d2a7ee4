"""Judging actors on a real cluster: verdicts come back whole, whatever happens to the actors."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import ray

from codeplan.config import ExecutionConfig
from codeplan.on_ray.judge_actors import BATCH_RETRIES, JudgeActor, JudgeActors, NoRoomError
from codeplan_sandbox import Case, Limits, Outcome, SandboxError, Suite, SuiteVerdict

SUITE = Suite("stdin", cases=tuple(Case(input=f"{n}\n", output=f"{n + 1}\n") for n in range(3)))
RIGHT, WRONG = "print(int(input()) + 1)", "print(int(input()) + 2)"


@pytest.fixture(scope="module")
def judges(ray_cluster: None) -> Iterator[JudgeActors]:
    started = JudgeActors.start(ExecutionConfig(judge_actors=2), Limits(time_s=2.0))
    yield started
    started.stop()


def outcomes(judges: JudgeActors, programs: list[str]) -> list[Outcome]:
    verdicts = dict(judges.judge_many([(program, SUITE) for program in programs]))
    assert sorted(verdicts) == list(range(len(programs)))
    return [verdicts[index].outcome for index in range(len(programs))]


def test_every_program_gets_its_own_verdict(judges: JudgeActors) -> None:
    programs = [RIGHT, WRONG, "print(", RIGHT] * 12
    expected = [Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SYNTAX_ERROR, Outcome.PASSED] * 12
    assert outcomes(judges, programs) == expected


def test_no_programs_give_no_verdicts(judges: JudgeActors) -> None:
    assert list(judges.judge_many([])) == []


def test_stopping_at_the_first_failure_leaves_tests_out(judges: JudgeActors) -> None:
    ((_, verdict),) = judges.judge_many([(WRONG, SUITE)], stop_at_failure=True)
    assert len(verdict.cases) == 1
    assert verdict.total_tests == 3


def test_judges_can_be_passed_to_another_actor(judges: JudgeActors) -> None:
    @ray.remote(num_cpus=0.25)
    def judge_elsewhere(handle: JudgeActors) -> list[Outcome]:
        return [verdict.outcome for _, verdict in handle.judge_many([(RIGHT, SUITE)])]

    assert ray.get(judge_elsewhere.remote(judges)) == [Outcome.PASSED]


def test_killed_actor_is_restarted_and_its_programs_judged_again(judges: JudgeActors) -> None:
    # Each program takes long enough that the actor is killed with programs under way and waiting.
    slow = "import time\ntime.sleep(0.1)\n" + RIGHT
    before = ray.get([actor.pid.remote() for actor in judges.actors])
    verdicts = judges.judge_many([(slow, SUITE)] * 16)
    found = dict([next(verdicts)])
    os.kill(before[0], signal.SIGKILL)
    os.kill(before[1], signal.SIGKILL)
    found.update(verdicts)
    assert {index: verdict.outcome for index, verdict in found.items()} == dict.fromkeys(range(16), Outcome.PASSED)
    assert not set(before) & set(ray.get([actor.pid.remote() for actor in judges.actors]))


def test_stopped_judges_raise_and_give_no_verdict(ray_cluster: None) -> None:
    stopped = JudgeActors.start(ExecutionConfig(judge_actors=1), Limits())
    stopped.stop()
    with pytest.raises(SandboxError):
        list(stopped.judge_many([(RIGHT, SUITE)]))


def test_those_that_have_room_judge_and_the_others_join_later(ray_cluster: None) -> None:
    # Half a CPU each, of two CPUs: the first of 20 start, and the rest once other sandboxes are gone.
    first = JudgeActors.start(ExecutionConfig(judge_actors=1), Limits())
    many = JudgeActors.start(ExecutionConfig(judge_actors=20), Limits())
    try:
        assert outcomes(many, [RIGHT, WRONG] * 40) == [Outcome.PASSED, Outcome.WRONG_ANSWER] * 40
        before = len(many.up)
        assert 0 < before < 4
        first.stop()
        until = time.monotonic() + 60
        while len(many.up) == before:
            assert time.monotonic() < until
            assert outcomes(many, [RIGHT]) == [Outcome.PASSED]
    finally:
        many.stop()


def test_where_no_sandbox_has_room_in_time_the_caller_is_told(ray_cluster: None) -> None:
    with pytest.raises(NoRoomError, match=r"within 0\.5 s"):
        JudgeActors.start(ExecutionConfig(judge_actors=2, judge_resource="absent"), Limits(), within_s=0.5)


def test_verdicts_are_not_waited_for_after_the_time_that_was_given(judges: JudgeActors) -> None:
    assert list(judges.judge_many([("while True: pass", SUITE)], within_s=0.0)) == []


class FaultyActor(JudgeActor):
    """An actor whose sandbox fails a number of times."""

    def __init__(self, limits: Limits, faults: int) -> None:
        super().__init__(limits)
        self.faults = faults

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[SuiteVerdict]:
        if self.faults:
            self.faults -= 1
            raise SandboxError("the fork server failed")
        return super().judge(programs, stop_at_failure)


def faulty_judges(faults: int) -> JudgeActors:
    actor = ray.remote(FaultyActor).options(num_cpus=0.25)
    return JudgeActors((actor.remote(Limits(), faults),))


def test_failed_sandbox_is_retried(ray_cluster: None) -> None:
    judges = faulty_judges(BATCH_RETRIES)
    assert outcomes(judges, [RIGHT, WRONG]) == [Outcome.PASSED, Outcome.WRONG_ANSWER]
    judges.stop()


def test_sandbox_that_keeps_failing_raises_and_gives_no_verdict(ray_cluster: None) -> None:
    judges = faulty_judges(BATCH_RETRIES + 1)
    with pytest.raises(SandboxError, match="the fork server failed"):
        outcomes(judges, [RIGHT])
    judges.stop()
