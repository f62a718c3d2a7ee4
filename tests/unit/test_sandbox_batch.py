"""Batches: results as they come, what is wrong with a line, and memory that does not grow with the batch."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, SandboxError, Suite, SuiteVerdict
from codeplan_sandbox import batch as batch_module
from codeplan_sandbox.__main__ import main
from codeplan_sandbox.batch_lines import BadLine, BatchLine, BatchReader

SUITE = Suite("stdin", cases=(Case(input="1", output="2"),)).to_dict()
RIGHT, WRONG = "print(int(input()) + 1)", "print(0)"


def write_batch(path: Path, *lines: Any) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def line(program: str, **more: Any) -> dict[str, Any]:
    return {"program": program, "suite": SUITE, **more}


def results(text: str) -> dict[Any, dict[str, Any]]:
    found = [json.loads(result) for result in text.splitlines()]
    assert len({json.dumps(result["id"]) for result in found}) == len(found)
    return {result["id"]: result for result in found}


def judged(
    capsys: pytest.CaptureFixture[str], path: Path, *arguments: str
) -> tuple[int, dict[Any, dict[str, Any]], str]:
    status = main(["check", "--batch", str(path), *arguments])
    captured = capsys.readouterr()
    return status, results(captured.out), captured.err


def test_every_line_gets_a_result(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    (tmp_path / "right.py").write_text(RIGHT)
    path = write_batch(
        tmp_path / "batch.jsonl",
        line(RIGHT),
        line(WRONG, id="wrong"),
        "",
        {"id": 70, "program_path": "right.py", "suite_path": "suite.json"},
        {"id": "call", "program": "def f(x): return x", "suite": {"kind": "call", "entry_point": "f", "cases": []}},
        line("print('\ud800')", id="surrogate"),
    )
    status, found, error = judged(capsys, path, "--workers", "2")
    assert status == 2
    assert {key: result.get("outcome", result.get("error")) for key, result in found.items()} == {
        1: "passed",
        "wrong": "wrong_answer",
        70: "passed",
        "call": "the suite has no tests",
        "surrogate": "syntax_error",
    }
    assert len(found["wrong"]["cases"]) == 1
    assert "4 programs judged (2 passed, 1 syntax_error, 1 wrong_answer); 1 bad lines" in error


def test_results_can_leave_out_the_cases(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_batch(tmp_path / "batch.jsonl", line(WRONG))
    _, found, _ = judged(capsys, path, "--without-cases")
    assert "cases" not in found[1]
    assert (found[1]["passed_tests"], found[1]["total_tests"]) == (0, 1)


def test_limits_of_a_line_override_those_of_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spin = "while True: pass"
    path = write_batch(tmp_path / "batch.jsonl", line(spin, limits={"time_s": 0.05}), line(spin))
    _, found, _ = judged(capsys, path, "--time", "0.1")
    assert found[1]["message"] == "more than 0.05 s of CPU time"
    assert found[2]["message"] == "more than 0.1 s of CPU time"


BAD_LINES = [
    ("{", "not JSON"),
    ("[]", "must be an object, not list"),
    ("\ufeff{}", "not JSON"),
    ({"id": 1.5}, "id must be text or a whole number"),
    ({"id": 1 << 60}, "whole number of at most"),
    ({"programm": ""}, "unknown key 'programm'; the keys of a line are id, program"),
    ({"suite": SUITE}, "a line needs program or program_path, and has neither"),
    ({"program": "", "program_path": "x", "suite": SUITE}, "and not both"),
    ({"program": 1, "suite": SUITE}, "program must be text"),
    ({"program_path": "missing.py", "suite": SUITE}, "missing.py"),
    ({"program_path": 1, "suite": SUITE}, "program_path must be the path of a file"),
    ({"program_path": "a\0b", "suite": SUITE}, "program_path must be the path of a file"),
    ({"program": ""}, "a line needs suite or suite_path, and has neither"),
    ({"program": "", "suite": {"kind": "magic"}}, "kind is 'magic'"),
    ({"program": "", "suite": {"kind": "stdin"}}, "the suite has no tests"),
    ({"program": "", "suite_path": "missing.json"}, "missing.json"),
    (line("", limits=[]), "limits must be an object, not list"),
    (line("", limits={"time": 1}), "unknown limit 'time'; the limits are time_s"),
    (line("", limits={"time_s": "1"}), "limit time_s is '1'; it must be a number greater than 0"),
    (line("", limits={"time_s": True}), "limit time_s is True"),
    (line("", limits={"time_s": float("nan")}), "limit time_s is nan"),
    (line("", limits={"memory_bytes": 1.5}), "it must be a whole number greater than 0"),
    (line("", limits={"memory_bytes": 1 << 60}), "and at most"),
]


def test_bad_lines_are_reported_and_the_others_judged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_batch(tmp_path / "batch.jsonl", line(RIGHT, id="good"), *(bad for bad, _ in BAD_LINES))
    status = main(["check", "--batch", str(path)])
    captured = capsys.readouterr()
    found = {result.get("line"): result for result in map(json.loads, captured.out.splitlines())}
    assert status == 2
    assert found.pop(None)["outcome"] == "passed"
    assert len(found) == len(BAD_LINES)
    for number, (_, message) in enumerate(BAD_LINES, 2):
        assert message in found[number]["error"]
        assert found[number]["error_kind"] == "line"
    assert f"{path}, line 2: not JSON" in captured.err
    assert "further lines that are not judged" in captured.err
    assert f"1 programs judged (1 passed); {len(BAD_LINES)} bad lines" in captured.err


def test_line_that_is_not_utf8_is_bad(tmp_path: Path) -> None:
    (found,) = BatchReader(io.BytesIO(b'{"program": "\xff"}\n'), tmp_path, Limits())
    assert isinstance(found, BadLine)
    assert "not UTF-8" in found.message


def test_second_line_with_an_id_is_bad(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_batch(tmp_path / "batch.jsonl", line(RIGHT, id="a"), line(WRONG, id="a"), line(RIGHT, id=1))
    status, found, _ = judged(capsys, path)
    assert status == 2
    assert (found["a"]["outcome"], found[1]["outcome"]) == ("passed", "passed")
    assert (found[None]["line"], found[None]["error"]) == (2, "an earlier line has the id 'a' too")


def test_failure_of_the_sandbox_is_no_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailingJudge(Judge):
        def judge(self, program: str, *arguments: Any, **options: Any) -> SuiteVerdict:
            if program == WRONG:
                raise SandboxError("the fork server failed")
            if program == "bug":
                raise RecursionError
            return super().judge(program, *arguments, **options)

    monkeypatch.setattr(batch_module, "Judge", FailingJudge)
    path = write_batch(tmp_path / "batch.jsonl", line(WRONG), line("bug"), line(RIGHT), "{")
    status, found, error = judged(capsys, path, "--workers", "1")
    assert status == 3
    assert (found[1]["error"], found[1]["error_kind"]) == ("SandboxError: the fork server failed", "sandbox")
    assert (found[2]["error_kind"], found[3]["outcome"]) == ("sandbox", "passed")
    assert "1 bad lines; the sandbox failed on 2 lines" in error


def test_killed_fork_server_is_started_again(tmp_path: Path) -> None:
    path = write_batch(tmp_path / "batch.jsonl", *(line(RIGHT, id=f"{number}") for number in range(20)))
    code = """
