"""The names of roles that a pipeline has once per student: those of the first student are plain.

``student``, ``samples`` and ``verdicts`` are of the student that learns from plans; ``student-10`` is the segment of
its training that ends at step 10, ``student-code-steps`` a student that learns from code alone, and ``student-seed1``
and ``student-code-steps-seed1`` are the same students with seeds that are raised by one.
"""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"student-\d+")
_OTHER = re.compile(r"-code-|-seed\d")


def role(base: str, code_only: str = "", repeat: int = 0) -> str:
    """The role of a student's stage.

    Args:
        base: that of the first student, for example ``samples``.
        code_only: which of `CodeOnly` the student is; empty for one that learns from plans.
        repeat: which of the configuration's ``repeats`` it is.
    """
    return base + (f"-code-{code_only}" if code_only else "") + (f"-seed{repeat}" if repeat else "")


def is_first(name: str) -> bool:
    """Whether a role belongs to the first student that learns from plans, or to no student.

    A sweep compares what these stages report.
    """
    return not _OTHER.search(name)


def is_student(name: str) -> bool:
    """Whether a role's training makes a student, and not a segment that another one continues."""
    return name.partition("-")[0] == "student" and not _SEGMENT.match(name)
