"""Run untrusted programs against tests, each in a process of its own under limits."""

from codeplan_sandbox.suites import Case, Limits, Suite, SuiteError
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, Verdict

__all__ = ["Case", "CaseResult", "Limits", "Outcome", "SandboxError", "Suite", "SuiteError", "Verdict"]