import os, signal, sys
from codeplan_sandbox import batch
from codeplan_sandbox.__main__ import main
class KilledJudge(batch.Judge):
    def judge(self, *arguments, **options):
        os.kill(self.pid, signal.SIGKILL)
        return super().judge(*arguments, **options)
batch.Judge = KilledJudge
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", code, "check", "--batch", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {result["outcome"] for result in results(done.stdout).values()} == {"passed"}


def test_suite_that_lines_share_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    texts = [json.dumps({"program": "", "suite_path": "suite.json"}).encode() + b"\n"] * 3
    found = list(BatchReader(io.BytesIO(b"".join(texts)), tmp_path, Limits()))
    suites = {id(item.suite) for item in found if isinstance(item, BatchLine)}
    assert len(suites) == 1


def test_digest_covers_all_that_a_verdict_depends_on() -> None:
    suite = Suite("call", cases=(Case(args=({"a": 1, "b": 2},), expected=1),), entry_point="f")
    reordered = Suite("call", cases=(Case(args=({"b": 2, "a": 1},), expected=1),), entry_point="f")
    lines = [
        BatchLine(1, 1, "x", suite, Limits()),
        BatchLine(1, 1, "y", suite, Limits()),
        BatchLine(1, 1, "x", reordered, Limits()),  # a program sees the order of a dict's keys
        BatchLine(1, 1, "x", suite, Limits(time_s=3)),
    ]
    digests = {one.digest(stop_at_failure=stop) for one in lines for stop in (True, False)}
    assert len(digests) == 2 * len(lines)
    assert BatchLine(7, "other", "x", suite, Limits()).digest(stop_at_failure=False) == lines[0].digest(
        stop_at_failure=False
    )


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "6400000 100000"}, 8),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.cfs_quota_us": "300000", "cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_workers_by_default_are_the_cpus_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cpus: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(batch_module, "_CPU_QUOTAS", [tmp_path / "cpu.max", tmp_path / "cpu.cfs_quota_us"])
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert batch_module.available_cpus() == cpus


MEMORY_TEST = """
import re, sys
from pathlib import Path
from codeplan_sandbox import Outcome, SuiteVerdict, batch
from codeplan_sandbox.__main__ import main
class InstantJudge:
    def __init__(self, *arguments, **options): pass
    def judge(self, *arguments, **options): return SuiteVerdict(Outcome.PASSED, 1)
    def close(self): pass
batch.Judge = InstantJudge
status = main(["check", "--batch", "-", "--workers", "2"])
print(status, re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def peak_kib(lines: int) -> int:
    """Peak memory of a process that reads a batch from a pipe; the sandbox is replaced, as only its caller counts."""
    command = [sys.executable, "-c", MEMORY_TEST]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for number in range(lines):
            process.stdin.write(json.dumps(line(f"# {number} {'x' * 2000}")) + "\n")
        process.stdin.close()
        status, kib = process.stderr.read().splitlines()[-1].split()
    assert status == "0"
    return int(kib)


def test_memory_does_not_grow_with_the_batch() -> None:
    few, many = peak_kib(1_000), peak_kib(15_000)
    assert many - few < 12 * 1024  # the lines in between have 28 MiB; the database of ids keeps up to 8 MiB


def test_outcomes_of_kept_results_are_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_batch(tmp_path / "batch.jsonl", line(RIGHT), line(WRONG))
    output = tmp_path / "results.jsonl"
    assert judged(capsys, path, "--output", str(output))[0] == 0
    first = output.read_bytes()
    write_batch(path, line(RIGHT), line(WRONG), line(WRONG))
    status, printed, error = judged(capsys, path, "--output", str(output))
    assert (status, printed) == (0, {})
    assert "1 programs judged (1 wrong_answer); 2 results of an earlier run kept (1 passed, 1 wrong_answer)" in error
    assert output.read_bytes().startswith(first)
    assert results(output.read_text())[3]["outcome"] == Outcome.WRONG_ANSWER
