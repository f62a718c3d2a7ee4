"""The command: one JSON object on standard output, and an exit status that says whether a program was judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codeplan_sandbox import TEST_PACKAGES, TIERS, Case, Suite
from codeplan_sandbox.__main__ import EXIT_STATUS, main


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.json"
    path.write_text(Suite("stdin", cases=(Case(input="1\n", output="2\n"), Case(input="3", output="4"))).to_json())
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text("print(int(input()) + 1)")
    return path


def check(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("text", "outcome", "passed"),
    [("print(int(input()) + 1)", "passed", 2), ("print(2)", "wrong_answer", 1), ("(", "syntax_error", 0)],
)
def test_check_prints_the_verdict(
    capsys: pytest.CaptureFixture[str], program: Path, suite: Path, text: str, outcome: str, passed: int
) -> None:
    program.write_text(text)
    status, out, _ = check(capsys, "--suite", suite, "--time", "2", "--memory", "128M", program)
    verdict = json.loads(out)
    assert status == 0
    assert (verdict["outcome"], verdict["passed_tests"], verdict["total_tests"]) == (outcome, passed, 2)
    assert len(verdict["cases"]) == 2
    assert verdict["time_s"] == pytest.approx(sum(case["time_s"] for case in verdict["cases"]))
    assert verdict["memory_bytes"] == max(case["memory_bytes"] for case in verdict["cases"])
    assert verdict["tier"] in TIERS


def test_check_reports_an_invalid_suite_and_a_missing_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, program: Path, suite: Path
) -> None:
    status, out, error = check(capsys, "--suite", suite, tmp_path / "missing.py")
    assert (status, out) == (2, "")
    assert "missing.py" in error
    suite.write_text('{"kind": "magic"}')
    status, out, error = check(capsys, "--suite", suite, program)
    assert (status, out) == (2, "")
    assert "magic" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory", "much"], "write for example 256M"),
        (["--workers", "0"], "from 1 to 1024"),
        ([], "check needs PROGRAM and --suite, or --batch"),
        (["--suite", "suite.json"], "check needs PROGRAM and --suite, or --batch"),
        (["--suite", "suite.json", "--batch", "-"], "leave out PROGRAM and --suite"),
        (["--suite", "suite.json", "program.py", "--output", "results.jsonl"], "belong to --batch"),
        (["--suite", "suite.json", "program.py", "--without-cases"], "belong to --batch"),
    ],
)
def test_check_rejects_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        check(capsys, *arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--time=nan", "--time=0", "--total-time=1e99", "--memory=0"])
def test_check_rejects_a_limit_out_of_range(
    capsys: pytest.CaptureFixture[str], program: Path, suite: Path, option: str
) -> None:
    status, out, error = check(capsys, option, "--suite", suite, program)
    assert (status, out) == (2, "")
    assert "greater than 0 and at most" in error


def test_total_time_limits_all_tests_together(capsys: pytest.CaptureFixture[str], program: Path, suite: Path) -> None:
    program.write_text("import time\ntime.sleep(60)")
    _, out, _ = check(capsys, "--total-time", "0.2", "--suite", suite, program)
    verdict = json.loads(out)
    assert verdict["outcome"] == "time_limit"
    assert "0.2 s for all tests" in verdict["message"]


def test_machine_without_a_tier_is_no_verdict(program: Path, suite: Path) -> None:
    # A process that cannot load filters, like on a machine without seccomp.
    code = """
import errno, os, sys
from codeplan_sandbox import linux, seccomp, syscalls
from codeplan_sandbox.__main__ import main
unshare = 272 if os.uname().machine == "x86_64" else 97
rules = {syscalls.number("seccomp"): seccomp._fail(errno.ENOSYS), unshare: seccomp.DENY}
linux.no_new_privileges()
seccomp.Filter(seccomp._instruction(0x20, 0, 0, 0) + seccomp._tree(rules, seccomp.ALLOW)).load()
sys.exit(main(sys.argv[1:]))
"""
    batch = program.with_name("batch.jsonl")
    batch.write_text(json.dumps({"program_path": "program.py", "suite_path": "suite.json"}))
    for arguments in (["--suite", str(suite), str(program)], ["--batch", str(batch)]):
        command = [sys.executable, "-c", code, "check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert "no isolation tier is available" in done.stderr


def test_help_says_what_the_exit_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["check", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        assert EXIT_STATUS in capsys.readouterr().out


def test_doctor_prints_every_tier_and_layer_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert list(report["tiers"]) == list(TIERS)
    assert status == (0 if report["chosen"] else 3)
    assert report["packages"].keys() == set(TEST_PACKAGES)
    for layer in report["layers"].values():
        assert layer["holds"] == (bool(layer["denials"]) and all(layer["denials"].values()))
        assert bool(layer["remedies"]) <= (not layer["holds"])
    if report["chosen"]:
        assert all(report["tiers"][report["chosen"]]["denials"].values())


def test_doctor_prints_what_was_attempted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    main(["doctor"])
    text = capsys.readouterr().out
    for name, tier in report["tiers"].items():
        assert f"  {name}" in text
        assert tier["reason"] in text
    if report["chosen"]:
        for attempt, denial in report["tiers"][report["chosen"]]["denials"].items():
            assert f"    {attempt}: denied ({denial})" in text
    for layer in report["layers"].values():
        assert all(f"to get it: {remedy}" in text for remedy in layer["remedies"])
