"""problems: read the problems of one split, and account for every row."""

from __future__ import annotations

from codeplan import problems, records
from codeplan.config import FileSource, MiniAppsSource, Source
from codeplan.pool import PROBLEMS_PER_BLOCK
from codeplan.problems.miniapps import ceilings
from codeplan.problems.reading import BROKEN, dials_of
from codeplan.problems.settings import ReadSettings
from codeplan.records import Problem
from codeplan.stage import Stage, StageError, StageResult
from codeplan.stages.run import PROBLEMS, TABLE_ROWS, StageRun, columns

VERSION = 2
DIRECT_CEILING = "problems.direct_ceiling"
"""The fraction of the test problems that the best guess from the words of their questions solves in expectation."""
CEILING_WITH_EXAMPLES = "problems.direct_ceiling_with_examples"
"""The same for a guess from the words and the example tests."""


def settings(source: Source) -> ReadSettings:
    """What is read; raises ProblemError where a file is missing."""
    return ReadSettings.of(source)


def run(work: StageRun) -> StageResult:
    """Read the problems of one split."""
    found = problems.read(_settings(work).source)
    records.write(work.folder / PROBLEMS, Problem, found.problems, group=PROBLEMS_PER_BLOCK)
    rows = [columns(problem, "problem_id", "level", "question") for problem in found.problems[:TABLE_ROWS]]
    work.tracking.table(rows, "problems.json")
    metrics: dict[str, float] = {
        "problems": len(found.problems),
        "problems.with_solutions": sum(bool(problem.solutions) for problem in found.problems),
        "problems.with_example_tests": sum(problem.example_tests is not None for problem in found.problems),
        "problems.with_hidden_tests": sum(problem.hidden_tests is not None for problem in found.problems),
    }
    metrics |= (ceiling := _ceilings(_settings(work).source))
    if ceiling:
        work.note(f"questions leave steps open: a direct student solves at most {100 * ceiling[DIRECT_CEILING]:.1f} %")
    return StageResult(accounts={"problems": found.account}, metrics=metrics)


def _ceilings(source: Source) -> dict[str, float]:
    """How many generated test problems a direct student can solve in expectation, where questions leave steps open."""
    if not isinstance(source, MiniAppsSource) or source.split != "test" or not dials_of(source).leaves_open:
        return {}
    found = ceilings.mean(source.split, source.count, source.seed, dials_of(source))
    return {DIRECT_CEILING: found.words, CEILING_WITH_EXAMPLES: found.with_examples}


def require_usable(role: str, stage: Stage, result: StageResult) -> None:
    """Stop before anything is paid where nothing could come of it; asked of each role, also of a reused stage.

    Raises:
        StageError: training problems without any solution, test problems without any hidden tests, or rows that an
            earlier run left out and this one should not.
    """
    assert isinstance(stage.settings, ReadSettings)
    source = stage.settings.source
    broken = result.accounts["problems"].dropped.get(BROKEN, 0)
    if broken and isinstance(source, FileSource) and not source.skip_bad:
        rows = f"{broken:,} broken row{'s' * (broken != 1)}"
        raise StageError(f"problems.{role}: {source.path} has {rows}; fix the file, or drop such rows with --skip-bad")
    count = int(result.metrics["problems"])
    if role == "train" and not result.metrics["problems.with_solutions"]:
        raise StageError(f"none of the {count} training problems has a solution: there is nothing to learn from")
    if role == "test" and not result.metrics["problems.with_hidden_tests"]:
        raise StageError(f"none of the {count} test problems has hidden tests: nothing could be judged")


def _settings(work: StageRun) -> ReadSettings:
    assert isinstance(work.stage.settings, ReadSettings)
    return work.stage.settings
