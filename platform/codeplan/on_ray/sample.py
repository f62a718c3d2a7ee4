"""Plan sampling over a data set: parts of the problems, spread over actors by Ray Data."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from codeplan import records
from codeplan.config import ExecutionConfig, SamplingConfig
from codeplan.evaluation.sampling import Samples, sample
from codeplan.on_ray.judges import JudgePool
from codeplan.records import Plan, Problem, Program, Record, Verdict
from codeplan_sandbox import Suite
from codeplan_sandbox import Verdict as SuiteVerdict

PROBLEMS_A_PART = 16
"""Problems in a part: what is lost at most when an actor dies. Which problems share a batch can move a sample by a
rounding error, so this is a constant and no setting."""

TABLES: dict[str, type[Record]] = {"plans": Plan, "programs": Program, "verdicts": Verdict}


class Sampler:
    """One actor: a student on its device, answering for one part after another."""

    def __init__(
        self,
        work: Any,
        model: Path,
        folder: Path,
        pool: JudgePool,
        settings: tuple[SamplingConfig, ExecutionConfig],
    ) -> None:
        from codeplan.student.generation import Generator

        # In the object store: all problems and the oracle's plans, once a machine and not once an actor.
        self._problems, self._oracle = ray.get(work)
        self._folder = folder
        self._pool = pool
        self._sampling, execution = settings
        self._student = Generator(
            model, batch=execution.sample_batch, device="cuda" if execution.gpus_per_worker else "cpu"
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Sample one part, given as ``{"part": [index]}``, and write its tables."""
        (part,) = batch["part"]
        problems = self._problems[part * PROBLEMS_A_PART : (part + 1) * PROBLEMS_A_PART]
        write_part(self._folder, int(part), sample(problems, self._oracle, self._student, self._judge, self._sampling))
        return {"part": [part], "problems": [len(problems)]}

    def _judge(self, tasks: Sequence[tuple[str, Suite]]) -> list[SuiteVerdict]:
        return [verdict for _, verdict in sorted(self._pool.judge_many(tasks), key=lambda pair: pair[0])]


def sample_all(
    problems: Sequence[Problem],
    oracle_plans: Mapping[str, Plan],
    *,
    model: Path,
    pool: JudgePool,
    sampling: SamplingConfig,
    execution: ExecutionConfig,
    folder: Path,
    advance: Callable[[int], None],
) -> None:
    """Sample every part that is not in the folder yet.

    Args:
        problems: all problems, always in the same order.
        oracle_plans: teacher's plans for the problems' own solutions, by problem_id.
        model: the student's folder.
        pool: the sandboxes that run the example tests.
        sampling: what to sample.
        execution: on how many actors.
        folder: where parts are written; those already there are kept.
        advance: told how many problems were finished, as they are.
    """
    missing = [part for part in range(parts(len(problems))) if not (folder / part_name(part)).exists()]
    if not missing:
        return
    work = ray.put((list(problems), dict(oracle_plans)))
    rows = ray.data.from_items([{"part": part} for part in missing], override_num_blocks=len(missing))
    sampled = rows.map_batches(
        Sampler,
        fn_constructor_args=(work, model.resolve(), folder.resolve(), pool, (sampling, execution)),
        batch_size=1,
        num_cpus=0.5,
        num_gpus=execution.gpus_per_worker or None,
        compute=ray.data.ActorPoolStrategy(size=min(execution.sample_actors, len(missing))),
    )
    for row in sampled.iter_rows():
        advance(int(row["problems"]))


def parts(problems: int) -> int:
    """How many parts this many problems make."""
    return -(-problems // PROBLEMS_A_PART)


def part_name(part: int) -> str:
    """The folder of a part."""
    return f"part-{part:05d}"


def part_problems(folder: Path, problems: int) -> int:
    """How many of the problems stand in parts that are already there."""
    there = (part for part in range(parts(problems)) if (folder / part_name(part)).exists())
    return sum(min(PROBLEMS_A_PART, problems - part * PROBLEMS_A_PART) for part in there)


def write_part(folder: Path, part: int, samples: Samples) -> None:
    """Write a part's tables, all or nothing."""
    unfinished = folder / f".{part_name(part)}.{uuid.uuid4().hex}"
    for name, kind in TABLES.items():
        records.write(unfinished / f"{name}.parquet", kind, getattr(samples, name))
    try:
        unfinished.rename(folder / part_name(part))
    except OSError:
        # Ray repeats the work of an actor that died after writing: the part is there, and equal.
        if not (folder / part_name(part)).exists():
            raise
        shutil.rmtree(unfinished)


def read_parts(folder: Path) -> Samples:
    """All parts of a finished stage."""
    whole: dict[str, list[Any]] = {name: [] for name in TABLES}
    for part in sorted(folder.glob("part-*")):
        for name, kind in TABLES.items():
            whole[name] += records.read(kind, part / f"{name}.parquet")
    return Samples(**whole)
