"""Batches that are interrupted, killed or resumed, and output files that are not results."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codeplan_sandbox import Case, Suite
from codeplan_sandbox.__main__ import main

SUITE = Suite("stdin", cases=(Case(input="1", output="2"),)).to_dict()
RIGHT, WRONG, ENDLESS = "print(int(input()) + 1)", "print(0)", "while True: pass"
COMMAND = [sys.executable, "-m", "codeplan_sandbox", "check"]
WAIT_S = 120.0


def write_batch(path: Path, programs: dict[str, str]) -> Path:
    lines = [json.dumps({"id": key, "program": program, "suite": SUITE}) for key, program in programs.items()]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def outcomes(path: Path) -> list[tuple[Any, str]]:
    found = map(json.loads, path.read_text().splitlines())
    return sorted((result["id"], result.get("outcome", "error")) for result in found)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(text) for path in Path(f"/proc/{pid}/task").glob("*/children") for text in path.read_text().split()]


def judge(batch: Path, output: Path, *more: str) -> int:
    return main(["check", "--batch", str(batch), "--output", str(output), *more])


def test_killed_batch_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = write_batch(tmp_path / "batch.jsonl", {f"{number:03}": RIGHT for number in range(150)} | {"spin": ENDLESS})
    output = tmp_path / "results.jsonl"
    command = [*COMMAND, "--batch", str(batch), "--output", str(output), "--workers", "2", "--time", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True) as process:
        wait_until(lambda: output.exists() and output.read_bytes().count(b"\n") >= 20, process)
        servers = [os.pidfd_open(pid) for pid in children(process.pid)]
        process.kill()
    before = output.read_bytes()
    done = before.count(b"\n")
    assert 20 <= done < 151
    for server in servers:  # they end with the batch
        assert select.select([server], [], [], WAIT_S)[0]
        os.close(server)
    with output.open("ab") as file:
        file.write(b'{"id":"149","outco')  # as if the machine had stopped while a line was written
    assert judge(batch, output, "--time", "1") == 0
    assert f"{done} results of an earlier run kept" in capsys.readouterr().err
    assert output.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    assert outcomes(output) == [*((f"{number:03}", "passed") for number in range(150)), ("spin", "time_limit")]


def test_interrupted_batch_keeps_its_results(tmp_path: Path) -> None:
    batch = write_batch(tmp_path / "batch.jsonl", {"right": RIGHT, "endless": ENDLESS})
    output = tmp_path / "results.jsonl"
    command = [*COMMAND, "--batch", str(batch), "--output", str(output), "--workers", "2", "--time", "3600"]
    with subprocess.Popen([*command, "--total-time", "3600"], stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: output.exists() and b"\n" in output.read_bytes(), process)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "interrupted; finished work is kept, run the same command to resume" in error
    assert "Traceback" not in error
    assert outcomes(output) == [("right", "passed")]


def test_closed_pipe_ends_the_batch_quietly(tmp_path: Path) -> None:
    batch = write_batch(tmp_path / "batch.jsonl", {f"{number}": RIGHT for number in range(500)})
    with subprocess.Popen(
        [*COMMAND, "--batch", str(batch)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["outcome"] == "passed"
        process.stdout.close()
        assert process.wait(WAIT_S) == 141
        assert process.stderr.read() == ""


def test_standard_input_is_judged_while_it_is_written() -> None:
    with subprocess.Popen(
        [*COMMAND, "--batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for key in ("first", "second"):
            process.stdin.write(json.dumps({"id": key, "program": RIGHT, "suite": SUITE}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == key
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize("ending", ["interrupt", "closed pipe"])
def test_batch_ends_while_it_waits_for_input(ending: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "--batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        line = json.dumps({"program": RIGHT, "suite": SUITE}) + "\n"
        process.stdin.write(line)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["outcome"] == "passed"
        if ending == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            process.stdout.close()
            process.stdin.write(line)
            process.stdin.flush()
        assert process.wait(WAIT_S) == (130 if ending == "interrupt" else 141)
        error = process.stderr.read()
    assert ("interrupted" in error) == (ending == "interrupt")
    assert "Fatal" not in error
    assert "Traceback" not in error


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    batch = write_batch(tmp_path / "batch.jsonl", {f"{number}": f"while {number}: pass" for number in range(1, 4)})
    reader, terminal = os.openpty()
    command = [*COMMAND, "--batch", str(batch), "--workers", "1", "--time", "0.3"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the process has ended
            while part := os.read(reader, 4096):
                shown += part
    os.close(reader)
    assert process.returncode == 0
    assert re.search(r"\r\x1b\[K1 programs, [\d.]+ judged/s, \d+% of the batch", shown.decode())
    assert shown.decode().splitlines()[-1].startswith("\x1b[Kcodeplan-sandbox: 3 programs judged (3 time_limit); ")


def test_changed_program_suite_and_limits_are_judged_again(tmp_path: Path) -> None:
    batch, output = tmp_path / "batch.jsonl", tmp_path / "results.jsonl"
    write_batch(batch, {"kept": RIGHT, "changed": RIGHT, "gone": RIGHT})
    assert judge(batch, output) == 0
    kept = next(line for line in output.read_text().splitlines() if '"kept"' in line)
    write_batch(batch, {"kept": RIGHT, "changed": WRONG})
    assert judge(batch, output) == 0
    assert kept in output.read_text().splitlines()
    assert outcomes(output) == [("changed", "wrong_answer"), ("gone", "passed"), ("kept", "passed")]
    assert judge(batch, output, "--time", "3") == 0
    assert kept not in output.read_text().splitlines()
    assert outcomes(output) == [("changed", "wrong_answer"), ("gone", "passed"), ("kept", "passed")]


def test_errors_are_tried_again_and_replaced(tmp_path: Path) -> None:
    batch, output = tmp_path / "batch.jsonl", tmp_path / "results.jsonl"
    write_batch(batch, {"good": RIGHT})
    with batch.open("a") as file:
        file.write('{"id": "bad"}\n{')
    for _ in range(2):
        assert judge(batch, output) == 2
        assert [result.get("line") for result in map(json.loads, output.read_text().splitlines())].count(2) == 1
    write_batch(batch, {"good": RIGHT, "bad": WRONG})
    assert judge(batch, output) == 0
    assert outcomes(output) == [("bad", "wrong_answer"), ("good", "passed")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch.jsonl", "results.jsonl"]


def test_error_replaces_the_result_of_another_program(tmp_path: Path) -> None:
    batch, output = tmp_path / "batch.jsonl", tmp_path / "results.jsonl"
    judge(write_batch(batch, {"a": RIGHT}), output)
    batch.write_text('{"id": "a", "program": "", "suite": {}}\n')
    assert judge(batch, output) == 2
    assert outcomes(output) == [("a", "error")]


@pytest.mark.parametrize(
    "content",
    [
        '{"id": "a", "program": "", "suite": {}}\n',
        "text without a line's end",
        '{"id":"a","outcome":"passed"}\n',
        '{"id":"a","outcome":"passed","digest":1}\n{"id":"b","out',
        '{"id":broken}\n',
    ],
)
def test_file_that_is_not_results_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    batch, output = write_batch(tmp_path / "batch.jsonl", {"a": RIGHT}), tmp_path / "notes.jsonl"
    output.write_text(content)
    assert judge(batch, output) == 2
    assert f"{output}, line 1: not a result of a batch" in capsys.readouterr().err
    assert output.read_text() == content


def test_output_has_one_writer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch, output = write_batch(tmp_path / "batch.jsonl", {"a": RIGHT}), tmp_path / "results.jsonl"
    with output.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert judge(batch, output) == 2
    assert "another process writes to it" in capsys.readouterr().err


def test_full_disk_is_no_verdict(tmp_path: Path) -> None:
    batch, output = write_batch(tmp_path / "batch.jsonl", {"a": RIGHT, "b": RIGHT}), tmp_path / "results.jsonl"
    code = """
import resource, signal, sys
from codeplan_sandbox.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", code, "check", "--batch", str(batch), "--output", str(output), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"codeplan-sandbox: {output}: " in done.stderr
    assert outcomes(output) == [("a", "passed")]
