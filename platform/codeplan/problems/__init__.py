"""Problems: readers of known formats, and MiniAPPS, which is generated."""

from codeplan.problems.comparison import with_comparator
from codeplan.problems.reading import ReadProblems, read
from codeplan.problems.rows import ProblemError
from codeplan.problems.settings import ReadSettings
from codeplan.problems.shown_tests import shown_among_hidden, without_shown_tests

__all__ = [
    "ProblemError",
    "ReadProblems",
    "ReadSettings",
    "read",
    "shown_among_hidden",
    "with_comparator",
    "without_shown_tests",
]
