"""Reference solutions on their own problems' tests: what fails here would fail for every student."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codeplan.preflight.causes import Attempt, Cause, cause_of
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.preflight.subject import Subject
from codeplan.progress import Bar
from codeplan.records import Problem, program_key
from codeplan.steps import limits
from codeplan_sandbox import Outcome, Suite

SECONDS = 20.0
"""How long a split's sample is judged at most: solutions that use up their limits take long, a check should not."""
OTHERS = 3
"""How many further solutions are tried where the first fails."""
FEW_PASS = 0.1
"""Below this share of test problems whose solution passes, a run could only tell that nothing is solved."""
_EXAMPLES_SHOWN = 3
_UNCLEAR = {Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR, Outcome.EXITED_EARLY}

Tasks = Mapping[tuple[str, str], tuple[str, Suite]]
"""By (problem_id, program_key): a program's text and its tests."""
Attempts = dict[tuple[str, str], Attempt]
Judging = Callable[[str, Tasks], Attempts]
"""Judges tasks; the name tells its uses of one split apart."""


def check(subject: Subject, role: str, chosen: Sequence[Problem], identity: Any) -> Iterator[Finding]:
    """Judge the problems' solutions and say, cause by cause, which fail.

    Args:
        subject: gives the limits, and whether all solutions are judged or the first of each problem.
        role: the split's name.
        chosen: the problems, each with a solution and with tests.
        identity: what the result depends on: a folder of unfinished work is named by it.
    """
    if subject.judge is None:
        yield skipped(f"{role}: reference solutions are not judged without a sandbox")
        return
    tasks = {
        (problem.problem_id, program_key(code)): (code, suite_of(problem))
        for problem in chosen
        for code in (problem.solutions if subject.every else problem.solutions[:1])
    }
    judge = _judging(subject, role, identity)
    attempts = judge("first", tasks)
    known = [each for each in chosen if _first_key(each) in attempts]
    if len(known) < len(chosen):
        yield warning(
            f"{role}: only {len(known)} of {len(chosen)} sampled solutions could be judged in {SECONDS:g} s",
            "codeplan check --all judges every one",
        )
    yield from _summary(subject, role, known, attempts, judge)


def suite_of(problem: Problem) -> Suite:
    """The tests that decide; the example tests where there are no others."""
    suite = problem.hidden_tests or problem.example_tests
    assert suite is not None
    return suite


def _summary(
    subject: Subject, role: str, chosen: Sequence[Problem], attempts: Attempts, judge: Judging
) -> Iterator[Finding]:
    first = {each.problem_id: attempts[_first_key(each)] for each in chosen}
    failing = [each for each in chosen if not first[each.problem_id].passed]
    passed = len(chosen) - len(failing)
    kind = "first solutions" if subject.every else "sampled reference solutions"
    text = f"{role}: {passed:,} of {len(chosen):,} {kind} pass their problem's tests"
    if subject.every:
        text += f"; of all {len(attempts):,} solutions, {sum(each.passed for each in attempts.values()):,}"
    if role == "test" and passed < FEW_PASS * len(chosen):
        yield failed(text, "a student could hardly solve what its own solutions do not; see the causes")
    else:
        yield ok(text)
    groups: dict[Cause, list[str]] = defaultdict(list)
    for problem, cause in _causes(failing, first, attempts, judge):
        groups[cause].append(problem.problem_id)
    for cause, ids in sorted(groups.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(ids[:_EXAMPLES_SHOWN]) + (", ..." if len(ids) > _EXAMPLES_SHOWN else "")
        yield warning(f"{role}: {len(ids):,} fail, {cause.text} ({shown})", cause.advice)


def _causes(
    failing: Sequence[Problem], first: Mapping[str, Attempt], attempts: Attempts, judge: Judging
) -> Iterator[tuple[Problem, Cause]]:
    """The cause of each failure; where it is unclear, other solutions and a lenient comparison are asked."""
    unclear = [each for each in failing if first[each.problem_id].outcome in _UNCLEAR]
    more = {
        (problem.problem_id, program_key(code)): (code, suite_of(problem))
        for problem in unclear
        for code in problem.solutions[1 : OTHERS + 1]
    }
    attempts = attempts | judge("others", {key: task for key, task in more.items() if key not in attempts})
    lenient = judge(
        "lenient", {_first_key(each): _lenient(each) for each in unclear if suite_of(each).kind != "assert"}
    )
    for problem in failing:
        keys = [(problem.problem_id, program_key(code)) for code in problem.solutions[1:]]
        others = [attempts[key] for key in keys if key in attempts]
        yield problem, cause_of(first[problem.problem_id], others, lenient.get(_first_key(problem)))


def _first_key(problem: Problem) -> tuple[str, str]:
    return problem.problem_id, program_key(problem.solutions[0])


def _lenient(problem: Problem) -> tuple[str, Suite]:
    return problem.solutions[0], dataclasses.replace(suite_of(problem), comparator="apps")


def _judging(subject: Subject, role: str, identity: Any) -> Judging:
    """Judges many programs on the cluster, a sample on this machine for `SECONDS` in all."""
    if subject.every:
        folder = subject.store.folder("data", identity)
        return lambda part, tasks: _on_ray(subject, role, tasks, folder / part)
    over = time.monotonic() + SECONDS
    return lambda _, tasks: _here(subject, tasks, over)


def _here(subject: Subject, tasks: Tasks, over: float) -> Attempts:
    """Judge a few programs on this machine, until the clock says ``over``: what is left then is not known."""
    assert subject.judge is not None
    attempts: Attempts = {}
    for key, (code, suite) in tasks.items():
        if time.monotonic() > over:
            break
        verdict = subject.judge.judge(code, suite, stop_at_failure=True)
        attempts[key] = Attempt(verdict.outcome, verdict.message)
    return attempts


def _on_ray(subject: Subject, role: str, tasks: Tasks, folder: Path) -> Attempts:
    """Judge programs on the cluster; what is judged is kept, and a check that was killed resumes from there."""
    if not tasks:
        return {}
    from codeplan.on_ray.cluster import cluster
    from codeplan.on_ray.judges import JudgePool
    from codeplan.on_ray.verdicts import judge_all

    subject.stack.enter_context(cluster(subject.config.execution))
    folder.mkdir(parents=True, exist_ok=True)
    pool = JudgePool.start(subject.config.execution.judge_actors, limits(subject.config))
    try:
        with Bar(subject.console, f"checking {role}", len(tasks), "solutions").shown() as bar:
            verdicts = judge_all(tasks, pool, folder, bar)
    finally:
        pool.stop()
    return {(each.problem_id, each.program_key): Attempt(each.outcome, each.message) for each in verdicts}
