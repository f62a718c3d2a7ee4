"""How much sampling is left to do, counted from keys alone: nothing is generated, and no program is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from codeplan.inference.sample_pool import SamplePool
from codeplan.records import Plan, Problem, Program

_PROGRAM_KEY = ("problem_id", "arm", "phase", "plan_index", "sample_index")


@dataclass(frozen=True)
class WorkLeft:
    """What a block still needs, at most: which plans need a final program is known only after trials.

    Attributes:
        plans: sequences that are plans.
        programs: sequences that are programs.
        there: sequences that are in the pool, and are asked for.
    """

    plans: int
    programs: int
    there: int


def work_left(samples: SamplePool, block: int, problems: Sequence[Problem], oracle: Collection[str]) -> WorkLeft:
    """How many sequences a block that is not finished still needs.

    Args:
        samples: the pool, and what is asked for.
        block: which block.
        problems: the block's problems.
        oracle: problem_ids of the test problems that have an oracle plan, or will have one.
    """
    settings, pool = samples.settings, samples.pool
    names = {problem.problem_id for problem in problems}
    plans = _keys(pool.read_table("plans", block, Plan, ("problem_id", "sample_index")))
    programs = _keys(pool.read_table("programs", block, Program, _PROGRAM_KEY))
    for table in samples.teacher_tables.values():
        programs |= _keys(pool.read_table(table, block, Program, _PROGRAM_KEY))
    wanted_plans = {(name, index) for name in names for index in range(settings.own_plans)}
    wanted = {(name, "direct", "final", -1, 0) for name in names}
    wanted |= {(name, "sampled", "trial", -1, index) for name in names for index in range(settings.controls)}
    wanted |= {
        (name, "codeplan", "trial", plan, trial) for name, plan in wanted_plans for trial in range(settings.trials)
    }
    finals = range(1 + settings.finals)
    wanted |= {(name, "codeplan", "final", plan, final) for name, plan in wanted_plans for final in finals}
    with_plan: dict[str, Collection[str]] = {}
    if settings.oracle:
        with_plan |= {"oracle": oracle, "foreign": oracle if settings.foreign else ()}
    if settings.teacher_plan:
        with_plan["teacher_plan"] = names
    from_teacher = {(name, arm) for arm, there in with_plan.items() for name in names & set(there)}
    answered = {key[:2] for key in programs}
    return WorkLeft(
        plans=len(wanted_plans - plans),
        programs=len(wanted - programs) + len(from_teacher - answered),
        there=len(wanted_plans & plans) + len(wanted & programs) + len(from_teacher & answered),
    )


def _keys(table: object) -> set[tuple[object, ...]]:
    columns = table.to_pydict()  # type: ignore[attr-defined]  # pyarrow is untyped
    return set(zip(*columns.values(), strict=True))
