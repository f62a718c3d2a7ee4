"""Metrics of judging, as verdicts come in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from codeplan.watching import Watch
from codeplan.watching.metrics import JUDGE_PENDING, JUDGED_PROGRAMS, JUDGED_TESTS
from codeplan_sandbox import SuiteVerdict

SECONDS = 1.0
"""Between two counts: one takes 10 microseconds or so, and the process that hands out programs has 150 for each."""


def counted(
    judged: Iterable[tuple[int, SuiteVerdict]], programs: int, watch: Watch
) -> Iterator[tuple[int, SuiteVerdict]]:
    """Pass on what `JudgeActors.judge_many` yields, and count it, once a second and at the end.

    Args:
        judged: the index of a program and its verdict.
        programs: how many will come.
        watch: where they are counted.
    """
    outcomes: Counter[str] = Counter()
    tests: Counter[str] = Counter()

    def count(pending: int) -> None:
        for metric, found in ((JUDGED_PROGRAMS, outcomes), (JUDGED_TESTS, tests)):
            for outcome, number in found.items():
                watch.count(metric, number, outcome=outcome)
            found.clear()
        watch.record(JUDGE_PENDING, pending)

    count(programs)
    last = time.monotonic()
    try:
        for done, (index, verdict) in enumerate(judged, start=1):
            outcomes[verdict.outcome.value] += 1
            tests.update(case.outcome.value for case in verdict.cases)
            if time.monotonic() - last >= SECONDS:
                count(programs - done)
                last = time.monotonic()
            yield index, verdict
    finally:
        count(0)
