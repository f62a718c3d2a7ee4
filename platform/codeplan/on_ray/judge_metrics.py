"""Metrics of judging, as verdicts come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from codeplan.watching import Watch
from codeplan.watching.metrics import JUDGE_PENDING, JUDGED_PROGRAMS, JUDGED_TESTS
from codeplan_sandbox import SuiteVerdict


def counted(
    judged: Iterable[tuple[int, SuiteVerdict]], programs: int, watch: Watch
) -> Iterator[tuple[int, SuiteVerdict]]:
    """Pass on what `JudgeActors.judge_many` yields, and count it.

    Args:
        judged: the index of a program and its verdict.
        programs: how many will come.
        watch: where they are counted.
    """
    watch.record(JUDGE_PENDING, programs)
    try:
        for done, (index, verdict) in enumerate(judged, start=1):
            watch.count(JUDGED_PROGRAMS, outcome=verdict.outcome.value)
            for outcome, tests in Counter(case.outcome.value for case in verdict.cases).items():
                watch.count(JUDGED_TESTS, tests, outcome=outcome)
            watch.record(JUDGE_PENDING, programs - done)
            yield index, verdict
    finally:
        watch.record(JUDGE_PENDING, 0)
