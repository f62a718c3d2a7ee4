"""Every hostile program can be read and names valid outcomes. Nothing runs here; see `tests/hostile` for that."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from codeplan_sandbox import Outcome

HOSTILE = Path(__file__).resolve().parents[1] / "hostile"
PROGRAMS = sorted((HOSTILE / "programs").glob("*.py"))


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hostile_corpus", HOSTILE / "corpus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_corpus_has_programs() -> None:
    assert len(PROGRAMS) == 136


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_has_tests_and_accepted_outcomes(corpus: ModuleType, path: Path) -> None:
    hostile = corpus.read(path)
    assert hostile.source.strip()
    assert len(hostile.suite) > 0
    assert hostile.expected
    assert hostile.expected <= set(Outcome)


def test_expected_outcomes_are_outcome_names_groups_or_abbreviations(corpus: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "program.py"

    def expected(names: str) -> set[Outcome]:
        path.write_text(f"# mode: stdin\n# stdin: ''\n# out: ''\n# expect: {names}\nprint()")
        return set(corpus.read(path).expected)

    assert expected("passed|time_limit") == {Outcome.PASSED, Outcome.TIME_LIMIT}
    assert expected("failed") == set(Outcome) - {Outcome.PASSED}
    assert expected("OK|TLE") == {Outcome.PASSED, Outcome.TIME_LIMIT}
    with pytest.raises(ValueError, match="unknown_outcome"):
        expected("unknown_outcome")
