"""What training starts from, on disk: the student before it learns, and its examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.examples import Written, write_examples
from codeplan.student.model import build_student, save_student


@dataclass(frozen=True)
class Prepared:
    """Where training starts.

    Attributes:
        initial: folder of the student before it learns.
        examples: file of its examples.
        written: what became of problems and plans.
    """

    initial: Path
    examples: Path
    written: Written


def prepare(
    problems: Sequence[Problem], plans: Sequence[Plan], student: StudentConfig, training: TrainingConfig, folder: Path
) -> Prepared:
    """Build the student and encode its examples; the same input gives the same files.

    Args:
        problems: the training problems.
        plans: the teacher's plans for their solutions.
        student: what to build.
        training: the tasks that have a share, and how many problems are held out.
        folder: gets ``initial`` and ``examples.parquet``.

    Raises:
        StudentError: the student cannot be built, or too few problems have a solution.
    """
    folder.mkdir(parents=True, exist_ok=True)
    built = build_student(student, _texts(problems, plans))
    save_student(built, folder / "initial")
    examples = folder / "examples.parquet"
    return Prepared(folder / "initial", examples, write_examples(problems, plans, built, training, examples))


def _texts(problems: Sequence[Problem], plans: Sequence[Plan]) -> Iterator[str]:
    for problem in problems:
        yield problem.question
        yield problem.starter_code
        yield from problem.solutions
    yield from (plan.text for plan in plans)
