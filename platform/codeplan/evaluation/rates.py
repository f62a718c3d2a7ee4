"""The solve rates of one report, problem by problem: what comparisons between runs and summaries of sweeps read.

The report stage writes them as ``rates.json`` into its folder; MLflow has a copy at ``report/rates.json`` of the
pipeline's run::

    rates = read(folder)                          # a report's folder, or one with its rates.json alone
    rates.plan_counts                             # (1, 2, 5): the counts that were reported, the last is the largest
    rates.of("codeplan", 5)                       # one value per problem, in the order of rates.problem_ids
    rates.mean("codeplan", rates.plan_counts[-1]) # pass@1, as the report's table has it

A rate is the probability, over the samples in the pool, that the arm's answer solves the problem: an exact expectation
as `codeplan.evaluation.arms` describes it, not a single draw. Rates of two runs may be subtracted problem by problem
where `codeplan.evaluation.run_comparison` finds that they mean the same; it needs the digests that are kept here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from codeplan.errors import UserError
from codeplan.evaluation.arms import BY_PLANS, TITLES, ArmName, SolveRates
from codeplan.files import write_text
from codeplan.inference.settings import SampleSettings
from codeplan.records import Problem

FILE = "rates.json"
FORMAT = 2


class RatesError(UserError):
    """The rates of a report are missing or cannot be read."""


class Rates(BaseModel):
    """The solve rates of all problems of one report; every sequence has one value per problem."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: int = FORMAT
    """Of the file."""
    problem_ids: tuple[str, ...]
    """The test problems, in the data set's order."""
    levels: tuple[str, ...]
    """Their difficulties."""
    questions: tuple[str, ...]
    """Digests of question and starter code."""
    hidden_tests: tuple[str, ...]
    """Digests of the hidden tests with the comparator that judged by them; empty for a problem without any."""
    judging: dict[str, Any]
    """The comparator of suites that name none, and the limits of the hidden tests."""
    sampling: dict[str, Any]
    """The settings of the sample stage, among them ``plans``, ``trials``, ``temperature``, ``top_p`` and ``seed``."""
    sequences: dict[int, int]
    """By reported plan count, ascending: the sequences generated per answer, and programs given to the control."""
    direct: tuple[float, ...]
    """0 or 1; a mean over training seeds where there are several, as all other rates."""
    oracle: tuple[float | None, ...]
    """None for a problem without an oracle plan."""
    foreign: tuple[float | None, ...]
    """None for a problem without another problem's oracle plan."""
    control: dict[int, tuple[float, ...]]
    """By plan count: with as many programs as that many plans cost in sequences; empty without a control."""
    codeplan: dict[int, tuple[float, ...]]
    """By plan count."""
    fresh: dict[int, tuple[float, ...]]
    """By plan count."""
    best_trial: dict[int, tuple[float, ...]]
    """By plan count."""
    plan_after_trial: dict[int, tuple[float, ...]]
    """By the plan count whose budget it gets; empty without a control."""
    teacher_plan: tuple[float | None, ...] = ()
    """None for a problem without a plan by the teacher for its question; empty where none were asked for."""
    code_only_steps: tuple[float, ...] = ()
    """Of a student that learned from code alone for as many steps; empty without one."""
    code_only_steps_control: dict[int, tuple[float, ...]] = {}
    """Of the same student, by the plan count whose budget it gets; empty without one, or without a control."""
    code_only_examples: tuple[float, ...] = ()
    """Of a student that learned from as many examples of code alone; empty without one."""
    code_only_examples_control: dict[int, tuple[float, ...]] = {}
    """Of the same student, by the plan count whose budget it gets; empty without one, or without a control."""

    @model_validator(mode="after")
    def _one_value_per_problem(self) -> Rates:
        columns = [(arm, self.of(arm, count)) for arm in TITLES for count in self.plan_counts]
        described = (self.levels, self.questions, self.hidden_tests)
        if any(len(column) != len(self.problem_ids) for column in (*described, *(column for _, column in columns))):
            raise ValueError(f"there must be one value for each of the {len(self.problem_ids)} problems")
        for arm, column in columns:
            if any(rate is not None and not 0.0 <= rate <= 1.0 + 1e-9 for rate in column):
                raise ValueError(f"a rate of {arm} is outside [0, 1]")
        return self

    @property
    def plan_counts(self) -> tuple[int, ...]:
        """The reported plan counts, ascending; the last is the number of plans that were sampled."""
        return tuple(self.sequences)

    @property
    def arms(self) -> tuple[ArmName, ...]:
        """The arms with a rate for at least one problem, in the order shown."""
        return tuple(arm for arm in TITLES if any(rate is not None for rate in self.of(arm, self.plan_counts[-1])))

    def of(self, arm: ArmName, plans: int) -> tuple[float | None, ...]:
        """An arm's rates, one per problem: all None for an arm that there is not, the same for all counts for an arm
        that does not depend on plans.

        Raises:
            KeyError: the count was not reported.
        """
        rates: tuple[float | None, ...] | Mapping[int, tuple[float, ...]] = getattr(self, arm)
        if not rates:
            return (None,) * len(self.problem_ids)
        return rates[plans] if isinstance(rates, Mapping) else rates

    def mean(self, arm: ArmName, plans: int) -> float | None:
        """pass@1 over the problems for which the arm has a rate; None where it has none.

        Raises:
            KeyError: the count was not reported.
        """
        found = [rate for rate in self.of(arm, plans) if rate is not None]
        return math.fsum(found) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class ProblemDigests:
    """A problem without its texts.

    Attributes:
        problem_id: the problem.
        level: its difficulty.
        question: digest of question and starter code.
        hidden_tests: digest of the hidden tests with the comparator that judges by them; empty where there are none.
    """

    problem_id: str
    level: str
    question: str
    hidden_tests: str

    @classmethod
    def of(cls, problem: Problem) -> ProblemDigests:
        """The same, of a problem as it is judged."""
        hidden = _digest(problem.hidden_tests.to_json()) if problem.hidden_tests else ""
        question = _digest(f"{problem.question}\0{problem.starter_code}")
        return cls(problem.problem_id, problem.level, question, hidden)


