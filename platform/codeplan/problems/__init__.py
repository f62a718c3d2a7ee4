"""Problems: readers of known formats, and MiniAPPS, which is generated."""

from codeplan.problems.reading import Reading, identity, read
from codeplan.problems.rows import ProblemError

__all__ = ["ProblemError", "Reading", "identity", "read"]
