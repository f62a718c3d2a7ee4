"""What is sampled, how programs are judged, and what the report counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codeplan.config.base import AddedLater, Settings
from codeplan_sandbox import Limits
from codeplan_sandbox.suites import PlainComparator

_MEBIBYTE = 1024 * 1024
FinalRule = Literal["fresh", "best_trial", "fresh_if_it_passes"]
"""How an answer follows from the chosen plan, see `ReportConfig.final`."""


class SamplingConfig(Settings):
    """Plan sampling in three phases, and the arms it is compared with."""

    plans: int = Field(default=20, gt=0)
    """Stage 1: plans sampled per problem."""
    trials: int = Field(default=10, gt=0)
    """Stage 2: trial programs per plan, run on the example tests."""
    temperature: float = Field(default=0.6, gt=0.0)
    """Sampling temperature of plans and programs; greedy programs do not use it."""
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    """Nucleus sampling threshold."""
    finals: int = Field(default=0, ge=0)
    """Stage 3: programs sampled from each plan that can be chosen from all plans, beside its greedy one; pass@k of
    CodePLAN counts them."""
    control: Annotated[bool, AddedLater()] = True
    """Also sample as many programs without a plan as plan sampling costs sequences, for the equal-budget control and
    for plan after trial. Without them half of the sequences are saved, and nothing shows what plans add."""
    oracle: bool = True
    """Also sample with a plan that the teacher reasoned back from the test problem's own solution: the upper bound."""
    foreign: bool = True
    """Also sample with the oracle plan of another problem: a student that solves as much with it does not read its
    plan. Takes ``oracle``."""
    teacher_plan: Annotated[bool, AddedLater()] = False
    """Also sample with a plan that the teacher writes from the question alone, at temperature 0: what the student would
    gain from better plans than its own. It asks the teacher once per test problem; the offline teacher cannot do it."""
    seed: int = 0
    """Seed of the sampled tokens."""


class LimitsConfig(Settings):
    """What a program may use; see `codeplan_sandbox.Limits`."""

    time_s: float = Field(default=2.0, gt=0.0)
    """CPU seconds per test."""
    total_s: float = Field(default=60.0, gt=0.0)
    """Wall-clock seconds for all tests of one program."""
    memory_mb: int = Field(default=256, gt=0)
    """MiB of address space."""
    output_mb: int = Field(default=1, gt=0)
    """MiB of standard output per test."""

    def limits(self) -> Limits:
        """The same for the sandbox."""
        return Limits(
            time_s=self.time_s,
            total_s=self.total_s,
            memory_bytes=self.memory_mb * _MEBIBYTE,
            output_bytes=self.output_mb * _MEBIBYTE,
        )


class JudgingConfig(Settings):
    """How programs are judged."""

    comparator: PlainComparator = "tokens"
    """How a program's output is compared in suites that name no comparator; see `codeplan_sandbox.Suite`."""
    example_tests: LimitsConfig = LimitsConfig()
    """Limits of the example tests, which choose plans and programs."""
    hidden_tests: LimitsConfig = LimitsConfig()
    """Limits of the hidden tests, which decide."""
    hidden_without_examples: bool = False
    """Judge without the hidden tests that the question shows as examples. mbpp: its first assert is both; published
    numbers keep it. A problem that is left without hidden tests cannot be judged and counts as not solved."""
    packages: Annotated[tuple[str, ...], AddedLater()] = ()
    """Packages outside the standard library that programs may import, for example ``[numpy]``; every node with
    sandboxes must have them. Without any, a program that imports one fails, whatever is installed."""


class ReportConfig(Settings):
    """What the report counts and draws."""

    plan_counts: tuple[Annotated[int, Field(gt=0)], ...] = ()
    """Plan counts to report, each at most ``sampling.plans``; empty takes 1, 2, 5, 10, 20, ... and ``sampling.plans``
    itself. All are computed from one pool."""
    pass_k: tuple[Annotated[int, Field(gt=0)], ...] = (1, 5)
    """The k of pass@k for directly sampled programs."""
    final: FinalRule = "fresh_if_it_passes"
    """CodePLAN's answer from the chosen plan: a fresh greedy program, the plan's best trial program, or the fresh one
    if it passes all example tests and else the best trial program."""
    resamples: int = Field(default=2000, ge=50)
    """Bootstrap resamples of the paired differences between arms, and random exchanges of their tests."""
    seed: int = Field(default=0, ge=0)
    """Seed of the bootstrap and of the tests."""

    def counts(self, plans: int) -> tuple[int, ...]:
        """The plan counts to report, ascending, ending with ``plans``, the number that was sampled."""
        wanted = self.plan_counts or tuple(m * 10**e for e in range(6) for m in (1, 2, 5))
        return (*sorted(count for count in set(wanted) if 0 < count < plans), plans)
