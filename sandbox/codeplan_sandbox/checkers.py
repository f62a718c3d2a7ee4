"""Checker programs: they decide whether an output is right where there are several right ones.

The checker of a suite is Python source that defines ``check``. It is called once per test, with the test's input, its
expected output and what the program did, and returns True or False:

* ``stdin`` suites: ``check(input, expected, output)``, three texts; an output that is not UTF-8 is wrong;
* ``call`` suites: ``check(args, expected, returned)``, JSON values; a result nested more than `MAX_DEPTH` deep is
  wrong.

A checker is not trusted either. It runs in the sandbox, each check in a process of its own, after those of the program
have ended, and gets outputs as data: one that evaluates them as code gives the decision away. If it does anything but
return True or False, it has failed: it raised an exception, reached a limit, or returned another value. That says
nothing about the program, and has an outcome of its own.
"""

from __future__ import annotations

import itertools
import json
import time
from array import array
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from codeplan_sandbox import long_integers
from codeplan_sandbox.suites import Limits, Suite
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import RunRequest, WireRecord

LIMITS = Limits(time_s=10.0, total_s=120.0, memory_bytes=512 << 20)
"""Of a checker, whatever the program's own are; ``total_s`` for all checks of one run of the program."""
MAX_DEPTH = 200
"""A deeper result could fail the checker's JSON parser instead of the program."""
ENTRY_POINT = "check"

_ANSWERS = {b"true": Outcome.PASSED, b"false": Outcome.WRONG_ANSWER}

RunTests = Callable[[RunRequest, bytes, bytes], Generator[tuple[WireRecord, bytes, bytes]]]
"""`Server.run`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a checker said of a test.

    Attributes:
        outcome: PASSED, WRONG_ANSWER or CHECKER_FAILED.
        message: how it failed; empty if it did not.
    """

    outcome: Outcome
    message: str = ""


def check(run: RunTests, suite: Suite, answers: Mapping[int, bytes], limits: Limits) -> dict[int, Checked]:
    """Ask a suite's checker about a program's answers.

    Args:
        run: runs tests in the sandbox; raises as `Server.run` does.
        suite: a suite with a checker.
        answers: by test, what the program wrote, or the JSON text of what it returned.
        limits: of the checker.
    """
    checked = {}
    inputs = {}
    for index, answer in answers.items():
        try:
            inputs[index] = _arguments(suite, index, answer)
        except (ValueError, RecursionError) as error:
            checked[index] = Checked(Outcome.WRONG_ANSWER, f"the output cannot be read: {error}")
    deadline = time.monotonic() + limits.total_s
    found, retryable = _ask(run, suite.checker, inputs, limits, deadline)
    if retryable:
        found |= _ask(run, suite.checker, {index: inputs[index] for index in retryable}, limits, deadline)[0]
    return checked | found


def _ask(
    run: RunTests, checker: str, inputs: Mapping[int, bytes], limits: Limits, deadline: float
) -> tuple[dict[int, Checked], list[int]]:
    """What the checker says, and the tests on which it may have failed because the machine was busy."""
    indices = list(inputs)
    request = RunRequest(
        "call",
        array("q", range(len(indices))),
        array("q", itertools.accumulate((len(inputs[index]) for index in indices), initial=0)),
        ENTRY_POINT,
        prelude=False,
        integer_keys=False,
        fresh_processes=True,
        limits=limits,
        budget_s=max(0.0, deadline - time.monotonic()),
    )
    retryable = []
    found = {index: Checked(Outcome.CHECKER_FAILED, "the checker was not run in time") for index in indices}
    if indices:
        packed = b"".join(inputs[index] for index in indices)
        with closing(run(request, checker.encode("utf-8", "surrogatepass"), packed)) as records:
            for record, _, answer in records:
                found[indices[record.index]] = _checked(record, answer)
                if record.retryable:
                    retryable.append(indices[record.index])
    return found, retryable


def _checked(record: WireRecord, answer: bytes) -> Checked:
    shown = answer[:100].decode("utf-8", "replace")
    if record.outcome is not Outcome.PASSED:
        reason = record.message or shown
        kind = "" if record.outcome is Outcome.WRONG_ANSWER else f"{record.outcome.value}: "
        return Checked(Outcome.CHECKER_FAILED, f"the checker failed: {kind}{reason}")
    if answer not in _ANSWERS:
        return Checked(Outcome.CHECKER_FAILED, f"the checker returned {shown}, which is not True or False")
    outcome = _ANSWERS[answer]
    return Checked(outcome, "" if outcome is Outcome.PASSED else "refused by the checker")


def _arguments(suite: Suite, index: int, answer: bytes) -> bytes:
    """The arguments of a call of the checker.

    Raises:
        ValueError: the answer is not UTF-8, not JSON, or nested too deep.
        RecursionError: it is nested so deep that it cannot be parsed.
    """
    case, text = suite.cases[index], answer.decode("utf-8")
    if suite.kind == "stdin":
        return json.dumps([case.input, case.output, text]).encode()
    _check_depth(long_integers.loads_returned(text))  # from text: of bytes, json would accept UTF-16
    return f"[{long_integers.dumps(list(case.args))}, {long_integers.dumps(case.expected)}, {text}]".encode()


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, (list, dict))]
        level = [part for item in containers for part in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise ValueError(f"nested more than {MAX_DEPTH} deep")
