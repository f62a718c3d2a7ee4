"""Write the problem page of a synthetic run, open it in Chromium, and print sizes and times.

    python tests/benchmarks/problem_page.py [--problems 5000] [--plans 20] [--trials 10] [--code 500] [--folder FOLDER]

The defaults are the paper's size: 5,000 problems with 20 plans, 200 trial programs, 221 programs without a plan and the
final ones. Programs are random Python of about ``--code`` characters, of which half repeat among a problem's samples.
Times in the browser are from the start of the navigation: until the index can be used, until the whole page is read,
and of a search in all texts.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import tab

from codeplan.config import JudgingConfig, ReportConfig, SamplingConfig
from codeplan.evaluation.problem_details import PageProblem
from codeplan.evaluation.problem_page import ROOM, PageBlock, page_problems, write
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples
from codeplan.inference.samples import Samples, finals_per_plan
from codeplan.inference.settings import SampleSettings
from codeplan.pool import PROBLEMS_PER_BLOCK
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

WORDS = ["read", "numbers", "line", "add", "multiply", "sort", "list", "largest", "count", "print", "result", "if"]
EXAMPLES = Suite(kind="stdin", cases=(Case("1", "1"), Case("2", "2")))
LEVELS = ("introductory", "interview", "competition")


def prose(rng: random.Random, characters: int) -> str:
    """Text of about that length."""
    return " ".join(rng.choice(WORDS) for _ in range(characters // 5))


def code(rng: random.Random, characters: int) -> str:
    """Python of about that length."""
    lines = []
    while sum(map(len, lines)) < characters:
        a, b, c = (rng.choice("abcdefgh") + rng.choice(WORDS) for _ in range(3))
        lines.append(f"    {a} = {b}({c}[{rng.randrange(99)}]) + {rng.randrange(99)}\n")
    return "def main():\n" + "".join(lines) + "main()\n"


def samples(rng: random.Random, problem: Problem, sampling: SampleSettings, characters: int) -> Samples:
    """What one problem's student is sampled, with verdicts."""
    texts = [code(rng, characters) for _ in range(sampling.budget(sampling.plans))]
    found, verdicts = Samples(), {}

    def add(arm: Arm, phase: Phase, plan: int = -1, sample: int = 0) -> None:
        program = Program(
            problem_id=problem.problem_id,
            arm=arm,
            phase=phase,
            plan_index=plan,
            sample_index=sample,
            code=rng.choice(texts),
            tokens=9,
            finished=True,
        )
        found.programs.append(program)
        for suite, total in (("example", 2), ("hidden", 20)):
            passed = total if rng.random() < 0.2 else rng.randrange(total)
            verdicts.setdefault(
                (program.key, suite),
                Verdict(
                    problem_id=problem.problem_id,
                    program_key=program.key,
                    suite=suite,  # type: ignore[arg-type]  # one of the two
                    outcome=Outcome.PASSED if passed == total else rng.choice([*Outcome][1:6]),
                    passed_tests=passed,
                    total_tests=total,
                    time_s=0.1,
                    memory_bytes=1,
                    message="" if passed == total else f"test {passed}: expected {rng.random()}",
                ),
            )

    add("direct", "final")
    for sample in range(sampling.controls):
        add("sampled", "trial", sample=sample)
    for plan in range(sampling.plans):
        text = prose(rng, 400)
        found.plans.append(Plan(problem_id=problem.problem_id, author="student", sample_index=plan, text=text))
        for trial in range(sampling.trials):
            add("codeplan", "trial", plan, trial)
    finals = finals_per_plan(found.plans, found.programs, verdicts.values(), sampling)
    for plan in finals[problem.problem_id]:
        add("codeplan", "final", plan)
    add("oracle", "final", 0)
    return Samples(found.plans, found.programs, list(verdicts.values()))


def blocks(count: int, sampling: SampleSettings, characters: int) -> Iterator[Iterator[PageProblem]]:
    """The problems, made block by block."""
    for start in range(0, count, PROBLEMS_PER_BLOCK):
        rng = random.Random(start)
        problems, found, oracle = [], Samples(), []
        for number in range(start, min(count, start + PROBLEMS_PER_BLOCK)):
            name = f"synthetic/test/{number:05}"
            question = prose(rng, 1500)
            level = LEVELS[number % 3]
            problem = Problem(
                problem_id=name,
                dataset="synthetic",
                split="test",
                level=level,
                question=question,
                example_tests=EXAMPLES,
            )
            problems.append(problem)
            oracle.append(Plan(problem_id=name, author="teacher", solution_index=0, text=prose(rng, 600)))
            found.extend(samples(rng, problem, sampling, characters))
        students = JudgedStudents.of(problems, oracle, [], StudentSamples(found), sampling)
        yield page_problems(students, oracle, sampling, "fresh_if_it_passes")


def timed(path: Path, problems: int) -> dict[str, float]:
    """Milliseconds in the browser."""
    with tempfile.TemporaryDirectory() as profile, tab(Path(profile)) as page:
        page.resize(1280, 900)
        start = time.perf_counter()
        page.open(path.as_uri())
        page.wait("document.documentElement?.dataset.ready")
        found = {"wall clock until ready": 1000 * (time.perf_counter() - start)}
        found["index usable"] = float(page.value("document.documentElement.dataset.ready"))
        rows = page.value("document.querySelectorAll('#table tbody tr').length")
        assert rows == min(100, problems), rows
        page.wait("document.readyState === 'complete'")
        found["whole page read"] = page.value("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        page.value("go(list.data.rows.length)")
        start = time.perf_counter()
        page.wait("!document.getElementById('problem').hidden")
        found["last problem opened"] = 1000 * (time.perf_counter() - start)
        page.value("go(0)")
        page.value("document.getElementById('text').value = 'no such words'; search()")
        start = time.perf_counter()
        page.wait("list.progress === 1", seconds=300)
        found["search of all texts"] = 1000 * (time.perf_counter() - start)
        assert not page.faults, page.faults
        return found


def main() -> None:
    """Write, open, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("problems", 5000), ("plans", 20), ("trials", 10), ("code", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    sizes = SamplingConfig(plans=given.plans, trials=given.trials, foreign=False)
    sampling = SampleSettings.of(sizes, JudgingConfig(), ReportConfig(plan_counts=(given.plans,)))
    with tempfile.TemporaryDirectory() as scratch:
        path = (given.folder or Path(scratch)) / "problems.html"
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        share, final = ROOM // given.problems, ReportConfig().final
        members = map(list, blocks(given.problems, sampling, given.code))
        packed = (PageBlock.of(block, final, share * len(block)) for block in members)
        run = write(packed, path, sampling=sampling, final=final)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{given.problems:,} problems, {run.programs:,} distinct programs of about {given.code} characters")
        print(f"page {path.stat().st_size / 2**20:.1f} MiB, made in {seconds:.0f} s (synthetic records included)")
        print(f"memory at most {after / 1024:.0f} MiB, {(after - before) / 1024:.0f} MiB above the start")
        lost = f"{run.texts_left_out:,} texts of programs, {run.plans_left_out:,} of plans"
        print(f"left out: {lost}, all details of {run.details_left_out:,} problems")
        for name, milliseconds in timed(path, given.problems).items():
            print(f"{name}: {milliseconds:,.0f} ms")


if __name__ == "__main__":
    main()
