"""Reference solutions on their own problems' tests: problems where they fail, hardly any student can solve."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeplan.config import ExecutionConfig
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.pool import Pool
from codeplan.preflight.context import CheckContext
from codeplan.preflight.failure_causes import Attempt, Cause, cause_of
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.progress import Bar
from codeplan.records import Problem, program_key
from codeplan_sandbox import Outcome, Suite

if TYPE_CHECKING:
    from codeplan.on_ray.judge_actors import JudgeActors

TIME_LIMIT_S = 20.0
"""Seconds for the sample of one split: solutions that use up their limits take long, a check should not."""
MORE_SOLUTIONS = 3
"""Number of further solutions that are judged where the first fails."""
MIN_PASSING = 0.1
"""Fraction of test problems whose solution passes, below which a run could hardly solve anything."""
PROGRAMS_PER_BLOCK = 512
"""Solutions per block: at most this many are judged again after an interruption."""
_EXAMPLES_SHOWN = 3
_UNCLEAR = {Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR, Outcome.EXITED_EARLY}

Programs = Mapping[tuple[str, str], tuple[str, Suite]]
"""By problem_id and program_key: a program's text and its tests."""
Attempts = dict[tuple[str, str], Attempt]
JudgePass = Callable[[str, Programs], Attempts]
"""Judges programs; the first argument names the pass over a split."""


def check(context: CheckContext, role: str, chosen: Sequence[Problem], identity: Any) -> Iterator[Finding]:
    """Judge the problems' solutions and report the failures by cause.

    Args:
        context: has the limits, and whether all solutions are judged or the first per problem.
        role: the split's name.
        chosen: the problems; all have a solution and tests.
        identity: what the result depends on; names the folder of unfinished work.
    """
    if not context.tier:
        yield skipped(f"{role}: reference solutions not judged, as there is no sandbox")
        return
    programs = {
        (problem.problem_id, program_key(code)): (code, suite_of(problem))
        for problem in chosen
        for code in (problem.solutions if context.all_solutions else problem.solutions[:1])
    }
    judge = _judge_function(context, role, identity)
    attempts = judge("first", programs)
    judged = [problem for problem in chosen if _first_key(problem) in attempts]
    if len(judged) < len(chosen):
        yield warning(
            f"{role}: only {len(judged)} of {len(chosen)} sampled solutions could be judged in {TIME_LIMIT_S:g} s",
            "codeplan check --all judges all solutions",
        )
    yield from _summary(context, role, judged, attempts, judge)


def suite_of(problem: Problem) -> Suite:
    """The hidden tests; the example tests where there are none."""
    suite = problem.hidden_tests or problem.example_tests
    assert suite is not None
    return suite


