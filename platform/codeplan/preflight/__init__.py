"""Preflight: the checks before a run, everything that can be verified before money or hours are spent.

Every area checks one thing that a run depends on, and reports its findings line by line. Findings that take time are
cached in the run's home by what they depend on, so that the next run starts at once.

    run, context, findings                the areas in order, what they share, and what they report
    configuration, home, mlflow, sandbox, data, student, cluster, teacher
                                          one area each
    reference, failure_causes             reference solutions on their own tests, and why one fails
"""

from codeplan.preflight.findings import Finding
from codeplan.preflight.run import PreflightError, check

__all__ = ["Finding", "PreflightError", "check"]
