"""The page about the sandbox: its commands run, and print what it shows but for measured numbers."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documented_commands import ROOT, Block, blocks

from codeplan_sandbox import TIERS, Limits, Outcome, SuiteVerdict
from codeplan_sandbox.__main__ import EXIT_STATUS
from codeplan_sandbox.batch_lines import KEYS

PAGE = "sandbox.md"
COMMANDS = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"]}
TEXT = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")


def comparable(text: str) -> list[str]:
    """Its lines in an order of their own, with placeholders for what another run or machine prints differently."""
    text = re.sub(r'"(digest|tier)": ?"\w+"', r"\1", text)
    text = re.sub(r'("(?:time_s|memory_bytes)"): ?[\d.e-]+', r"\1", text)
    return sorted(re.sub(r"; \d+\.\d s$", "", text, flags=re.MULTILINE).splitlines())


def shown() -> list[tuple[Block, Block]]:
    """What is run, each with what it prints."""
    found = blocks(PAGE)
    return [(block, after) for block, after in itertools.pairwise(found) if after.language in ("json", "")]


def test_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "sandbox")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    compared = 0
    for block, printed in shown():
        if block.language not in COMMANDS or block.mark == "not run":
            continue
        command = [*COMMANDS[block.language], block.text]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        assert comparable(done.stdout) == comparable(printed.text), f"line {block.line}"
        compared += 1
    assert compared == 5


@pytest.mark.parametrize(
    "name",
    [
        *(f"`{outcome.value}`" for outcome in Outcome),
        *(f"`{tier}`" for tier in TIERS[:3]),
        *(f"`{key}`" for key in KEYS),
    ],
)
def test_page_explains_every_name(name: str) -> None:
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))
    assert name in rows


def test_page_lists_every_field_and_exit_status() -> None:
    fields = set(SuiteVerdict(Outcome.PASSED, 1).to_dict())
    first_cells = {
        word for row in re.findall(r"^\| (.*?) \|", TEXT, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    assert fields <= first_cells
    listed = re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)
    assert listed == re.findall(r"^  (\d+) ", EXIT_STATUS, re.MULTILINE)
    assert all(hasattr(Limits(), name) for name in ("time_s", "total_s", "memory_bytes", "wall_factor", "output_bytes"))
