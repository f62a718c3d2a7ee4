"""The tutorials' commands, typed in one folder in the order of the pages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import FakeTeacher
from documented_commands import ROOT, TUTORIALS, Block, blocks

from codeplan.evaluation.problem_page import read_index

_MAX_S = 900
_RAY = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
RUN = [page for page in TUTORIALS if any(block.runs for block in blocks(page))]

SAYS = {
    "quickstart.md": (r"✓ check +12 passed", r"✓ report +reused", r"finetune +│ done", r"report +│ missing"),
    "sweeps.md": (
        r"page +runs/sweeps/toy/page\.html",
        r"4 points, best first",
        r"✓ finetune +reused",
        r"✓ report +reused",
    ),
    "tutorials/results.md": (r"figure_plans\.png", r"Settings that differ", r"\(Holm\)"),
    "tutorials/own_data.md": (r"runs_mine/stages/report/\w+/problems\.html", r"codeplan: 1 of \d+ checks failed"),
    "tutorials/teacher.md": (r"allows no further request", r"✓ distill plans +reused", r"distill oracle +│ done"),
    "tutorials/gpu.md": (r"finetune +│ done", r"finetune +│ missing"),
    "cluster.md": (r"✓ distill plans +\d", r"✓ distill plans +reused", r"succeeded", r"was over before: succeeded"),
}
"""Patterns that a page's output must have."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Path:
    """A folder with the configurations of a checkout, and homes with a database, which is slow to make."""
    folder = tmp_path_factory.mktemp("tutorials")
    shutil.copytree(ROOT / "jobs" / "configs", folder / "jobs" / "configs")
    for home in ("runs", "runs_mine"):
        new_home(folder / home)
    return folder


def script_of(page: str) -> str:
    """A page's commands as one script, as they are typed into one terminal."""
    lines = ["set -euo pipefail"]
    for block in blocks(page):
        if block.runs:
            text = f"code=0; (\n{block.text}\n) || code=$?; test $code = 1" if block.mark == "fails" else block.text
            lines += [f"echo '== {page}, line {block.line}'", text]
    return "\n".join(lines)


def typed(script: str, folder: Path, teacher: FakeTeacher) -> tuple[int, str]:
    """Exit code and output of a script; whatever it left running is ended with it."""
    own = {name: value for name, value in os.environ.items() if name not in _RAY}
    path = f"{Path(sys.executable).parent}:{own['PATH']}"
    own |= {"PATH": path, "COLUMNS": "200", "TEACHER_URL": teacher.base_url, "TEACHER_KEY": "any"}
    output = folder / "output.txt"
    with (
        output.open("w") as file,
        subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=own, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        ) as shell,
    ):  # fmt: skip
        try:
            code = shell.wait(_MAX_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    return code, output.read_text()


def promised(page: str) -> list[str]:
    """The checks that a page shows below commands that are run: whole, or up to an ellipsis."""
    found, before = [], None
    for block in blocks(page):
        if block.language == "" and before is not None and before.runs:
            entries = re.split(r"\n(?=\S)(?=[✓✗!]|codeplan:|│)|^", block.text)
            found += [entry.split("...")[0] for entry in entries if entry.startswith(("✓", "✗", "!"))]
        before = block
    return found


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("page", RUN)
def test_a_tutorial_can_be_typed_through(page: str, folder: Path, fake_teacher: FakeTeacher) -> None:
    code, output = typed(script_of(page), folder, fake_teacher)
    assert code == 0, output[-4000:]
    missing = [pattern for pattern in SAYS[page] if not re.search(pattern, output)]
    missing += [entry for entry in promised(page) if squeezed(entry) not in squeezed(output)]
    assert missing == [], output
    if page == "tutorials/teacher.md":
        assert fake_teacher.counts()["answered"] == 52
        assert fake_teacher.counts()["most_times_answered"] == 1
        assert not list(folder.rglob("*TEACHER_KEY*"))
    if page == "tutorials/own_data.md":
        index = read_index(next(folder.glob("runs_mine/stages/report/*/problems.html")))
        assert "mine/test/add" in {row["id"] for row in index.rows}


def test_shown_output_is_read(tmp_path: Path) -> None:
    assert any(entry.startswith("✗ data") for entry in promised("tutorials/own_data.md"))
    assert any(entry.startswith("! teacher") for entry in promised("tutorials/teacher.md"))


def test_a_command_that_fails_is_noticed(tmp_path: Path, fake_teacher: FakeTeacher) -> None:
    assert typed("set -euo pipefail\nfalse\ntrue", tmp_path, fake_teacher)[0] == 1
    failing = Block("page.md", 1, "sh", "true", "fails", "")
    assert failing.runs
    script = "set -euo pipefail\ncode=0; (\ntrue\n) || code=$?; test $code = 1"
    assert typed(script, tmp_path, fake_teacher)[0] == 1
