"""What plan sampling depends on, apart from the student, the problems and the oracle's plans."""

from __future__ import annotations

from typing import Annotated, Any

from codeplan.config import AddedLater, JudgingConfig, LimitsConfig, ReportConfig, SamplingConfig
from codeplan_sandbox.suites import PlainComparator


class SampleSettings(SamplingConfig):
    """The settings of the sample stage: how much is sampled, and how the example tests choose."""

    fewest_plans: int = 1
    """The smallest number of plans that an arm of the report chooses from: the fewer there are, the more of them can be
    chosen, and each of those needs a final program."""
    comparator: PlainComparator = "tokens"
    """How the example tests compare outputs."""
    example_tests: LimitsConfig = LimitsConfig()
    """Limits of the example tests."""
    packages: Annotated[tuple[str, ...], AddedLater()] = ()
    """Packages that programs may import where the example tests run them."""
    without_plans: Annotated[bool, AddedLater()] = False
    """Whether the student writes no plans: only ``direct`` and the equal-budget control are sampled."""

    @classmethod
    def of(cls, sampling: SamplingConfig, judging: JudgingConfig, report: ReportConfig) -> SampleSettings:
        """What plan sampling sees of these sections."""
        counts = report.counts(sampling.plans)
        made = cls(
            **sampling.model_dump() | {"foreign": sampling.oracle and sampling.foreign},
            fewest_plans=counts[0],
            comparator=judging.comparator,
            example_tests=judging.example_tests,
            packages=judging.packages,
        )
        if not sampling.control:
            return made
        later = [plans for plans in (made.after_trial(count)[1] for count in counts) if plans]
        return made.model_copy(update={"fewest_plans": min(counts[0], *later)}) if later else made

    def code_only(self) -> SampleSettings:
        """What is sampled of a student that learned from code alone, with the same budget."""
        unused = {"fewest_plans": 1, "finals": 0, "oracle": False, "foreign": False, "teacher_plan": False}
        return self.model_copy(update={"without_plans": True, **unused})

    @property
    def own_plans(self) -> int:
        """How many plans the student writes per problem."""
        return 0 if self.without_plans else self.plans

    @property
    def controls(self) -> int:
        """How many programs without a plan are sampled per problem for the equal-budget control."""
        return self.budget(self.plans) if self.control else 0

    def of_sequences(self) -> dict[str, Any]:
        """What one sequence depends on, but for its prompt and its RNG key: not how many others there are."""
        return {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}

    def of_example_verdicts(self) -> dict[str, Any]:
        """What a verdict of the example tests depends on."""
        packages = {"packages": list(self.packages)} if self.packages else {}
        return {"comparator": self.comparator, "limits": self.example_tests.identity(), **packages}

    def budget(self, plans: int) -> int:
        """How many programs without a plan cost as much as plan sampling with so many plans.

        Every sequence that the student generates counts: the plans, their trial programs and the final program.
        """
        return plans + plans * self.trials + 1

    def after_trial(self, plans: int) -> tuple[int, int]:
        """How plan after trial divides the budget of so many plans: programs without a plan first, then plans.

        Half of the budget for either, rounded in favour of the programs; all of it where the rest pays for no plan.
        """
        budget = self.budget(plans)
        later = (budget // 2 - 1) // (1 + self.trials)
        return (budget - self.budget(later), later) if later > 0 else (budget, 0)
