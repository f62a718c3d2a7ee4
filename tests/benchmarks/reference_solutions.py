"""Judge human solutions by the sandbox and by plain Python, and print every difference: there should be none.

    python tests/benchmarks/reference_solutions.py [--problems FILE] [--reader apps] [--limit N] [--comparator apps]

Plain Python is a new interpreter per test, outside the sandbox, in an empty folder, with the same comparator: programs
of ``stdin`` suites run as scripts, those of ``call`` suites by a few lines that call the function. It shares two
settings with the sandbox: equal hash seeds, and no limit on the digits of integers, which is younger than most
problems. Assert suites are left out. Only for programs that people wrote to solve the problems: nothing protects the
machine from them.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan.config import FileSource
from codeplan.problems import read
from codeplan.records import Problem
from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite
from codeplan_sandbox.comparators import same_output, same_value
from codeplan_sandbox.long_integers import dumps, loads_returned

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "data" / "apps_train150.jsonl.gz"
WORKERS = 2
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONINTMAXSTRDIGITS": "0", "LC_ALL": "C.UTF-8"}

CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from codeplan_sandbox.modules import prelude
given = json.load(open("arguments.json"))
names = {**prelude(), "__name__": "__main__"}
exec(compile(open("program.py").read(), "program.py", "exec"), names)
arguments, entry_point = given["arguments"], given["entry_point"]
if given["whole_keys"] and isinstance(arguments[0], dict):
    try:
        arguments = [{int(key): value for key, value in arguments[0].items()}]
    except ValueError:
        pass
solution = names.get("Solution")
function = getattr(solution(), entry_point) if hasattr(solution, entry_point) else names[entry_point]
result = json.dumps(function(*arguments))
open("result.json", "w").write(result)
"""


@dataclass(frozen=True)
class Difference:
    """A solution that the two judge differently."""

    problem_id: str
    solution: int
    sandbox: str
    plain: str


def plain_verdict(program: str, suite: Suite, time_s: float) -> str:
    """``passed``, or what the first failing test of a solution did."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "program.py").write_text(program, encoding="utf-8")
        (place / "call.py").write_text(CALL, encoding="utf-8")
        for number, case in enumerate(suite.cases):
            failure = _failure(place, suite, case, time_s)
            if failure:
                return f"test {number}: {failure}"
    return "passed"


def _failure(place: Path, suite: Suite, case: Case, time_s: float) -> str:
    call = suite.kind == "call"
    result = place / "result.json"
    if call:
        whole_keys = suite.comparator == "apps"
        given = {"arguments": case.args, "entry_point": suite.entry_point, "whole_keys": whole_keys}
        (place / "arguments.json").write_text(dumps(given), encoding="utf-8")
        result.unlink(missing_ok=True)
    (place / "input").write_text(case.input, encoding="utf-8", newline="")
    python = str(Path(sys.executable).resolve())  # not the environment's, which has packages
    command = [python, "-s", "-B", *(["call.py", str(ROOT / "sandbox")] if call else ["program.py"])]
    with (place / "input").open("rb") as stdin, (place / "output").open("wb") as stdout:
        try:
            done = subprocess.run(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                cwd=place,
                env=ENVIRONMENT,
                timeout=time_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {time_s:g} s"
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}"
    if call:
        right = same_value(suite.comparator, loads_returned(result.read_bytes()), case.expected)
    else:
        right = same_output(suite.comparator, (place / "output").read_bytes(), case.output)
    return "" if right else "wrong answer"


def compare(task: tuple[Problem, float]) -> tuple[int, collections.Counter[str], list[Difference]]:
    """All solutions of a problem: how many tests it has, the sandbox's outcomes, and the differences."""
    problem, time_s = task
    suite = problem.hidden_tests
    outcomes: collections.Counter[str] = collections.Counter()
    differences: list[Difference] = []
    if suite is None or suite.kind == "assert":
        return 0, outcomes, differences
    limits = Limits(time_s=time_s, wall_factor=6.0, total_s=600.0, memory_bytes=1 << 30, output_bytes=16 << 20)
    with Judge(limits) as judge:
        for index, program in enumerate(problem.solutions):
            verdict = judge.judge(program, suite, stop_at_failure=True)
            outcomes[verdict.outcome.value] += 1
            plain = plain_verdict(program, suite, 3 * time_s)
            if (plain == "passed") != (verdict.outcome is Outcome.PASSED):
                found = f"{verdict.outcome}: test {len(verdict.cases) - 1}: {verdict.message}"
                differences.append(Difference(problem.problem_id, index, found, plain))
    return len(suite), outcomes, differences


def main() -> int:
    """Compare all; the exit status is 1 where there are differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=Path, default=DEFAULT, help="a file that a reader of codeplan reads")
    parser.add_argument("--reader", default="apps")
    parser.add_argument("--limit", type=int, help="how many problems to take at most")
    parser.add_argument("--comparator", default="tokens")
    parser.add_argument(
        "--time", type=float, default=10.0, help="CPU seconds per test; plain Python gets three times that"
    )
    given = parser.parse_args()
    if not given.problems.exists():
        print(f"{given.problems} is not on this machine: nothing to compare; name a file with --problems")
        return 0
    settings: dict[str, Any] = {"reader": given.reader, "path": str(given.problems), "limit": given.limit}
    problems = read(FileSource(**settings), given.comparator).problems
    tests, outcomes, differences = 0, collections.Counter[str](), 0
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        for count, some_outcomes, found in pool.imap_unordered(compare, [(each, given.time) for each in problems]):
            tests += count * some_outcomes.total()
            outcomes += some_outcomes
            differences += len(found)
            for difference in found:
                print(f"{difference.problem_id} solution {difference.solution}", flush=True)
                print(f"  sandbox: {difference.sandbox}\n  plain Python: {difference.plain}", flush=True)
    seconds = time.monotonic() - started
    print(f"{outcomes.total():,} solutions of {len(problems):,} problems, {tests:,} tests, {seconds:.0f} s")
    print(f"the sandbox's outcomes: {json.dumps(dict(outcomes))}")
    print(f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