def collect(
    problems: Sequence[ProblemDigests],
    rates: Sequence[SolveRates],
    sampling: SampleSettings,
    judging: Mapping[str, Any],
) -> Rates:
    """The rates of a report.

    Args:
        problems: the test problems.
        rates: their solve rates, in the same order.
        sampling: the settings that the programs were sampled with.
        judging: the settings that the hidden tests judged with, as plain data.
    """
    counts = sorted(rates[0].codeplan) if rates else [sampling.plans]
    plans = [rate.teacher_plan for rate in rates]
    there = {arm: counts if rates and rates[0].rate(arm, counts[-1]) is not None else () for arm in BY_PLANS}
    by_plans = {
        arm: {count: tuple(rate.known_rate(arm, count) for rate in rates) for count in of_arm}
        for arm, of_arm in there.items()
    }
    return Rates(
        problem_ids=tuple(problem.problem_id for problem in problems),
        levels=tuple(problem.level for problem in problems),
        questions=tuple(problem.question for problem in problems),
        hidden_tests=tuple(problem.hidden_tests for problem in problems),
        judging=dict(judging),
        sampling=sampling.identity(),
        sequences={count: sampling.budget(count) for count in counts},
        direct=tuple(rate.direct for rate in rates),
        oracle=tuple(rate.oracle for rate in rates),
        foreign=tuple(rate.foreign for rate in rates),
        teacher_plan=tuple(plans) if any(rate is not None for rate in plans) else (),
        code_only_steps=_known(rate.code_only_steps for rate in rates),
        code_only_examples=_known(rate.code_only_examples for rate in rates),
        **by_plans,
    )


def write(rates: Rates, folder: Path) -> Path:
    """Write the rates into a report's folder; the same rates give the same bytes."""
    path = folder / FILE
    write_text(path, rates.model_dump_json() + "\n")
    return path


def read(folder: Path) -> Rates:
    """The rates that `write` wrote into a folder.

    Raises:
        RatesError: there are none, or another version of codeplan wrote them.
    """
    path = folder / FILE
    try:
        return Rates.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RatesError(f"{path} cannot be read: {error.strerror}; name the folder of a finished report") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RatesError(
            f"{path} is not a file of solve rates that this version can read ({where}: {first['msg']}); run the "
            "pipeline again: only the report is made anew"
        ) from error


def _known(rates: Iterable[float | None]) -> tuple[float, ...]:
    """The rates of an arm that has one for every problem or for none; empty where it has none."""
    return tuple(rate for rate in rates if rate is not None)


def _digest(text: str) -> str:
    """16 hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
