"""Print the rates that bound a run of the paper's size, measured here, and what they give on 1, 8 and 64 nodes.

    python tests/benchmarks/capacity.py [--cpus-per-node 16] [--data FOLDER] [--rates JSON]

The size is that of full APPS: 5,000 test problems with 443 programs of 21 tests each, and 115,000 plans of the teacher.
Measured are one sandbox (human solutions, at most 21 tests each), the process that hands out programs and keeps
verdicts (actors that answer at once), one actor of the teacher's client (a server on loopback that answers at once),
and bytes in files and in memory. All of them share this machine's cores, so a driver that has a machine to itself is
faster. With --rates nothing is measured: the tables of rates from another machine.
`docs/scale.md` explains the model. A GPU's rate is not measured.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import ray
from rich.console import Console

from codeplan.config import ExecutionConfig, FileSource, TeacherConfig
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.on_ray.cluster import cluster
from codeplan.on_ray.distill import distill
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan.on_ray.judge_blocks import judge_block
from codeplan.pool import PROBLEMS_PER_BLOCK, Pool
from codeplan.problems import read
from codeplan.progress import Bar
from codeplan.records import Problem, Program
from codeplan_sandbox import CaseResult, Judge, Limits, Outcome, Suite, SuiteVerdict

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
PROBLEMS, PROGRAMS, TESTS, PLANS = 5_000, 443, 21, 115_000
"""Full APPS as in the paper: test problems, programs a problem, hidden tests a program, plans of the teacher."""
NODES = (1, 8, 64)
ANSWERS = 2_000


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Attributes:
        tests_per_s: tests of one sandbox, which keeps one core busy.
        driver_programs_per_s: programs that the judge stage's process hands out and keeps the verdicts of.
        answers_per_s: plans by one actor of the teacher's client.
        verdict_bytes: of a kept verdict.
        answer_bytes: of a kept answer.
        program_bytes: of a kept program.
        problem_bytes: of a problem with all its tests and without solutions, as it lies in Ray's object store.
        sandbox_mb: memory of a judging actor and its sandbox, in MiB.
        solution_characters: of a human solution of the problems, of which four or so are a token.
    """

    tests_per_s: float
    driver_programs_per_s: float
    answers_per_s: float
    verdict_bytes: float
    answer_bytes: float
    program_bytes: float
    problem_bytes: float
    sandbox_mb: float
    solution_characters: float


class ReadyActor:
    """A judging actor that answers at once: what remains is the way there and back."""

    def __init__(self) -> None:
        self._random = random.Random(0)

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[SuiteVerdict]:
        """All tests passed."""
        del stop_at_failure
        return [
            SuiteVerdict(Outcome.PASSED, TESTS, tuple(self._case() for _ in range(TESTS)), tier="none")
            for _ in programs
        ]

    def _case(self) -> CaseResult:
        # As varied as real ones, so that what is kept of them is not compressed away.
        return CaseResult(Outcome.PASSED, self._random.expovariate(50), self._random.randrange(9 << 20, 12 << 20))


def with_tests(path: Path) -> list[Problem]:
    """The problems of a file that have hidden tests, with at most `TESTS` of them."""
    found = []
    for problem in read(FileSource(reader="apps", path=str(path), split="train")).problems:
        suite = problem.hidden_tests
        if suite is not None and suite.cases:
            suite = replace(suite, cases=suite.cases[:TESTS], comparator="apps")
            found.append(problem.model_copy(update={"hidden_tests": suite}))
    return found


def sandbox(problems: Sequence[Problem]) -> float:
    """Tests per second of one sandbox, over each problem's solutions, at most four."""
    work = [(code, problem.hidden_tests) for problem in problems for code in problem.solutions[:4]]
    with Judge(Limits()) as judge:
        started = time.perf_counter()
        tests = sum(len(judge.judge(code, suite).cases) for code, suite in work if suite is not None)
        return tests / (time.perf_counter() - started)


