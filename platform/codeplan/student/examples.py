"""From problems and plans to training examples: token ids, made once; whatever is dropped is counted by reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from codeplan.config import Task, TrainingConfig
from codeplan.files import atomic_write
from codeplan.records import Plan, Problem
from codeplan.stage import Account
from codeplan.student.errors import StudentError
from codeplan.student.model import Student
from codeplan.student.tasks import PromptTooLongError, encode_source, encode_target

_ROWS_AT_ONCE = 2000
_SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("problem_id", pa.string()),
        ("held_out", pa.bool_()),
        ("source", pa.list_(pa.int32())),
        ("target", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a prompt and its target, as int32 arrays."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]


@dataclass(frozen=True)
class Examples:
    """The examples of each task, in the order of the problems.

    Attributes:
        training: of the problems that are trained on.
        held_out: of the problems that measure the validation loss, one per problem and task.
    """

    training: dict[Task, list[Example]]
    held_out: dict[Task, list[Example]]


@dataclass(frozen=True)
class EncodingCounts:
    """What became of the problems and plans when they were encoded.

    Attributes:
        accounts: of ``problems``, ``plans`` and ``examples``.
        shortened: examples whose question was shortened, by task.
        truncated: examples whose target was cut at the limit, by task.
    """

    accounts: dict[str, Account]
    shortened: dict[str, int]
    truncated: dict[str, int]


def write_examples(
    problems: Sequence[Problem], plans: Sequence[Plan], student: Student, training: TrainingConfig, path: Path
) -> EncodingCounts:
    """Encode the examples of every task of the mixture, and write them to a Parquet file.

    ``code``: each solution of each problem. ``plan``: each plan. ``plan_code``: each plan and the solution it explains.

    Raises:
        StudentError: fewer problems have examples than are to be held out.
    """
    encoder = _ExampleEncoder(student, _held_out_ids(problems, training))
    usable = _usable_plans(problems, plans, encoder.dropped["plans"])
    encoder.dropped["problems"]["without_solution"] = sum(not problem.solutions for problem in problems)
    with atomic_write(path) as unfinished, pq.ParquetWriter(unfinished, _SCHEMA, compression="zstd") as writer:
        raw = _raw_examples(problems, usable, training)
        while chunk := list(islice(raw, _ROWS_AT_ONCE)):
            rows = [row for example in chunk if (row := encoder.encode(example)) is not None]
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
    rows_in = {"problems": len(problems), "plans": len(plans), "examples": encoder.count}
    return EncodingCounts(
        {kind: _account(rows_in[kind], dropped) for kind, dropped in encoder.dropped.items()},
        dict(encoder.shortened),
        dict(encoder.truncated),
    )


def read_examples(path: Path) -> Examples:
    """Read what `write_examples` wrote; the token ids stay in Arrow's memory and are not copied."""
    table = pq.read_table(path, schema=_SCHEMA).combine_chunks()
    columns = {name: _split(table.column(name)) for name in ("source", "target")}
    examples = Examples({}, {})
    for row, (task, held) in enumerate(
        zip(table.column("task").to_pylist(), table.column("held_out").to_pylist(), strict=True)
    ):
        part = examples.held_out if held else examples.training
        part.setdefault(task, []).append(Example(columns["source"][row], columns["target"][row]))
    return examples


@dataclass(frozen=True, slots=True)
class _RawExample:
    task: Task
    problem: Problem
    plan: str
    target: str


class _ExampleEncoder:
    """Encodes examples and counts what it drops."""

    def __init__(self, student: Student, held_out: set[str]) -> None:
        self._student = student
        self._held_out = held_out
        self._validating: set[tuple[Task, str]] = set()
        self.count = 0
        self.dropped: dict[str, Counter[str]] = {"problems": Counter(), "plans": Counter(), "examples": Counter()}
        self.shortened: Counter[str] = Counter()
        self.truncated: Counter[str] = Counter()

    def encode(self, raw: _RawExample) -> dict[str, Any] | None:
        """The example's row, or None where it is dropped."""
        self.count += 1
        task, problem_id = raw.task, raw.problem.problem_id
        if not raw.target.strip():
            return self._drop("empty_target")
        student = self._student
        try:
            source = encode_source(task, raw.problem, raw.plan, student.tokenizer, student.limits)
        except PromptTooLongError as error:
            return self._drop(error.part)
        held = problem_id in self._held_out
        if held and (task, problem_id) in self._validating:
            return self._drop("held_out_problem_already_used")
        target = encode_target(raw.target, student.tokenizer, student.limits)
        self.shortened[task] += source.cut > 0
        self.truncated[task] += target.cut > 0
        if held:
            self._validating.add((task, problem_id))
        return {
            "task": task,
            "problem_id": problem_id,
            "held_out": held,
            "source": source.ids,
            "target": target.ids,
        }

    def _drop(self, reason: str) -> dict[str, Any] | None:
        self.dropped["examples"][reason] += 1
        return None


def _held_out_ids(problems: Sequence[Problem], training: TrainingConfig) -> set[str]:
    """The problems whose ids hash lowest: a choice that does not change when other problems come or go."""
    ids = [problem.problem_id for problem in problems if problem.solutions]
    if len(ids) <= training.validation_examples:
        raise StudentError(
            f"training.validation_examples = {training.validation_examples} problems are to be held out, but only "
            f"{len(ids)} of {len(problems)} training problems have a solution; lower it, or read more problems"
        )
    ids.sort(key=lambda problem_id: hashlib.sha256(f"{training.seed}/{problem_id}".encode()).digest())
    return set(ids[: training.validation_examples])


def _usable_plans(
    problems: Sequence[Problem], plans: Sequence[Plan], dropped: Counter[str]
) -> dict[str, list[tuple[Plan, str]]]:
    """The plans of each problem, each with the solution that it explains."""
    solutions = {problem.problem_id: problem.solutions for problem in problems}
    usable: dict[str, list[tuple[Plan, str]]] = {}
    for plan in plans:
        if plan.problem_id not in solutions:
            dropped["unknown_problem"] += 1
        elif not 0 <= plan.solution_index < len(solutions[plan.problem_id]):
            dropped["explains_no_solution"] += 1
        elif not plan.text.strip():
            dropped["empty_plan"] += 1
        else:
            solution = solutions[plan.problem_id][plan.solution_index]
            usable.setdefault(plan.problem_id, []).append((plan, solution))
    return usable


def _raw_examples(
    problems: Sequence[Problem], plans: dict[str, list[tuple[Plan, str]]], training: TrainingConfig
) -> Iterator[_RawExample]:
    trained = {task for task, ratio in training.mixing.items() if ratio > 0}
    for problem in problems:
        explained = plans.get(problem.problem_id, [])
        if "code" in trained:
            yield from (_RawExample("code", problem, "", solution) for solution in problem.solutions)
        if "plan" in trained:
            yield from (_RawExample("plan", problem, "", plan.text) for plan, _ in explained)
        if "plan_code" in trained:
            yield from (_RawExample("plan_code", problem, plan.text, solution) for plan, solution in explained)


def _account(rows_in: int, dropped: Counter[str]) -> Account:
    return Account(rows_in, rows_in - dropped.total(), {name: count for name, count in dropped.items() if count})


def _split(column: Any) -> list[NDArray[np.int32]]:
    whole = column.chunk(0) if column.num_chunks else pa.array([], type=column.type)
    values, offsets = whole.values.to_numpy(), whole.offsets.to_numpy()
    return [values[start:end] for start, end in pairwise(offsets)]
