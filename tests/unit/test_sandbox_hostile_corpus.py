"""Every hostile program can be read, and says how it attacks and what stops it. Nothing runs here."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from codeplan_sandbox import Outcome

HOSTILE = Path(__file__).resolve().parents[1] / "hostile"
PROGRAMS = sorted((HOSTILE / "programs").glob("*.py"))
SECURITY = HOSTILE.parents[1] / "SECURITY.md"
TABLE_HEAD = "| what stops attacks | how | such as a program that |\n|---|---|---|\n"


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
    assert len(PROGRAMS) == 140


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_has_tests_and_accepted_outcomes(corpus: ModuleType, path: Path) -> None:
    hostile = corpus.read(path)
    assert hostile.source.strip()
    assert len(hostile.suite) > 0
    assert hostile.expected
    assert hostile.expected <= set(Outcome)
    assert hostile.mechanism
    assert hostile.stopped_by


def test_mechanisms_of_programs_differ_in_words(corpus: ModuleType) -> None:
    mechanisms = [corpus.read(path).mechanism for path in PROGRAMS]
    assert [text for text in mechanisms if mechanisms.count(text) > 1] == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("# stopped by: driver", "does not say `# mechanism: ...`"),
        ("# mechanism: \n# stopped by: driver", "does not say `# mechanism: ...`"),
        ("# mechanism: prints", "does not say `# stopped by: ...`"),
        ("# mechanism: prints\n# stopped by: luck", "stopped by 'luck'"),
        ("# mechanism: prints\n# stopped by: driver, namespaces: both; luck: at times", "stopped by 'luck'"),
    ],
)
def test_programs_of_the_repository_must_say_how_they_attack_and_what_stops_them(
    corpus: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, message: str
) -> None:
    monkeypatch.setattr(corpus, "OWN_PROGRAMS", tmp_path)
    path = tmp_path / "program.py"
    path.write_text(f"{header}\n# mode: stdin\n# stdin: ''\n# out: ''\n# expect: failed\nprint()")
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        corpus.read(path)
    assert str(path) in str(raised.value)


def test_what_stops_an_attack_is_read_without_its_details(corpus: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    stopped = "# stopped by: driver, namespaces: the first, and the second; user id; time limits: wall-clock time"
    path.write_text(f"{stopped}\n# mode: stdin\n# stdin: ''\n# out: ''\n# expect: failed\nprint()")
    assert corpus.read(path).stopped_by == ("driver", "namespaces", "user id", "time limits")
    path.write_text("# mode: stdin\n# stdin: ''\n# out: ''\n# expect: failed\nprint()")
    assert (corpus.read(path).mechanism, corpus.read(path).stopped_by) == ("", ())


def test_security_page_lists_what_stops_attacks_with_an_example_of_each(corpus: ModuleType) -> None:
    programs = [corpus.read(path) for path in PROGRAMS]
    table = SECURITY.read_text(encoding="utf-8").partition(TABLE_HEAD)[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert {name: how for name, how, _ in rows} == corpus.RULES
    for name, _, example in rows:
        assert example in {program.mechanism for program in programs if name in program.stopped_by}, name


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
