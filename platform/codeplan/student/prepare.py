"""What training starts from, on disk: the student before it learns, and its examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.examples import Written, write_examples
from codeplan.student.fitness import Finding, check_built_student, texts_of
from codeplan.student.model import build_student, save_student


@dataclass(frozen=True)
class Prepared:
    """Where training starts.

    Attributes:
        initial: folder of the student before it learns.
        examples: file of its examples.
        written: what became of problems and plans.
        warnings: what the student's tokenizer and limits cost.
    """

    initial: Path
    examples: Path
    written: Written
    warnings: Sequence[Finding] = ()


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
        StudentError: the student cannot be built or is unfit, or too few problems have a solution.
    """
    folder.mkdir(parents=True, exist_ok=True)
    built = build_student(student, texts_of(problems, plans))
    fitness = check_built_student(built, problems, plans)
    fitness.require()
    save_student(built, folder / "initial")
    examples = folder / "examples.parquet"
    return Prepared(
        folder / "initial", examples, write_examples(problems, plans, built, training, examples), fitness.warnings
    )
