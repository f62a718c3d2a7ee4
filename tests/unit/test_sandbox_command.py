"""The command line: one JSON object on standard output, and an exit status that says whether a program was judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codeplan_sandbox import TEST_PACKAGES, TIERS, Case, Suite
from codeplan_sandbox.__main__ import main


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.json"
    path.write_text(Suite("stdin", cases=(Case(input="1\n", output="2\n"), Case(input="3", output="4"))).to_json())
    return path


def check(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("text", "outcome"), [("print(int(input()) + 1)", "passed"), ("print(0)", "wrong_answer"), ("(", "syntax_error")]
)
def test_check_prints_the_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path, text: str, outcome: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(text)
    status, out, _ = check(capsys, "--suite", suite, "--time", "2", "--memory", "128M", program)
    verdict = json.loads(out)
    assert status == 0
    assert (verdict["outcome"], verdict["total"], len(verdict["cases"])) == (outcome, 2, 2)
    assert verdict["tier"] in TIERS


def test_check_reports_an_invalid_suite_and_a_missing_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suite: Path
) -> None:
    status, out, error = check(capsys, "--suite", suite, tmp_path / "missing.py")
    assert (status, out) == (2, "")
    assert "missing.py" in error
    suite.write_text('{"kind": "magic"}')
    (tmp_path / "program.py").write_text("")
    status, out, error = check(capsys, "--suite", suite, tmp_path / "program.py")
    assert (status, out) == (2, "")
    assert "magic" in error


def test_check_rejects_an_invalid_size(capsys: pytest.CaptureFixture[str], suite: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        check(capsys, "--suite", suite, "--memory", "much", "program.py")
    assert "write for example 256M" in capsys.readouterr().err


def test_doctor_lists_every_tier(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor"])
    report = json.loads(capsys.readouterr().out)
    assert list(report["tiers"]) == list(TIERS)
    assert status == (0 if report["chosen"] else 3)
    assert report["packages"].keys() == set(TEST_PACKAGES)
