"""Which stages a configuration has, by role, and what each of them is: settings, and the roles that it reads from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from codeplan.config import CodeOnly, Config, Settings
from codeplan.stages import distill, finetune, judge, problems, report, sample
from codeplan.stages.roles import role
from codeplan.student.code_only import code_only_training


@dataclass(frozen=True)
class Spec:
    """A stage whose settings are not looked up yet: that may read files, or ask a hub.

    Attributes:
        name: the stage's name.
        version: of its code.
        settings: looks them up.
        inputs: the roles that it reads from, by the names that its code has for them; those that a configuration does
            not have are left out.
    """

    name: str
    version: int
    settings: Callable[[], Settings]
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Student:
    """A student of the pipeline.

    Attributes:
        config: what it is trained and sampled with.
        repeat: which of the configuration's ``repeats`` that is.
        code_only: None for one that learns from plans.
    """

    config: Config
    repeat: int
    code_only: CodeOnly | None

    def role(self, base: str) -> str:
        """The role of one of its stages."""
        return role(base, self.code_only or "", self.repeat)

    def trainings(self) -> Iterator[tuple[str, Spec]]:
        """Its training, and before it the earlier segments that it continues."""
        student, training = self.config.student, self.config.training
        if self.code_only:
            alone = partial(_code_only_settings, self.config, self.code_only)
            # Plans decide no more than the vocabulary of a new tokenizer, which is then that of the other student.
            reads = _same("train", "plans") if student.init == "scratch" else _same("train")
            yield self.role("student"), Spec("finetune", finetune.VERSION, alone, reads)
            return
        *earlier, last = training.segments()
        start: dict[str, str] = {}
        for segment in (*earlier, last):
            name = self.role("student" if segment is last else f"student-{segment.steps}")
            settings = partial(finetune.settings, student, segment)
            yield name, Spec("finetune", finetune.VERSION, settings, _same("train", "plans") | start)
            start = {finetune.START: name}

    def samples(self) -> tuple[str, Spec]:
        """Its sampling."""
        config, code_only = self.config, bool(self.code_only)
        settings = partial(
            sample.settings, config.sampling, config.judging, config.report, config.training, code_only=code_only
        )
        plans = {} if code_only else _same("oracle", "forward")
        inputs = {"test": "test", **plans, "student": self.role("student")}
        return self.role("samples"), Spec("sample", sample.VERSION, settings, inputs)

    def verdicts(self) -> tuple[str, Spec]:
        """The judging of what it was sampled."""
        inputs = {"test": "test", "samples": self.role("samples")}
        return self.role("verdicts"), Spec("judge", judge.VERSION, partial(judge.settings, self.config.judging), inputs)


def specs(config: Config) -> dict[str, Spec]:
    """Every stage, by role, in the order in which they run."""
    students = list(_students(config))
    read = config.problems
    teacher, budget = config.teacher, config.execution.budget_usd
    found = {
        "train": Spec("problems", problems.VERSION, partial(problems.settings, read.train)),
        "test": Spec("problems", problems.VERSION, partial(problems.settings, read.test)),
        "plans": Spec("distill", distill.VERSION, partial(distill.settings, teacher, budget, "plans"), _same("train")),
    }
    for name, wanted in (("oracle", config.sampling.oracle), ("forward", config.sampling.teacher_plan)):
        if wanted:
            settings = partial(distill.settings, teacher, budget, name)
            found[name] = Spec("distill", distill.VERSION, settings, _same("test"))
    found |= dict(training for student in students for training in student.trainings())
    found |= dict(student.samples() for student in students)
    found |= dict(student.verdicts() for student in students)
    judged = [student.role(base) for student in students for base in ("samples", "verdicts")]
    inputs = _same("test", "plans", "oracle", "forward", *judged)
    found["report"] = Spec("report", report.VERSION, partial(report.settings, config.report), inputs)
    return found


def _students(config: Config) -> Iterator[_Student]:
    """The students of every repeat; first the one that learns from plans.

    ``examples`` comes before ``steps``, whose training continues it under a constant schedule without warm-up.
    """
    for repeat in range(config.repeats):
        for code_only in (None, *sorted(config.baselines.code_only)):
            yield _Student(config.of_repeat(repeat), repeat, code_only)


def _code_only_settings(config: Config, code_only: CodeOnly) -> Settings:
    return finetune.settings(config.student, code_only_training(config.training, code_only))


def _same(*roles: str) -> dict[str, str]:
    """Inputs that a stage knows by their roles."""
    return {name: name for name in roles}