def _summary(
    context: CheckContext, role: str, chosen: Sequence[Problem], attempts: Attempts, judge: JudgePass
) -> Iterator[Finding]:
    first = {problem.problem_id: attempts[_first_key(problem)] for problem in chosen}
    failing = [problem for problem in chosen if not first[problem.problem_id].passed]
    passed = len(chosen) - len(failing)
    kind = "first solutions" if context.all_solutions else "sampled reference solutions"
    text = f"{role}: {passed:,} of {len(chosen):,} {kind} pass their problem's tests"
    if context.all_solutions:
        text += f"; of all {len(attempts):,} solutions, {sum(attempt.passed for attempt in attempts.values()):,}"
    if role == "test" and passed < MIN_PASSING * len(chosen):
        yield failed(text, "a student can hardly solve problems that their own solutions fail; see the causes")
    else:
        yield ok(text)
    groups: dict[Cause, list[str]] = defaultdict(list)
    for problem, cause in _causes(failing, first, attempts, judge):
        groups[cause].append(problem.problem_id)
    for cause, ids in sorted(groups.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(ids[:_EXAMPLES_SHOWN]) + (", ..." if len(ids) > _EXAMPLES_SHOWN else "")
        yield warning(f"{role}: {len(ids):,} fail, {cause.text} ({shown})", cause.advice)


def _causes(
    failing: Sequence[Problem], first: Mapping[str, Attempt], attempts: Attempts, judge: JudgePass
) -> Iterator[tuple[Problem, Cause]]:
    """The cause of every failure; where it is unclear, other solutions and a lenient comparison are tried."""
    unclear = [problem for problem in failing if first[problem.problem_id].outcome in _UNCLEAR]
    more = {
        (problem.problem_id, program_key(code)): (code, suite_of(problem))
        for problem in unclear
        for code in problem.solutions[1 : MORE_SOLUTIONS + 1]
    }
    attempts = attempts | judge("others", {key: program for key, program in more.items() if key not in attempts})
    lenient = judge(
        "lenient", {_first_key(problem): _lenient(problem) for problem in unclear if _has_comparator(suite_of(problem))}
    )
    for problem in failing:
        keys = [(problem.problem_id, program_key(code)) for code in problem.solutions[1:]]
        others = [attempts[key] for key in keys if key in attempts]
        yield problem, cause_of(first[problem.problem_id], others, lenient.get(_first_key(problem)))


def _first_key(problem: Problem) -> tuple[str, str]:
    return problem.problem_id, program_key(problem.solutions[0])


def _has_comparator(suite: Suite) -> bool:
    return suite.kind != "assert" and not suite.checker


def _lenient(problem: Problem) -> tuple[str, Suite]:
    return problem.solutions[0], dataclasses.replace(suite_of(problem), comparator="apps", tolerance=None)


def _judge_function(context: CheckContext, role: str, identity: Any) -> JudgePass:
    """Judges all solutions on the cluster, a sample in the check's own sandbox for `TIME_LIMIT_S` in total."""
    if context.all_solutions:
        folder = context.store.folder("data", identity)
        return lambda part, programs: _judge_on_ray(context, role, programs, folder / part)
    deadline = time.monotonic() + TIME_LIMIT_S
    return lambda _, programs: _judge_sample(context, programs, deadline)


def _judge_sample(context: CheckContext, programs: Programs, deadline: float) -> Attempts:
    """Judge programs in the check's sandbox until the deadline, a monotonic time; later ones have no attempt."""
    attempts: Attempts = {}
    for key, (code, suite) in programs.items():
        if time.monotonic() > deadline:
            break
        if context.judge is not None:
            verdicts = [context.judge.judge(code, suite, stop_at_failure=True)]
        else:
            assert context.judges is not None
            left = deadline - time.monotonic()  # its node may have died, and be replaced
            judged = context.judges.judge_many([(code, suite)], stop_at_failure=True, within_s=left)
            verdicts = [verdict for _, verdict in judged]
        for verdict in verdicts:
            attempts[key] = Attempt(verdict.outcome, verdict.message)
    return attempts


def started_judges(context: CheckContext, execution: ExecutionConfig) -> JudgeActors:
    """Judging actors on the cluster, once they are up; says what they wait for while there is no room for them."""
    from codeplan.on_ray.judge_actors import JudgeActors
    from codeplan.on_ray.waiting import told_while_waiting

    def tell(text: str, _: bool) -> None:
        context.console.print(f"check: the sandbox {text}", highlight=False, soft_wrap=True)

    with told_while_waiting(lambda: 0, tell):
        judging = context.config.judging
        return JudgeActors.start(execution, judging.hidden_tests.limits(), packages=judging.packages)


def _judge_on_ray(context: CheckContext, role: str, programs: Programs, folder: Path) -> Attempts:
    """Judge programs on the cluster; verdicts are kept, so that an interrupted check resumes."""
    if not programs:
        return {}
    from codeplan.on_ray.cluster import cluster
    from codeplan.on_ray.judge_blocks import judge_block

    context.exit_stack.enter_context(cluster(context.config.execution))
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = VerdictPool(Pool(folder))
    remaining = iter(programs.items())
    parts = list(iter(lambda: dict(islice(remaining, PROGRAMS_PER_BLOCK)), {}))
    judges = started_judges(context, context.config.execution)
    try:
        with Bar(context.console, f"checking {role}", len(programs), "solutions").shown() as bar:
            for block, part in enumerate(parts):
                judge_block(block, part, judges, verdicts, bar)
    finally:
        judges.stop()
    found = [verdict for block in range(len(parts)) for verdict in verdicts.read_all(block)]
    return {(verdict.problem_id, verdict.program_key): Attempt(verdict.outcome, verdict.message) for verdict in found}