def driver(problems: Sequence[Problem], folder: Path) -> tuple[float, float]:
    """Programs per second through the judge stage's process, and bytes per verdict: one block of the paper's size."""
    programs = {
        (problem.problem_id, f"{number}"): (f"# {number}\n{problem.solutions[0]}", problem.hidden_tests)
        for problem in problems[:PROBLEMS_PER_BLOCK]
        for number in range(PROGRAMS)
        if problem.hidden_tests is not None
    }
    judges = JudgeActors(tuple(ray.remote(ReadyActor).options(num_cpus=0.5).remote() for _ in range(2)), up={0, 1})
    verdicts = VerdictPool(Pool(folder))
    with Bar(Console(quiet=True), "judging", len(programs), "programs").shown() as bar:
        judge_block(0, dict(list(programs.items())[:256]), judges, verdicts, bar)  # now the actors are up
        started = time.perf_counter()
        new = judge_block(1, programs, judges, verdicts, bar)
        rate = new / (time.perf_counter() - started)
    judges.stop()
    return rate, sum(part.stat().st_size for part in verdicts.parts(1)) / new


def teacher(problems: Sequence[Problem], folder: Path) -> tuple[float, float]:
    """Answers per second of one actor of the client, and bytes per kept answer."""
    script = [sys.executable, str(ROOT / "tests" / "fake_teacher.py")]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        config = TeacherConfig(model="m", base_url=f"{server.stdout.readline().strip()}/v1", api_key_env="CAPACITY_KEY")
        os.environ["CAPACITY_KEY"] = "none"
        copies = ANSWERS // len(problems) + 1
        many = [
            problem.model_copy(update={"solutions": [f"# {copy}\n{problem.solutions[0]}"]})
            for copy in range(copies)
            for problem in problems
        ]
        answered: list[float] = []
        distill(many, config, ExecutionConfig(), folder, lambda _: answered.append(time.perf_counter()))
        server.communicate()  # it ends with its standard input
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    late = answered[len(answered) // 10 :]  # the first ones wait for the actor
    return (len(late) - 1) / (late[-1] - late[0]) * len(many) / len(answered), size / len(many)


def programs(path: Path, folder: Path) -> float:
    """Bytes per kept program, of real programs in blocks as the sample stage keeps them."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["code"] for line in file]
    pool = Pool(folder)
    step = PROGRAMS * PROBLEMS_PER_BLOCK
    for block, start in enumerate(range(0, len(texts), step)):
        part = texts[start : start + step]
        records = [
            Program(
                problem_id=f"apps/test/{number // PROGRAMS}",
                arm="sampled",
                phase="trial",
                sample_index=number % PROGRAMS,
                code=text,
                tokens=len(text) // 4,
                finished=True,
            )
            for number, text in enumerate(part)
        ]
        pool.add("programs", block, Program, records)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / len(texts)


def memory(problems: Sequence[Problem]) -> float:
    """MiB that a judging actor and its sandbox take after some programs, shared pages by their share."""
    judges = JudgeActors.start(ExecutionConfig(judge_actors=1), Limits())
    work = [(problem.solutions[0], problem.hidden_tests) for problem in problems[:64] if problem.hidden_tests]
    list(judges.judge_many(work, stop_at_failure=True))
    (actor,) = judges.actors
    process = psutil.Process(ray.get(actor.pid.remote()))
    taken = sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True)))
    judges.stop()
    return float(taken) / (1 << 20)


def hours(seconds: float) -> str:
    """In the unit that a person would use."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def table(rates: Rates, cpus: int) -> str:
    """How long judging takes at three sizes, and what bounds it, as Markdown."""
    count = PROBLEMS * PROGRAMS
    sandboxes = count * TESTS / rates.tests_per_s
    handing_out = count / rates.driver_programs_per_s
    lines = [
        f"| nodes of {cpus} CPUs | sandboxes | the stage's process | judging takes | bound by |",
        "|---|---|---|---|---|",
    ]
    for nodes in NODES:
        judging = sandboxes / (cpus * nodes)
        bound = "sandboxes" if judging > handing_out else "the stage's process"
        cells = (hours(judging), hours(handing_out), hours(max(judging, handing_out)), bound)
        lines.append(f"| {nodes} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def teacher_table(rates: Rates) -> str:
    """How long the plans take, by what the provider allows, as Markdown."""
    lines = ["| requests a minute | 115,000 plans take | actors of the client |", "|---|---|---|"]
    for limit in (500, 5_000, 30_000):
        actors = math.ceil(limit / 60 / rates.answers_per_s)
        lines.append(f"| {limit:,} | {hours(PLANS / limit * 60)} | {actors} |")
    return "\n".join(lines)


def memory_table(rates: Rates, cpus: int) -> str:
    """Memory and disk, as Markdown."""
    count = PROBLEMS * PROGRAMS
    rows = (
        (f"{cpus} sandboxes", "every node", f"{cpus * rates.sandbox_mb / 1024:.1f} GiB"),
        (
            f"the programs in {cpus} sandboxes",
            "every node",
            f"at most {cpus * Limits().memory_bytes / (1 << 30):.1f} GiB",
        ),
        ("the problems with their tests", "every object store", f"{PROBLEMS * rates.problem_bytes / 1e6:.0f} MB"),
        ("programs", "the home", f"{count * rates.program_bytes / 1e6:.0f} MB"),
        ("verdicts", "the home", f"{count * rates.verdict_bytes / 1e6:.0f} MB"),
        ("the teacher's answers", "the home", f"{PLANS * rates.answer_bytes / 1e9:.1f} GB"),
    )
    lines = ["| what | where | takes |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def sampling_table(rates: Rates) -> str:
    """How long sampling takes by what a GPU samples, as Markdown; programs have the length of human solutions."""
    tokens = PROBLEMS * PROGRAMS * rates.solution_characters / 4
    lines = [f"| tokens/s of a GPU | 1 GPU | {NODES[1]} GPUs | {NODES[2]} GPUs |", "|---|---|---|---|"]
    for rate in (5_000, 20_000, 80_000):
        lines += [f"| {rate:,} | " + " | ".join(hours(tokens / rate / gpus) for gpus in NODES) + " |"]
    return "\n".join(lines)


def measured(data: Path) -> Rates:
    """Measure all of them on this machine."""
    problems = [problem for problem in with_tests(data / "apps_train150.jsonl.gz") if problem.solutions]
    whole = read(FileSource(reader="apps", path=str(data / "apps_train150.jsonl.gz"), split="train")).problems
    tested = [problem.model_copy(update={"solutions": []}) for problem in whole]
    per_test = sandbox(problems)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with cluster(ExecutionConfig(home=folder)):
            judged, verdict_bytes = driver(problems, place / "verdicts")
            answered, answer_bytes = teacher(problems, place / "answers")
            sandbox_mb = memory(problems)
        program_bytes = programs(data / "programs6928.jsonl.gz", place / "programs")
    solutions = [len(code) for problem in problems for code in problem.solutions]
    return Rates(
        per_test,
        judged,
        answered,
        verdict_bytes,
        answer_bytes,
        program_bytes,
        len(pickle.dumps(tested, protocol=5)) / len(tested),
        sandbox_mb,
        sum(solutions) / len(solutions),
    )


def main() -> None:
    """Measure, and print the rates as JSON and the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpus-per-node", type=int, default=16)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rates", help="what the script printed on another machine")
    asked = parser.parse_args()
    rates = Rates(**json.loads(asked.rates)) if asked.rates else measured(asked.data)
    rounded = {name: round(value, 1) for name, value in asdict(rates).items()}
    print(json.dumps(rounded))
    for part in tables(Rates(**rounded), asked.cpus_per_node):
        print(f"\n{part}")


def tables(rates: Rates, cpus: int = 16) -> list[str]:
    """All tables of docs/scale.md."""
    return [table(rates, cpus), teacher_table(rates), memory_table(rates, cpus), sampling_table(rates)]


if __name__ == "__main__":
    main()
