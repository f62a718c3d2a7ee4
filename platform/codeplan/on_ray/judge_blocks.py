"""Hidden tests over a data set: blocks of programs, judged by the actors of `codeplan.on_ray.judge_actors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codeplan.inference.samples import as_record
from codeplan.inference.verdict_pool import ProgramKey, VerdictPool
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan.on_ray.judge_metrics import counted
from codeplan.progress import Bar
from codeplan.watching import UNWATCHED, Watch
from codeplan.watching.metrics import POOL_RECORDS
from codeplan_sandbox import Suite

Programs = Mapping[ProgramKey, tuple[str, Suite]]
"""Program texts, each with the tests that decide."""


def judge_block(
    block: int,
    programs: Programs,
    judges: JudgeActors,
    verdicts: VerdictPool,
    bar: Bar,
    *,
    on_wait: Callable[[str], None] | None = None,
    watch: Watch = UNWATCHED,
) -> int:
    """Judge the programs of a block that have no verdict in the pool yet; returns how many.

    Judging a program stops at its first failure: hidden tests decide all or nothing. Where another process holds the
    block, ``on_wait`` is called with who does. Programs and tests are counted on ``watch``.
    """
    with verdicts.pool.lock(block, on_wait):
        known = verdicts.known(block)
        missing = [key for key in programs if key not in known]
        bar.skip(len(programs) - len(missing))
        watch.count(POOL_RECORDS, len(programs) - len(missing), pool="verdicts", outcome="reused")
        found = {}
        judged = judges.judge_many([programs[key] for key in missing], stop_at_failure=True)
        for index, verdict in counted(judged, len(missing), watch):
            problem_id, _ = key = missing[index]
            found[key] = as_record(problem_id, programs[key][0], "hidden", verdict)
            bar.advance(1)
        verdicts.add(block, [found[key] for key in missing])
    watch.count(POOL_RECORDS, len(missing), pool="verdicts", outcome="added")
    return len(missing)
