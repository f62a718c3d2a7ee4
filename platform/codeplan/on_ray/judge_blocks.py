"""Hidden tests over a data set: blocks of programs, judged by the actors of `codeplan.on_ray.judge_actors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codeplan.inference.samples import as_record
from codeplan.inference.verdict_pool import ProgramKey, VerdictPool
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan.progress import Bar
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
) -> int:
    """Judge the programs of a block that have no verdict in the pool yet; returns how many.

    Judging a program stops at its first failure: hidden tests decide all or nothing. Where another process holds the
    block, ``on_wait`` is called with who does.
    """
    with verdicts.pool.lock(block, on_wait):
        known = verdicts.known(block)
        bar.skip(sum(key in known for key in programs))
        missing = [key for key in programs if key not in known]
        found = {}
        for index, verdict in judges.judge_many([programs[key] for key in missing], stop_at_failure=True):
            problem_id, _ = key = missing[index]
            found[key] = as_record(problem_id, programs[key][0], "hidden", verdict)
            bar.advance(1)
        verdicts.add(block, [found[key] for key in missing])
    return len(missing)
