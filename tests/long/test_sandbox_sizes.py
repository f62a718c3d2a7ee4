"""Suites and outputs of the largest sizes: a verdict, and no more memory of the judge than a few times the text."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from codeplan_sandbox import Case, Judge, Limits, Suite

GIB = 1 << 30
EXPECTED_OUTPUT = """
import resource, sys
from codeplan_sandbox import Case, Judge, Limits, Suite
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
text = {"digits": "7", "words": "7 ", "lines": "7\\n", "blanks": " "}[sys.argv[1]]
text *= (1 << 30) // len(text)
with Judge(Limits(time_s=1.0)) as judge:
    for comparator in ("tokens", "exact", "apps"):
        print(judge.judge("print(7)", Suite("stdin", cases=(Case("", text),), comparator=comparator)).outcome)
"""


@pytest.mark.parametrize("content", ["digits", "words", "lines", "blanks"])
def test_expected_output_of_a_gibibyte(content: str) -> None:
    done = subprocess.run([sys.executable, "-c", EXPECTED_OUTPUT, content], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["wrong_answer"] * 3


def test_input_of_a_gibibyte() -> None:
    suite = Suite("stdin", cases=(Case("7" * GIB, str(GIB)),))
    with Judge(Limits(time_s=60.0, total_s=240.0, memory_bytes=4 * GIB)) as judge:
        assert judge.judge("print(len(input()))", suite).passed
        assert judge.judge("print(7)", Suite("stdin", cases=(Case("", "7"),)), Limits()).passed


@pytest.mark.timeout(3600)
def test_a_million_tests() -> None:
    many = Suite("stdin", cases=(Case("1", "2"),) * 1_000_000)
    with Judge(Limits(time_s=2.0, total_s=3000.0)) as judge:
        verdict = judge.judge("print(int(input()) + 1)", many)
        assert verdict.passed_tests == 1_000_000, verdict.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # KiB
