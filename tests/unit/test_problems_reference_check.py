"""Why reference solutions fail: small benchmarks with one fault each, judged by the sandbox."""

from __future__ import annotations

import pytest

from codeplan.problems.reference_check import ADVICE, Cause, Judged, failure_groups
from codeplan.records import Problem
from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite, Verdict

SUM = Suite(kind="stdin", cases=(Case(input="1 2\n", output="3\n"), Case(input="2 2\n", output="4\n")))
PAIR = Suite(kind="stdin", cases=(Case(input="4\n", output="1 3\n"),))
ADD = "print(sum(map(int, input().split())))"


def problem(name: str, suite: Suite, *solutions: str) -> Problem:
    return Problem(
        problem_id=f"a/test/{name}",
        dataset="a",
        split="test",
        level="x",
        question="?",
        solutions=solutions,
        hidden_tests=suite,
    )


def judged(*problems: Problem) -> list[Judged]:
    with Judge(Limits(time_s=0.5, memory_bytes=128 << 20)) as judge:
        return [
            Judged(one, index, "hidden", judge.judge(solution, one.hidden_tests))
            for one in problems
            for index, solution in enumerate(one.solutions)
            if one.hidden_tests is not None
        ]


def asserts(*tests: str, setup: str = "") -> Suite:
    return Suite(kind="assert", tests=tests, setup=setup)


@pytest.mark.parametrize(
    ("suite", "solutions", "cause", "detail"),
    [
        (SUM, ["while True: pass"], Cause.LIMIT, "judging.time_s or judging.total_s"),
        (SUM, ["x = bytearray(1 << 30)"], Cause.LIMIT, "judging.memory_mb"),
        (SUM, ["import sortedcontainers\n" + ADD], Cause.SOLUTION_PACKAGE, "sortedcontainers"),
        (
            asserts("assert f()", setup="import nosuchpackage"),
            ["def f(): return 1"],
            Cause.TEST_PACKAGE,
            "nosuchpackage",
        ),
        (asserts("assert f(lambda: 1)"), ["def f(g): return g()"], Cause.UNSEPARABLE, ""),
        (SUM, ["print 3"], Cause.NOT_PYTHON, ""),
        (asserts("assert add(1) == 1"), ["def plus(x): return x"], Cause.READER, "add"),
        (PAIR, ["print(3, 1)"], Cause.SEVERAL_ANSWERS, ""),
        (PAIR, ["print(2, 2)", "print(0, 4)"], Cause.SEVERAL_ANSWERS, ""),
        (Suite(kind="stdin", cases=(Case(input="", output="Yes\n"),)), ["print('YES')"], Cause.SEVERAL_ANSWERS, ""),
        (SUM, ["print(5)", "print(2 + 3)"], Cause.READER, ""),
        (SUM, [ADD, "print(3)"], Cause.SOLUTION, ""),
        (SUM, ["print(3)"], Cause.SOLUTION, ""),
        (SUM, [ADD, "print(1 // 0)"], Cause.SOLUTION, ""),
    ],
)
def test_each_failure_has_a_cause(suite: Suite, solutions: list[str], cause: Cause, detail: str) -> None:
    (group,) = failure_groups(judged(problem("0", suite, *solutions)))
    assert (group.cause, group.detail, group.problem_ids) == (cause, detail, ("a/test/0",))
    assert ADVICE[cause] in str(group)
    assert "\n" not in str(group)


def test_groups_are_counted_and_ordered() -> None:
    slow, wrong, fine = (
        Verdict(outcome=outcome, total=2) for outcome in (Outcome.TIME_LIMIT, Outcome.WRONG_ANSWER, Outcome.PASSED)
    )
    first = [(str(number), slow) for number in range(4)]
    rows = [(problem(name, SUM, "", ""), verdict) for name, verdict in [("x", wrong), *first, ("fine", fine)]]
    given = [Judged(one, index, "hidden", verdict if index else fine) for one, verdict in rows for index in (0, 1)]
    groups = failure_groups(given)
    assert [(group.cause, len(group.problem_ids), group.solutions) for group in groups] == [
        (Cause.LIMIT, 4, 4),
        (Cause.SOLUTION, 1, 1),
    ]
    line = (
        "limit too low (judging.time_s or judging.total_s): 4 problems, 4 solutions (a/test/0, a/test/1, a/test/2, ...)"
    )
    assert str(groups[0]).startswith(line)
    assert failure_groups(given[-2:]) == []


def test_a_package_that_the_sandbox_names_is_the_tests_own() -> None:
    message = "the test imports pandas; tests may import the standard library and numpy only"
    verdict = Verdict(outcome=Outcome.UNSEPARABLE, total=1, message=message)
    (group,) = failure_groups([Judged(problem("0", asserts("import pandas"), ""), 0, "hidden", verdict)])
    assert (group.cause, group.detail) == (Cause.TEST_PACKAGE, "pandas")
