"""The pool of verdicts of the hidden tests: one per program text, whoever wrote it, for one way of judging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from codeplan.config import AddedLater, LimitsConfig, Settings
from codeplan.pool import Pool
from codeplan.records import Program, Verdict
from codeplan.stage import Stage
from codeplan_sandbox.suites import PlainComparator

TABLE = "verdicts"

ProgramKey = tuple[str, str]
"""problem_id and program_key."""


class JudgeSettings(Settings):
    """The settings of the judge stage."""

    comparator: PlainComparator
    """How the hidden tests compare outputs."""
    hidden_tests: LimitsConfig
    """Limits of the hidden tests."""
    hidden_without_examples: bool
    """Whether the hidden tests that the question shows as examples are left out."""
    packages: Annotated[tuple[str, ...], AddedLater()] = ()
    """Packages that programs may import."""


@dataclass(frozen=True)
class VerdictPool:
    """All verdicts of the hidden tests of one set of problems."""

    pool: Pool

    @classmethod
    def of(cls, stage: Stage) -> VerdictPool:
        """The pool of a judge stage; the student is not part of its identity, as equal programs get equal verdicts."""
        identity = {
            "version": stage.version,
            "test": stage.inputs["test"].fingerprint,
            "settings": stage.settings.identity(),
        }
        return cls(Pool.open(stage.home, "verdicts", identity))

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return self.pool.folder

    def parts(self, block: int) -> list[Path]:
        """The files that hold the verdicts of a block."""
        return self.pool.parts(TABLE, block)

    def known(self, block: int) -> set[ProgramKey]:
        """The programs of a block that have a verdict."""
        table = self.pool.read_table(TABLE, block, Verdict, ["problem_id", "program_key"])
        return set(zip(table["problem_id"].to_pylist(), table["program_key"].to_pylist(), strict=True))

    def read_all(self, block: int) -> list[Verdict]:
        """All verdicts of a block."""
        return self.pool.read(TABLE, block, Verdict)

    def read(self, block: int, programs: Iterable[Program]) -> list[Verdict]:
        """The verdicts of some programs of a block, in order of problem and program."""
        wanted = {(program.problem_id, program.key) for program in programs if not program.dropped}
        chosen = [verdict for verdict in self.read_all(block) if (verdict.problem_id, verdict.program_key) in wanted]
        return sorted(chosen, key=lambda verdict: (verdict.problem_id, verdict.program_key))

    def add(self, block: int, verdicts: Sequence[Verdict]) -> None:
        """Keep new verdicts of a block that the caller has locked."""
        self.pool.add(TABLE, block, Verdict, verdicts)


def counts(programs: Sequence[Program], verdicts: Sequence[Verdict], new: int) -> dict[str, int]:
    """What a finished block says of itself: sums over all blocks make the stage's metrics and accounts.

    Args:
        programs: the block's programs, of which equal ones share a verdict.
        verdicts: their verdicts.
        new: how many verdicts were given in this run.
    """
    judged = {(verdict.problem_id, verdict.program_key) for verdict in verdicts}
    found = Counter({"programs": len(programs), "verdicts": len(verdicts), "new.verdicts": new})
    found.update(f"verdicts.{verdict.outcome.value}" for verdict in verdicts)
    found.update(
        f"programs.dropped.{program.dropped or 'without_hidden_tests'}"
        for program in programs
        if program.dropped or (program.problem_id, program.key) not in judged
    )
    return dict(found)
