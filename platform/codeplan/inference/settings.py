"""What plan sampling depends on, apart from the student, the problems and the oracle's plans."""

from __future__ import annotations

from typing import Any

from codeplan.config import JudgingConfig, LimitsConfig, ReportConfig, SamplingConfig
from codeplan_sandbox.suites import Comparator


class SampleSettings(SamplingConfig):
    """The settings of the sample stage: how much is sampled, and how the example tests choose."""

    fewest_plans: int = 1
    """The smallest plan count of the report: the fewer plans there are to choose from, the more of them can be chosen,
    and each of those needs a final program."""
    comparator: Comparator = "tokens"
    """How the example tests compare outputs."""
    example_tests: LimitsConfig = LimitsConfig()
    """Limits of the example tests."""

    @classmethod
    def of(cls, sampling: SamplingConfig, judging: JudgingConfig, report: ReportConfig) -> SampleSettings:
        """What plan sampling sees of these sections."""
        return cls(
            **sampling.model_dump(),
            fewest_plans=report.counts(sampling.plans)[0],
            comparator=judging.comparator,
            example_tests=judging.example_tests,
        )

    def of_sequences(self) -> dict[str, Any]:
        """What one sequence depends on, but for its prompt and its RNG key: not how many others there are."""
        return {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}

    def of_example_verdicts(self) -> dict[str, Any]:
        """What a verdict of the example tests depends on."""
        return {"comparator": self.comparator, "limits": self.example_tests.identity()}

    def budget(self, plans: int) -> int:
        """How many programs without a plan cost as much as plan sampling with so many plans.

        Every sequence that the student generates counts: the plans, their trial programs and the final program.
        """
        return plans + plans * self.trials + 1
