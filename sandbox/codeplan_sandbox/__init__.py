"""Run untrusted programs against tests, each in a process of its own under limits."""

from codeplan_sandbox.judging import Judge, judge
from codeplan_sandbox.suites import Case, Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, Verdict

__all__ = [
    "MINIMUM_TIER",
    "TIERS",
    "Case",
    "CaseResult",
    "Judge",
    "Limits",
    "Outcome",
    "SandboxError",
    "Suite",
    "SuiteError",
    "Verdict",
    "judge",
]
