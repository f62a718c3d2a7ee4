"""Hidden tests over a data set: programs judged by the pool, kept in parts so that nothing is judged twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from codeplan import records
from codeplan.evaluation.sampling import stored
from codeplan.on_ray.judges import JudgePool
from codeplan.progress import Bar
from codeplan.records import Verdict
from codeplan_sandbox import Suite

PROGRAMS_A_PART = 512
"""Programs in a part: what is judged again at most after a kill."""

Tasks = Mapping[tuple[str, str], tuple[str, Suite]]
"""By (problem_id, program_key): a program's text and the tests that decide."""


def judge_all(tasks: Tasks, pool: JudgePool, folder: Path, bar: Bar) -> list[Verdict]:
    """Judge every program that has no verdict in the folder yet; returns all verdicts, in the tasks' order.

    Judging a program stops at its first failure: hidden tests decide all or nothing.
    """
    found = {(each.problem_id, each.program_key): each for each in _kept(folder)}
    bar.skip(len(found))
    missing = [key for key in tasks if key not in found]
    part: list[Verdict] = []
    numbers = iter(range(len(list(folder.glob("part-*.parquet"))), len(tasks) + 1))
    for index, verdict in pool.judge_many([tasks[key] for key in missing], stop_at_failure=True):
        problem_id, _ = key = missing[index]
        found[key] = stored(problem_id, tasks[key][0], "hidden", verdict)
        part.append(found[key])
        bar.advance(1)
        if len(part) == PROGRAMS_A_PART:
            records.write(folder / f"part-{next(numbers):05d}.parquet", Verdict, part)
            part = []
    if part:
        records.write(folder / f"part-{next(numbers):05d}.parquet", Verdict, part)
    return [found[key] for key in tasks]


def _kept(folder: Path) -> list[Verdict]:
    return [verdict for path in sorted(folder.glob("part-*.parquet")) for verdict in records.read(Verdict, path)]
