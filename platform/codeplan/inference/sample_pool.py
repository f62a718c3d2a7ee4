"""The pool of all that one student was sampled on one set of problems, whatever the stages asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codeplan.inference.samples import Samples, view
from codeplan.inference.settings import SampleSettings
from codeplan.pool import Pool
from codeplan.records import Arm, Plan, Program, Verdict
from codeplan.stage import Stage, fingerprint

VERSION = 1
"""Raised when equal settings sample something else."""
OF_TEACHER: Mapping[Arm, str] = {"oracle": "oracle", "foreign": "oracle", "teacher_plan": "forward"}
"""Arms that depend on the teacher's plans, and the role of these plans."""


@dataclass(frozen=True)
class SamplePool:
    """A stage's view of its pool.

    Programs from the teacher's plans and verdicts are in tables of their own, named by what they depend on beside the
    student: these plans, and how the example tests are judged.

    Attributes:
        pool: the records.
        settings: what the stage asks for.
        teacher_tables: names of the tables of programs from the teacher's plans, by the plans' role.
        verdict_table: name of the table of the example tests' verdicts.
    """

    pool: Pool
    settings: SampleSettings
    teacher_tables: Mapping[str, str]
    verdict_table: str

    @classmethod
    def of(cls, stage: Stage) -> SamplePool:
        """The pool of a sample stage."""
        settings = stage.settings
        assert isinstance(settings, SampleSettings)
        inputs = {role: stage.inputs[role].result_id for role in ("student", "test")}
        pool = Pool.open(stage.home, "samples", {"version": VERSION, **inputs, "settings": settings.of_sequences()})
        plans = {role: stage.inputs[role].result_id if role in stage.inputs else "none" for role in OF_TEACHER.values()}
        examples = fingerprint(settings.of_example_verdicts())
        tables = {role: f"{role}-{result_id[:16]}" for role, result_id in plans.items()}
        return cls(pool, settings, tables, f"verdicts-{examples[:16]}")

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return self.pool.folder

    def parts(self, block: int) -> list[Path]:
        """The files that hold what the stage could use of a block."""
        wanted = {"oracle": self.settings.oracle, "forward": self.settings.teacher_plan}
        of_teacher = [table for role, table in self.teacher_tables.items() if wanted[role]]
        tables = ["plans", "programs", self.verdict_table, *of_teacher]
        return [part for table in tables for part in self.pool.parts(table, block)]

    def read_all(self, block: int) -> Samples:
        """All that is there of a block, and that the stage could use."""
        tables = ("programs", *self.teacher_tables.values())
        programs = [program for table in tables for program in self.pool.read(table, block, Program)]
        plans = self.pool.read("plans", block, Plan)
        return Samples(plans, programs, self.pool.read(self.verdict_table, block, Verdict))

    def read(self, block: int) -> Samples:
        """What the stage asks for of a block."""
        return view(self.read_all(block), self.settings)

    def add(self, block: int, new: Samples) -> None:
        """Keep new samples of a block that the caller has locked."""
        self.pool.add("plans", block, Plan, new.plans)
        for role, table in {"": "programs", **self.teacher_tables}.items():
            programs = [program for program in new.programs if OF_TEACHER.get(program.arm, "") == role]
            self.pool.add(table, block, Program, programs)
        self.pool.add(self.verdict_table, block, Verdict, new.verdicts)


def counts(samples: Samples, problems: int, new: Sequence[Samples]) -> dict[str, int]:
    """What a finished block says of itself: sums over all blocks make the stage's metrics and accounts.

    Args:
        samples: what the stage asks for of the block.
        problems: how many problems the block has.
        new: what was added for it in this run.
    """
    found = Counter(
        {
            "problems": problems,
            "problems.answered": len({program.problem_id for program in samples.programs}),
            "plans": len(samples.plans),
            "plans.unfinished": sum(not plan.finished for plan in samples.plans),
            "programs": len(samples.programs),
            "programs.distinct": len({(prog.problem_id, prog.key) for prog in samples.programs if not prog.dropped}),
            "programs.unfinished": sum(not program.finished for program in samples.programs),
            "tokens": sum(program.tokens for program in samples.programs)
            + sum(plan.completion_tokens for plan in samples.plans),
            "new.sequences": sum(len(part.plans) + len(part.programs) for part in new),
            "new.verdicts": sum(len(part.verdicts) for part in new),
        }
    )
    found.update(f"plans.dropped.{plan.dropped}" for plan in samples.plans if plan.dropped)
    found.update(f"programs.dropped.{program.dropped}" for program in samples.programs if program.dropped)
    return dict(found)
