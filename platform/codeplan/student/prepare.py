"""Prepares training: writes the untrained student and the encoded examples that every worker then reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.examples import EncodingCounts, write_examples
from codeplan.student.fitness import FitnessFinding, check_built_student, texts_of
from codeplan.student.model import build_student, save_student


@dataclass(frozen=True)
class Prepared:
    """Where training starts.

    Attributes:
        initial: folder of the untrained student.
        examples: file of its examples.
        encoding: what became of problems and plans.
        warnings: what the student's tokenizer and limits cost.
    """

    initial: Path
    examples: Path
    encoding: EncodingCounts
    warnings: Sequence[FitnessFinding] = ()


def prepare(
    problems: Sequence[Problem], plans: Sequence[Plan], student: StudentConfig, training: TrainingConfig, folder: Path
) -> Prepared:
    """Build the student and encode its examples; the same input gives the same files.

    Args:
        problems: the training problems.
        plans: the teacher's plans for their solutions.
        student: what to build.
        training: the mixture's tasks, and how many problems are held out.
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
