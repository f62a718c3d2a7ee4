"""From problems and plans to training examples: token ids, made once, with every loss counted by name."""

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
from codeplan.records import Plan, Problem
from codeplan.stages import Account
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
    """One text to learn: a prompt's token ids and its target's, as int32 arrays."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]


@dataclass(frozen=True)
class Examples:
    """The examples of each task, in the order of the problems.

    Attributes:
        training: of the problems that are learnt from.
        held_out: of the problems that measure the validation loss, one a problem and task.
    """

    training: dict[Task, list[Example]]
    held_out: dict[Task, list[Example]]


@dataclass(frozen=True)
class Written:
    """What became of the problems and plans.

    Attributes:
        accounts: of ``problems``, ``plans`` and ``examples``.
        shortened: examples whose question lost its tail, by task.
        truncated: examples whose target lost its tail, by task.
    """

    accounts: dict[str, Account]
    shortened: dict[str, int]
    truncated: dict[str, int]


def write_examples(
    problems: Sequence[Problem], plans: Sequence[Plan], student: Student, training: TrainingConfig, path: Path
) -> Written:
    """Encode the examples of every task that has a share, and write them to a Parquet file.

    ``code``: each solution of each problem. ``plan``: each plan. ``plan_code``: each plan and the solution it explains.

    Raises:
        StudentError: fewer problems have examples than are to be held out.
    """
    ledger = _Ledger(student, _hold_out(problems, training))
    usable = _usable_plans(problems, plans, ledger.losses["plans"])
    ledger.losses["problems"]["without solution"] = sum(not problem.solutions for problem in problems)
    unfinished = path.with_name(f".{path.name}.unfinished")
    with pq.ParquetWriter(unfinished, _SCHEMA, compression="zstd") as writer:
        wanted = _wanted(problems, usable, training)
        while chunk := list(islice(wanted, _ROWS_AT_ONCE)):
            rows = [row for each in chunk if (row := ledger.encode(each)) is not None]
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
    unfinished.replace(path)
    rows_in = {"problems": len(problems), "plans": len(plans), "examples": ledger.count}
    return Written(
        {kind: _account(rows_in[kind], losses) for kind, losses in ledger.losses.items()},
        dict(ledger.shortened),
        dict(ledger.truncated),
    )


def read_examples(path: Path) -> Examples:
    """Read what `write_examples` wrote; the token ids stay in Arrow's memory, without a copy for each example."""
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
class _Wanted:
    task: Task
    problem: Problem
    plan: str
    target: str


class _Ledger:
    """Encodes examples and counts what is lost on the way."""

    def __init__(self, student: Student, held_out: set[str]) -> None:
        self._student = student
        self._held_out = held_out
        self._validating: set[tuple[Task, str]] = set()
        self.count = 0
        self.losses: dict[str, Counter[str]] = {"problems": Counter(), "plans": Counter(), "examples": Counter()}
        self.shortened: Counter[str] = Counter()
        self.truncated: Counter[str] = Counter()

    def encode(self, wanted: _Wanted) -> dict[str, Any] | None:
        """The example's row, or None where it is lost."""
        self.count += 1
        task, problem_id = wanted.task, wanted.problem.problem_id
        if not wanted.target.strip():
            return self._lose("empty target")
        student = self._student
        try:
            source = encode_source(task, wanted.problem, wanted.plan, student.tokenizer, student.limits)
        except PromptTooLongError as error:
            return self._lose(error.part)
        held = problem_id in self._held_out
        if held and (task, problem_id) in self._validating:
            return self._lose("held out beside another of its problem")
        target = encode_target(wanted.target, student.tokenizer, student.limits)
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

    def _lose(self, name: str) -> dict[str, Any] | None:
        self.losses["examples"][name] += 1
        return None


def _hold_out(problems: Sequence[Problem], training: TrainingConfig) -> set[str]:
    """The problems whose ids hash lowest: a choice that does not change when other problems come or go."""
    ids = [problem.problem_id for problem in problems if problem.solutions]
    if len(ids) <= training.validation_examples:
        raise StudentError(
            f"training.validation_examples = {training.validation_examples} problems are to be held out, but only "
            f"{len(ids)} of {len(problems)} training problems have a solution; lower it, or read more problems"
        )
    ids.sort(key=lambda each: hashlib.sha256(f"{training.seed}/{each}".encode()).digest())
    return set(ids[: training.validation_examples])


def _usable_plans(
    problems: Sequence[Problem], plans: Sequence[Plan], losses: Counter[str]
) -> dict[str, list[tuple[Plan, str]]]:
    """The plans of each problem, each with the solution that it explains."""
    solutions = {problem.problem_id: problem.solutions for problem in problems}
    usable: dict[str, list[tuple[Plan, str]]] = {}
    for plan in plans:
        if plan.problem_id not in solutions:
            losses["problem unknown"] += 1
        elif not 0 <= plan.solution_index < len(solutions[plan.problem_id]):
            losses["explains no solution"] += 1
        elif not plan.text.strip():
            losses["empty"] += 1
        else:
            solution = solutions[plan.problem_id][plan.solution_index]
            usable.setdefault(plan.problem_id, []).append((plan, solution))
    return usable


def _wanted(
    problems: Sequence[Problem], plans: dict[str, list[tuple[Plan, str]]], training: TrainingConfig
) -> Iterator[_Wanted]:
    asked = {task for task, ratio in training.mixing.items() if ratio > 0}
    for problem in problems:
        explained = plans.get(problem.problem_id, [])
        if "code" in asked:
            yield from (_Wanted("code", problem, "", solution) for solution in problem.solutions)
        if "plan" in asked:
            yield from (_Wanted("plan", problem, "", plan.text) for plan, _ in explained)
        if "plan_code" in asked:
            yield from (_Wanted("plan_code", problem, plan.text, solution) for plan, solution in explained)


def _account(rows_in: int, losses: Counter[str]) -> Account:
    return Account(rows_in, rows_in - losses.total(), {name: count for name, count in losses.items() if count})


def _split(column: Any) -> list[NDArray[np.int32]]:
    whole = column.chunk(0) if column.num_chunks else pa.array([], type=column.type)
    values, offsets = whole.values.to_numpy(), whole.offsets.to_numpy()
    return [values[start:end] for start, end in pairwise(offsets)]
