"""Plan after trial: programs without a plan first, and plans only for the problems on which all of these fail.

The policy of "Planning-after-Trial" (arXiv 2605.07248), for a student that samples. With a budget of B sequences, d
programs are sampled from the question. If one passes all example tests, one of those that do is the answer, and nothing
else is generated. Otherwise m plans are tried as in plan sampling, where m is as many as the rest of the budget pays
for. No problem costs more than B; what it costs on average is reported beside what it solves.

All of it is an exact expectation over the pool that the other arms sampled: which d of its N programs are drawn, and
which m of its plans, are independent uniformly random subsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from codeplan.config.inference import FinalRule
from codeplan.evaluation.answers import of_best_plan, solved
from codeplan.evaluation.estimators import expected_best
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.inference.settings import SampleSettings


@dataclass(frozen=True, slots=True)
class AfterTrial:
    """What the policy does on one problem.

    Attributes:
        solved: the probability that its answer solves the problem.
        sequences: the expected number of sequences that are generated.
    """

    solved: float
    sequences: float


def plan_after_trial(judged: JudgedProblem, sampling: SampleSettings, count: int, rule: FinalRule) -> AfterTrial:
    """The policy at the budget of plan sampling with ``count`` plans.

    Args:
        judged: the problem's programs.
        sampling: the settings that they were sampled with.
        count: the plan count whose budget it gets.
        rule: how a plan's answer is chosen.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    first, plans = sampling.after_trial(count)
    pool = judged.sampled
    if not judged.has_examples:  # Nothing can fail, so the first program is the answer.
        return AfterTrial(math.fsum(program.solved for program in pool) / len(pool), 1.0)
    passing = [program for program in pool if program.score[0]]
    failing = [program for program in pool if not program.score[0]]
    # None of the d programs is a passing one: the hypergeometric distribution at zero.
    all_fail = math.comb(len(failing), first) / math.comb(len(pool), first)
    # Given that some pass, the answer is equally likely each of the passing ones, by symmetry.
    correct = math.fsum(program.solved for program in passing) / len(passing) if passing else 0.0
    rest = cost = 0.0
    if plans:
        rest, cost = solved(of_best_plan(judged, plans, rule)), sampling.budget(plans)
    elif all_fail:  # The budget pays for no plan: the best-scored of the programs that fail.
        rest = expected_best([program.score for program in failing], [program.solved for program in failing], first)
    return AfterTrial((1.0 - all_fail) * correct + all_fail * rest, first + all_fail * cost)
