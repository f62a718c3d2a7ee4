"""What a reader of the report must know to judge its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from codeplan.config import SamplingConfig
from codeplan.evaluation.conclusions import FEW
from codeplan.evaluation.pools import Pool
from codeplan.evaluation.selection import pool_size


def notes(
    pools: Sequence[Pool], sampling: SamplingConfig, teachers: Sequence[str], left_out: Sequence[int]
) -> tuple[str, ...]:
    """Notes for a report.

    Args:
        pools: the test problems' programs; at least one problem.
        sampling: the settings that they were sampled with.
        teachers: who wrote the plans.
        left_out: the k of pass@k that the pool is too small for.
    """
    size = pool_size(sampling, sampling.plans)
    programs = [each for pool in pools for each in pool.programs]
    bare = sum(not pool.has_examples for pool in pools)
    oracles = sum(bool(pool.oracle) for pool in pools)
    lost = sum(each.hidden is None for each in programs)
    cut = sum(not each.program.finished for each in programs) / len(programs)
    plans = f"{sampling.plans} plan{'s' if sampling.plans > 1 else ''}"
    said = {
        f"The equal-budget control chooses, by the same example tests, from {size:,} programs sampled without a plan: "
        f"as many sequences as {plans}, their trial programs and one final program.": True,
        "Numbers for fewer plans are exact expectations over all subsets of the one pool. Intervals of shares are "
        "Wilson's, over problems; those of differences are a paired bootstrap over problems.": True,
        f"{bare:,} of {len(pools):,} problems have no example test; there every choice is uniform.": True,
        f"{100 * cut:.1f} % of all programs were cut off at the length limit.": True,
        f"The oracle plan is made from a problem's own solution; {oracles:,} of {len(pools):,} problems have one, and "
        "the oracle's rows count only those. It is an upper bound on plan quality, not a method.": oracles,
        "The offline teacher that wrote plans is no LLM: it reads them off a program's syntax tree.": any(
            teacher.startswith("offline") for teacher in teachers
        ),
        f"{lost:,} of {len(programs):,} programs have no verdict on the hidden tests; they count as failed.": lost,
        f"pass@{', '.join(map(str, left_out))} is left out: {size:,} programs were sampled a problem.": left_out,
        f"{len(pools)} problems are few: nothing is concluded from fewer than {FEW}.": len(pools) < FEW,
    }
    return tuple(note for note, holds in said.items() if holds)
