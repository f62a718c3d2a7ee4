"""A finished run as Arrow tables: its report, rates, problems, plans, programs and verdicts.

Nothing is read before it is asked for. What was sampled is read block by block (16 problems at a time), and of a block
no more is kept than the columns that are asked for; `LoadedRun.blocks` gives one block at a time where a whole table
would be too much. Programs of 5,000 problems with 443 programs each are more than 1 GB of text: name columns without
``code``, or go by blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from codeplan.config import CodeOnly
from codeplan.errors import UserError, one_line
from codeplan.evaluation import lineage, rates
from codeplan.evaluation.arms import BY_PLANS
from codeplan.evaluation.results import FILE, Report
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.past_runs.find import find_report
from codeplan.past_runs.stored_stage import stored_stages
from codeplan.pool import PROBLEMS_PER_BLOCK
from codeplan.records import Plan, Problem, Program, Record, Verdict, arrow_schema, to_table
from codeplan.stage import Stage
from codeplan.stages.roles import role
from codeplan.stages.run import PLANS, PROBLEMS

Sampled = Literal["plans", "programs", "verdicts"]
_KINDS: dict[Sampled, type[Record]] = {"plans": Plan, "programs": Program, "verdicts": Verdict}
KEY = "program_key"
"""The column that joins programs with verdicts, beside ``problem_id``."""


@dataclass(frozen=True)
class LoadedRun:
    """A finished run. Tables are of Arrow: ``table.to_pandas()`` makes a data frame.

    Methods with ``code_only`` and ``repeat`` read what one student was sampled: of the one that learned from plans, or
    with ``code_only`` of one that learned from code alone; of the first training seed, or of ``repeat``.

    Attributes:
        folder: of the report's files.
        home: of all stages and pools; None where only MLflow has the report: then there are no records to read.
        run_id: MLflow's id where the run was found by it, else empty.
    """

    folder: Path
    home: Path | None
    run_id: str = ""

    @cached_property
    def report(self) -> Report:
        """All numbers of the report."""
        return Report.from_json((self.folder / FILE).read_text(encoding="utf-8"))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every setting that decided the result, by its key in the configuration."""
        return lineage.read(self.folder).settings()

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages before the report, by role, and itself; each knows its folder.

        Raises:
            UserError: the run's home is not here.
        """
        if self.home is None:
            raise UserError(
                f"run {self.run_id[:12]} was found in MLflow, which has its report but no records; name the home that "
                'it ran with, as in load_run(..., home="runs")'
            )
        return stored_stages(lineage.read(self.folder), self.home)

    def rates(self) -> pa.Table:
        """Solve rates: a row per problem, arm and plan count.

        Columns are ``problem_id``, ``level``, ``arm``, ``plans`` and ``rate``. ``plans`` is null for arms that do not
        depend on plans; problems without a rate have no row.
        """
        found = rates.read(self.folder)
        rows = [
            (problem_id, level, arm, plans if arm in BY_PLANS else None, rate)
            for arm in found.arms
            for plans in (found.plan_counts if arm in BY_PLANS else found.plan_counts[-1:])
            for problem_id, level, rate in zip(found.problem_ids, found.levels, found.of(arm, plans), strict=True)
            if rate is not None
        ]
        types = {"problem_id": pa.string(), "level": pa.string(), "arm": pa.string(), "plans": pa.int64()}
        schema = pa.schema([*types.items(), ("rate", pa.float64())])
        return pa.table(list(map(list, zip(*rows, strict=True))) or [[] for _ in schema], schema=schema)

    def problems(self, columns: Sequence[str] | None = None, split: Literal["test", "train"] = "test") -> pa.Table:
        """The problems; columns are the fields of `codeplan.records.Problem`, and suites of tests are JSON text."""
        return self._stored(split, PROBLEMS, Problem, columns)

    def teacher_plans(
        self, columns: Sequence[str] | None = None, of: Literal["plans", "oracle", "forward"] = "plans"
    ) -> pa.Table:
        """The teacher's plans for the training problems, from the test problems' solutions, or from their questions.

        Columns are the fields of `codeplan.records.Plan`. Empty where the run asked for no such plans.
        """
        if of not in self.stages:
            return _columns(arrow_schema(Plan), columns).empty_table()
        return self._stored(of, PLANS, Plan, columns)

    def plans(
        self, columns: Sequence[str] | None = None, *, code_only: CodeOnly | Literal[""] = "", repeat: int = 0
    ) -> pa.Table:
        """The student's plans: the fields of `codeplan.records.Plan`."""
        return self._whole("plans", columns, code_only, repeat)

    def programs(
        self, columns: Sequence[str] | None = None, *, code_only: CodeOnly | Literal[""] = "", repeat: int = 0
    ) -> pa.Table:
        """The student's programs of all arms: the fields of `codeplan.records.Program`, and ``program_key``."""
        return self._whole("programs", columns, code_only, repeat)

    def verdicts(
        self, columns: Sequence[str] | None = None, *, code_only: CodeOnly | Literal[""] = "", repeat: int = 0
    ) -> pa.Table:
        """What the tests said, one row per distinct program and suite: the fields of `codeplan.records.Verdict`."""
        return self._whole("verdicts", columns, code_only, repeat)

    def blocks(
        self,
        kind: Sampled,
        columns: Sequence[str] | None = None,
        *,
        code_only: CodeOnly | Literal[""] = "",
        repeat: int = 0,
    ) -> Iterator[pa.Table]:
        """The same tables, 16 problems at a time.

        Raises:
            UserError: there is no such student or column, or a file is missing.
        """
        stage = self._stage(role("samples", code_only, repeat))
        samples, verdicts = SamplePool.of(stage), VerdictPool.of(self._stage(role("verdicts", code_only, repeat)))
        schema = _columns(_schema(kind), columns)
        count = self.problems(["problem_id"]).num_rows
        for block in range(-(-count // PROBLEMS_PER_BLOCK)):
            found = samples.read(block)
            if kind == "verdicts":
                found.verdicts.extend(verdicts.read(block, found.programs))
            yield _table(kind, found).select(schema.names)

    def _whole(self, kind: Sampled, columns: Sequence[str] | None, code_only: str, repeat: int) -> pa.Table:
        schema = _columns(_schema(kind), columns)
        parts = self.blocks(kind, columns, code_only=code_only, repeat=repeat)  # type: ignore[arg-type]
        return pa.concat_tables([schema.empty_table(), *parts])

    def _stored(self, name: str, file: str, kind: type[Record], columns: Sequence[str] | None) -> pa.Table:
        schema = _columns(arrow_schema(kind), columns)
        path = self._stage(name).folder / file
        try:
            return pq.read_table(path, columns=schema.names).cast(schema)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(
                f"{path} is missing or damaged ({one_line(error, 120)}); run the configuration again"
            ) from error

    def _stage(self, name: str) -> Stage:
        if name not in self.stages:
            raise UserError(f"this run has no stage {name!r}; it has {', '.join(self.stages)}")
        stage = self.stages[name]
        if stage.done() is None:
            raise UserError(
                f"{stage.folder} is not finished, or files that it names are gone; run the configuration again"
            )
        return stage


def load_run(run: str | Path, home: str | Path = "runs", uri: str = "") -> LoadedRun:
    """Find a finished run; its records are read when they are asked for.

    Args:
        run: the folder of its report (``runs/stages/report/...``), the start of the report's fingerprint, or, as
            ``codeplan runs`` shows them, the start of its id or its name; of several of one name, the newest.
        home: the runs' home.
        uri: MLflow's server; empty for the home's own database.

    Raises:
        UserError: there is no such run, several are meant, or it has no report.
    """
    return LoadedRun(*find_report(run, Path(home), uri, (FILE, rates.FILE, lineage.FILE)))


def _schema(kind: Sampled) -> pa.Schema:
    schema = arrow_schema(_KINDS[kind])
    return schema.append(pa.field(KEY, pa.string())) if kind == "programs" else schema


def _columns(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    unknown = [name for name in columns or () if name not in schema.names]
    if unknown:
        raise UserError(f"there is no column {', '.join(map(repr, unknown))}; there are {', '.join(schema.names)}")
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def _table(kind: Sampled, found: Samples) -> pa.Table:
    table = to_table(_KINDS[kind], getattr(found, kind))
    if kind == "programs":
        return table.append_column(KEY, pa.array([program.key for program in found.programs], pa.string()))
    return table
