"""Judge human solutions with the sandbox and with plain Python, and print all differences; none are expected.

    python tests/benchmarks/reference_solutions.py [--problems FILE] [--reader apps] [--limit N] [--comparator apps]

Plain Python is a new interpreter per test, outside the sandbox, in an empty folder, with the same comparator: programs
of ``stdin`` suites run as scripts, those of ``call`` suites through a short script that calls the function. It shares
two settings with the sandbox: the hash seed, and no limit on the digits of integers, which is newer than most problems.
Assert suites are skipped. Use it only for solutions written by people: nothing protects the machine from the programs.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codeplan.config import FileSource
from codeplan.problems import read, with_comparator
from codeplan.records import Problem
from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite
from codeplan_sandbox.comparators import same_output, same_value
from codeplan_sandbox.long_integers import dumps, loads_returned
from codeplan_sandbox.suites import COMPARATORS, Comparator

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "data" / "apps_train150.jsonl.gz"
WORKERS = 2
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONINTMAXSTRDIGITS": "0", "LC_ALL": "C.UTF-8"}

CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from codeplan_sandbox.modules import prelude
call = json.load(open("arguments.json"))
names = {**prelude(), "__name__": "__main__"}
exec(compile(open("program.py").read(), "program.py", "exec"), names)
arguments, entry_point = call["arguments"], call["entry_point"]
if call["integer_keys"] and isinstance(arguments[0], dict):
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
    """A solution with different verdicts."""

    problem_id: str
    solution: int
    sandbox: str
    plain: str


def plain_verdict(program: str, suite: Suite, time_s: float) -> str:
    """``passed``, or how the first failing test of a solution failed."""
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
        integer_keys = suite.comparator == "apps"
        arguments = {"arguments": case.args, "entry_point": suite.entry_point, "integer_keys": integer_keys}
        (place / "arguments.json").write_text(dumps(arguments), encoding="utf-8")
        result.unlink(missing_ok=True)
    (place / "input").write_text(case.input, encoding="utf-8", newline="")
    python = str(Path(sys.executable).resolve())  # not the interpreter of the virtual environment, which has packages
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
            return f"not finished after {time_s:g} s"
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}"
    if call:
        correct = same_value(suite.comparator, loads_returned(result.read_bytes()), case.expected)
    else:
        correct = same_output(suite.comparator, (place / "output").read_bytes(), case.output)
    return "" if correct else "wrong answer"


def compare(task: tuple[Problem, float, Comparator]) -> tuple[int, collections.Counter[str], list[Difference]]:
    """Judge all solutions of a problem: the number of its tests, the sandbox's outcomes, and the differences."""
    problem, time_s, comparator = task
    suite = problem.hidden_tests
    outcomes: collections.Counter[str] = collections.Counter()
    differences: list[Difference] = []
    if suite is None or suite.kind == "assert":
        return 0, outcomes, differences
    suite = replace(suite, comparator=suite.comparator or comparator)
    limits = Limits(time_s=time_s, wall_factor=6.0, total_s=600.0, memory_bytes=1 << 30, output_bytes=16 << 20)
    with Judge(limits) as judge:
        for index, program in enumerate(problem.solutions):
            verdict = judge.judge(program, suite, stop_at_failure=True)
            outcomes[verdict.outcome.value] += 1
            plain = plain_verdict(program, suite, 3 * time_s)
            if (plain == "passed") != (verdict.outcome is Outcome.PASSED):
                sandbox = f"{verdict.outcome}: test {len(verdict.cases) - 1}: {verdict.message}"
                differences.append(Difference(problem.problem_id, index, sandbox, plain))
    return len(suite), outcomes, differences


def main() -> int:
    """Compare all problems; the exit status is 1 if there are differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=Path, default=DEFAULT, help="a file in the format of --reader")
    parser.add_argument("--reader", default="apps")
    parser.add_argument("--limit", type=int, help="the maximum number of problems")
    parser.add_argument("--comparator", choices=COMPARATORS, default="tokens", help="for suites that do not name one")
    parser.add_argument(
        "--time", type=float, default=10.0, help="CPU seconds per test; three times as long with plain Python"
    )
    options = parser.parse_args()
    if not options.problems.exists():
        print(f"{options.problems} is not available on this machine; name a file with --problems")
        return 0
    settings: dict[str, Any] = {"reader": options.reader, "path": str(options.problems), "limit": options.limit}
    problems = [with_comparator(problem, options.comparator) for problem in read(FileSource(**settings)).problems]
    tests, outcomes, differences = 0, collections.Counter[str](), 0
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        for count, problem_outcomes, found in pool.imap_unordered(
            compare, [(problem, options.time, options.comparator) for problem in problems]
        ):
            tests += count * problem_outcomes.total()
            outcomes += problem_outcomes
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
