"""From finished samples to the report at the size of the paper: time and memory of the driver.

    python tests/benchmarks/paper_scale.py [--problems 5000] [--plans 20] [--trials 10] [--home FOLDER]

Records of that shape are made in parts, with verdicts for every program, as if a run had sampled and judged them: 443
programs for each problem with 20 plans and 10 trials. Then the pipeline's own stages judge (there is nothing left to
run) and report. Prints seconds, and MiB of the driver's resident memory at its peak, by stage.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from codeplan import records
from codeplan.config import Config
from codeplan.config.loading import parse
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.pipeline import Pipeline, build
from codeplan.pipeline import run as run_pipeline
from codeplan.pool import PROBLEMS_PER_BLOCK, BlockMarkers
from codeplan.records import Plan, Problem, Program, Verdict, arrow_schema, program_key
from codeplan.stage import Account, StageResult
from codeplan.stages.run import PLANS, PROBLEMS
from codeplan.tracking import Tracker
from codeplan_sandbox import Case, Suite

LEVELS = ("introductory", "interview", "competition")
DISTINCT = 0.8
"""Fraction of programs that no other program for the problem equals."""


def problem(number: int) -> Problem:
    """A problem of about the size of one of APPS: 1,500 characters of question and 20 hidden tests."""
    rng = random.Random(number)
    cases = [Case(f"{rng.random()} " * 10, f"{rng.random()}") for _ in range(22)]
    return Problem(
        problem_id=f"synthetic/test/{number}",
        dataset="synthetic",
        split="test",
        level=LEVELS[number % 3],
        question=f"Question {number}: " + "what to do with the numbers " * 50,
        solutions=("print(input())",),
        example_tests=Suite("stdin", cases=tuple(cases[:2])),
        hidden_tests=Suite("stdin", cases=tuple(cases[2:])),
    )


def code(rng: random.Random, number: int) -> str:
    """A program of some 450 characters, the size of those for APPS."""
    name = number if rng.random() < DISTINCT else 0
    return f"# program {name}\n" + "".join(f"x{at} = int(input()) + {name + at}\n" for at in range(18))


def columns_of(kind: type[records.Record], rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table; fields that they leave out have their defaults."""
    defaults = {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
    return pa.Table.from_pylist([{**defaults, **row} for row in rows], schema=arrow_schema(kind))


def program_rows(rng: random.Random, name: str, plans: int, trials: int) -> Iterator[dict[str, Any]]:
    """The programs of one problem: every arm of a run with the default settings."""
    places = [("direct", "final", -1, 0)]
    places += [("sampled", "trial", -1, index) for index in range(plans + plans * trials + 1)]
    places += [("codeplan", "trial", plan, trial) for plan in range(plans) for trial in range(trials)]
    places += [("codeplan", "final", plan, 0) for plan in range(plans)]
    places += [("oracle", "final", 0, 0), ("foreign", "final", 0, 0)]
    for number, (arm, phase, plan, index) in enumerate(places):
        yield {
            "problem_id": name,
            "arm": arm,
            "phase": phase,
            "plan_index": plan,
            "sample_index": index,
            "code": code(rng, number),
            "tokens": 150,
            "finished": rng.random() < 0.95,
        }


def verdict_rows(rng: random.Random, name: str, keys: set[str], suite: str, total: int) -> Iterator[dict[str, Any]]:
    """A verdict for each program text."""
    for key in sorted(keys):
        passed = total if rng.random() < 0.2 else rng.randrange(total)
        yield {
            "problem_id": name,
            "program_key": key,
            "suite": suite,
            "outcome": "passed" if passed == total else "wrong_answer",
            "passed_tests": passed,
            "total_tests": total,
            "time_s": 0.1,
            "memory_bytes": 1 << 24,
            "message": "" if passed == total else "test 3: expected 17, written 18",
            "tier": "namespaces",
        }


def make_block(block: int, given: list[Problem], samples: SamplePool, verdicts: VerdictPool, trials: int) -> int:
    """Write the samples and verdicts of a block of problems; returns the number of programs."""
    rng = random.Random(f"block {block}")
    plans = samples.settings.plans
    rows: dict[str, list[dict[str, Any]]] = {"plans": [], "programs": [], "oracle": [], "example": [], "hidden": []}
    for one in given:
        name = one.problem_id
        texts = [f"1. read the numbers\n2. do step {rng.randrange(9)}\n3. print" for _ in range(plans)]
        rows["plans"] += [
            {"problem_id": name, "author": "student", "sample_index": at, "text": text} for at, text in enumerate(texts)
        ]
        programs = list(program_rows(rng, name, plans, trials))
        rows["programs"] += [row for row in programs if row["arm"] not in {"oracle", "foreign"}]
        rows["oracle"] += [row for row in programs if row["arm"] in {"oracle", "foreign"}]
        chosen_by = [row for row in programs if row["phase"] == "trial" or row["arm"] == "codeplan"]
        rows["example"] += verdict_rows(rng, name, {program_key(row["code"]) for row in chosen_by}, "example", 2)
        rows["hidden"] += verdict_rows(rng, name, {program_key(row["code"]) for row in programs}, "hidden", 20)
    tables: dict[str, tuple[str, type[records.Record]]] = {
        "plans": ("plans", Plan),
        "programs": ("programs", Program),
        "oracle": (samples.teacher_tables["oracle"], Program),
        "example": (samples.verdict_table, Verdict),
    }
    for source, (table, kind) in tables.items():
        write(samples.folder / table, block, kind, rows[source])
    write(verdicts.folder / "verdicts", block, Verdict, rows["hidden"])
    return len(rows["programs"]) + len(rows["oracle"])


def write(folder: Path, block: int, kind: type[records.Record], rows: list[dict[str, Any]]) -> None:
    """Write the first part of a block of a table."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns_of(kind, rows), folder / f"{block:05d}.000.parquet", compression="zstd")


def make(home: Path, problems: int, plans: int, trials: int) -> Config:
    """A home in which everything before the verdicts is finished."""
    for name, count in (("train", 2), ("test", problems)):
        with (home / f"{name}.jsonl").open("w") as file:
            for number in range(count):
                row = problem(number).model_dump(exclude={"dataset", "split"})
                row |= {suite: json.loads(row[suite]) for suite in ("example_tests", "hidden_tests")}
                file.write(json.dumps(row) + "\n")
    config = parse(
        {
            "name": "paper scale",
            "problems": {name: {"reader": "jsonl", "path": str(home / f"{name}.jsonl")} for name in ("train", "test")},
            "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
            "sampling": {"plans": plans, "trials": trials},
            "execution": {"home": str(home / "runs")},
            "tracking": {"uri": f"sqlite:///{home / 'mlflow.db'}"},
        }
    )
    pipeline = build(config)
    finish_before_samples(pipeline, problems)
    samples, verdicts = SamplePool.of(pipeline["samples"]), VerdictPool.of(pipeline["verdicts"])
    markers = BlockMarkers.of(pipeline["samples"])
    pipeline["samples"].folder.mkdir(parents=True)
    blocks = range(0, problems, PROBLEMS_PER_BLOCK)
    programs = 0
    for block, start in enumerate(blocks):
        given = [problem(number) for number in range(start, min(problems, start + PROBLEMS_PER_BLOCK))]
        made = make_block(block, given, samples, verdicts, trials)
        programs += made
        counted = {
            "problems": len(given),
            "problems.answered": len(given),
            "plans": len(given) * plans,
            "programs": made,
            "programs.distinct": made,
        }
        markers.put(block, counted, samples.parts(block))
    parts = markers.parts(len(blocks))
    pipeline["samples"].finish(StageResult({"problems": Account(problems, problems)}, {}, parts))
    print(f"{problems:,} problems, {programs:,} programs", file=sys.stderr)
    return config


def finish_before_samples(pipeline: Pipeline, problems: int) -> None:
    """Finish the stages that the samples are made from."""
    for role, count in (("train", 2), ("test", problems)):
        folder = pipeline[role].folder
        records.write(folder / PROBLEMS, Problem, (problem(number) for number in range(count)))
        metrics = {"problems": count, "problems.with_solutions": count, "problems.with_hidden_tests": count}
        pipeline[role].finish(StageResult({"problems": Account(count, count)}, metrics))
    for role, count in (("plans", 2), ("oracle", problems)):
        written = [
            Plan(problem_id=f"synthetic/test/{number}", author="teacher", solution_index=0, text=f"1. step {number}")
            for number in range(count)
        ]
        records.write(pipeline[role].folder / PLANS, Plan, written)
        pipeline[role].finish(StageResult({"requests": Account(count, count)}, {"plans": count}))
    (pipeline["student"].folder / "student").mkdir(parents=True)
    pipeline["student"].finish(StageResult({}))


def peak_mib() -> float:
    """MiB of this process's resident memory, at its peak so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Make the records, and run what comes after them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--plans", type=int, default=20)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--home", type=Path, default=None, help="keep the records there, and use them again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        kept = home / "config.json"
        if not kept.exists():
            config = make(home, arguments.problems, arguments.plans, arguments.trials)
            kept.write_text(config.model_dump_json())
        run(Config.model_validate_json(kept.read_text()))


def run(config: Config) -> None:
    """Judge and report, and print what it took."""
    before = peak_mib()
    for goal in ("judge", "report"):
        start = time.monotonic()
        tracker = Tracker(config.tracking, Path(config.execution.home))
        run_pipeline(config, goal, tracker, Console(file=sys.stderr))
        print(
            f"{goal}: {time.monotonic() - start:.1f} s, driver at its peak {peak_mib():.0f} MiB (before: {before:.0f})"
        )


if __name__ == "__main__":
    main()
