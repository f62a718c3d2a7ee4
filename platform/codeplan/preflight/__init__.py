"""Checks before money or hours are spent: what can be known of a run without running it.

Each area looks at one thing that a run depends on and says what it found, line by line. What takes time is kept in the
run's home by what it depends on, so that the next run starts at once.
"""

from codeplan.preflight.findings import Finding
from codeplan.preflight.run import PreflightError, check

__all__ = ["Finding", "PreflightError", "check"]
