"""Checker programs: what they accept, how they fail, and that a program cannot reach them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite, SuiteError

PRIMES = """
def check(input, expected, output):
    factors = [int(token) for token in output.split()]
    product = 1
    for factor in factors:
        product *= factor
    return product == int(input) and len(factors) == int(expected)
"""
TWO_WAYS = "def check(args, expected, returned):\n    return sorted(returned) == sorted(expected) and len(args) == 1\n"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge(Limits(time_s=2.0)) as running:
        yield running


def stdin_suite(checker: str, *cases: tuple[str, str]) -> Suite:
    return Suite("stdin", cases=tuple(Case(*case) for case in cases), checker=checker)


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        ("print(2, int(input()) // 2)", ["passed", "passed"]),
        ("n = int(input())\nprint(n // 2, 2)", ["passed", "passed"]),
        ("n = int(input())\nprint(2, n // 2 if n < 9 else 2)", ["passed", "wrong_answer"]),
        ("print(1 / (int(input()) - 6))", ["runtime_error", "checker_failed"]),
    ],
)
def test_several_outputs_are_right(judge: Judge, program: str, outcomes: list[str]) -> None:
    verdict = judge.judge(program, stdin_suite(PRIMES, ("6", "2"), ("14", "2")))
    assert [case.outcome.value for case in verdict.cases] == outcomes
    assert verdict.outcome.value == next((outcome for outcome in outcomes if outcome != "passed"), "passed")


def test_a_checker_of_calls_gets_values(judge: Judge) -> None:
    suite = Suite("call", cases=(Case(args=([3, 1],), expected=[1, 3]),), entry_point="f", checker=TWO_WAYS)
    assert judge.judge("def f(xs): return xs", suite).passed
    verdict = judge.judge("def f(xs): return xs[:1]", suite)
    assert (verdict.outcome, verdict.message) == (Outcome.WRONG_ANSWER, "refused by the checker")
    many = 10**9000
    assert judge.judge(
        "def f(xs): return [1, 3] if xs == [3, 1, 10**9000] else 0",
        Suite("call", cases=(Case(args=([3, 1, many],), expected=[1, 3]),), entry_point="f", checker=TWO_WAYS),
    ).passed


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 1", "returned 1, which is not True or False"),
        ("return 'true'", 'returned "true", which is not True or False'),
        ("return None", "returned null"),
        ("raise ValueError('odd')", "runtime_error: ValueError: odd (line 2)"),
        ("import os; os._exit(0)", "exited_early"),
        ("raise SystemExit(0)", "exited_early"),
        ("open('/etc/passwd')", "the checker failed"),
        ("return [0] * 10**12", "memory_limit"),
        ("return (", "syntax_error"),
    ],
)
def test_a_checker_that_fails_says_nothing_about_the_program(judge: Judge, body: str, reason: str) -> None:
    suite = stdin_suite(f"def check(input, expected, output):\n    {body}", ("1", "1"))
    verdict = judge.judge("print(1)", suite)
    assert verdict.outcome is Outcome.CHECKER_FAILED
    assert reason in verdict.message


def test_a_suite_whose_checker_defines_no_check_fails_likewise(judge: Judge) -> None:
    verdict = judge.judge("print(1)", stdin_suite("def verify(*_): return True", ("1", "1")))
    assert (verdict.outcome, "does not define check" in verdict.message) == (Outcome.CHECKER_FAILED, True)


@pytest.mark.parametrize(
    "program",
    [
        "print('true')",
        "import sys; sys.stdout.buffer.write(b'\\xff')",
        "print('\"], true) #')",
        "def check(*_): return True\nimport builtins; builtins.check = check\nprint(0)",
        "import json, operator; json.loads = operator.eq; print(0)",
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(9), daemon=True).start()\nprint(0)",
    ],
)
def test_a_program_cannot_speak_for_the_checker(judge: Judge, program: str) -> None:
    suite = stdin_suite("def check(input, expected, output):\n    return output == '1\\n'", ("1", "1"))
    verdict = judge.judge(program, suite)
    assert verdict.outcome is Outcome.WRONG_ANSWER
    assert judge.judge("print(1)", suite).passed


def test_outputs_that_are_wrong_in_a_used_process_are_run_again(judge: Judge) -> None:
    program = "import math\nmath.seen = getattr(math, 'seen', 0) + 1\nprint(int(input()) if math.seen == 1 else 0)"
    suite = stdin_suite("def check(input, expected, output): return input == output.strip()", ("1", ""), ("2", ""))
    assert judge.judge(program, suite).passed


def test_a_checkers_state_does_not_decide(judge: Judge) -> None:
    checker = (
        "import math\ndef check(*_):\n    math.n = getattr(math, 'n', 0) + 1\n    return True if math.n == 1 else 0"
    )
    assert judge.judge("print(1)", stdin_suite(checker, ("1", ""), ("2", ""), ("3", ""))).passed


def test_every_check_has_a_process_of_its_own(judge: Judge) -> None:
    counting = "import string\ndef check(*_):\n    string.digits += '!'\n    return string.digits == '0123456789!'"
    assert judge.judge("print(1)", stdin_suite(counting, ("1", ""), ("2", ""), ("3", ""))).passed


SLOW = "import time\ndef check(input, expected, output):\n    while time.process_time() < 0.5: pass\n    return "


def test_time_of_the_checker_does_not_count_for_the_program() -> None:
    program = "import string\nprint(string.digits[:1])\nstring.digits = ''"
    suite = stdin_suite(f"{SLOW}output == '0\\n'", *[("", "")] * 3)
    with Judge(Limits(total_s=1.0)) as running:
        assert running.judge(program, suite).passed


def test_checks_beyond_the_checkers_time_are_its_failures() -> None:
    with Judge(checker_limits=Limits(total_s=0.5)) as running:
        verdict = running.judge("print(1)", stdin_suite(f"{SLOW}True", *[("", "")] * 3))
    assert verdict.cases[-1].outcome is Outcome.CHECKER_FAILED


@pytest.mark.parametrize("answer", ["b'[' * 500_000", "b'[' * 300 + b']' * 300", "'2'.encode('utf-16')", "b'1],2,[2'"])
def test_results_that_a_checker_cannot_read_are_wrong(judge: Judge, answer: str) -> None:
    report = "os.write(3, struct.pack('=BBq', 0, 0, 0))"
    forged = f"import os, struct\ndef f(x):\n    os.pwrite(6, {answer}, 0)\n    {report}\n    os._exit(0)"
    checker = "def check(args, expected, returned, *more):\n    return returned == expected or bool(more)"
    suite = Suite("call", cases=(Case(args=(1,), expected=2),), entry_point="f", checker=checker)
    verdict = judge.judge(forged, suite)
    assert verdict.outcome is Outcome.WRONG_ANSWER
    assert "the output cannot be read" in verdict.message


def test_tests_are_skipped_after_a_failure_only(judge: Judge) -> None:
    suite = stdin_suite(PRIMES, ("6", "2"), ("14", "2"), ("15", "2"))
    verdict = judge.judge("print(2, int(input()) // 2)", suite, stop_at_failure=True)
    assert [case.outcome.value for case in verdict.cases] == ["passed", "passed", "wrong_answer"]
    verdict = judge.judge("print(1)", suite, stop_at_failure=True)
    assert [case.outcome.value for case in verdict.cases] == ["wrong_answer"]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"kind": "assert", "tests": ["assert True"], "checker": "x"}, "a checker decides in stdin and call suites"),
        ({"kind": "stdin", "cases": [], "comparator": "exact", "checker": "x"}, "in place of a comparator"),
        ({"kind": "stdin", "cases": [], "checker": 1}, "checker must be text"),
        ({"kind": "stdin", "cases": [], "comparator": "floats"}, "the comparator floats needs a tolerance"),
        ({"kind": "stdin", "cases": [], "tolerance": 0.1}, "no other comparator has one"),
        ({"kind": "stdin", "cases": [], "comparator": "floats", "tolerance": -1.0}, "a number of at least 0"),
        ({"kind": "stdin", "cases": [], "comparator": "floats", "tolerance": "1"}, "a number of at least 0"),
        ({"kind": "stdin", "cases": [], "comparator": "floats", "tolerance": True}, "a number of at least 0"),
    ],
)
def test_suites_that_contradict_themselves_are_refused(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        Suite.from_dict(plain)


def test_suites_are_read_back() -> None:
    checked = stdin_suite(PRIMES, ("6", "2"))
    floats = Suite("stdin", cases=(Case("1", "1.5"),), comparator="floats", tolerance=1e-3)
    for suite in (checked, floats):
        assert Suite.from_json(suite.to_json()) == suite
    assert "checker" not in floats.to_dict()
    assert Suite.from_dict({**floats.to_dict(), "tolerance": 1}).tolerance == 1.0
