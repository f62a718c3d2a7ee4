"""Fitness: whether a student can be trained on the data at all, checked before a teacher is paid or a step is trained.

The student is built or loaded for real. Then its tokenizer must reproduce solutions and plans, its special tokens must
exist, its length limits must fit the data, and the model must answer a prompt. What makes the student unusable is an
error; what costs a part of the data is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from codeplan.config import StudentConfig, Task
from codeplan.records import Plan, Problem
from codeplan.student.errors import StudentError, library_errors
from codeplan.student.model import Student, build_student
from codeplan.student.roundtrip import RoundTrip, round_trip, same_program, same_words, unwritable_text
from codeplan.student.smoke_test import smoke_test
from codeplan.student.tasks import (
    DEFINITIONS,
    PREFIXES,
    PromptTooLongError,
    clean,
    encode_source,
    encode_target,
    text_ids,
)

Severity = Literal["error", "warning"]
_Item = TypeVar("_Item")

_SAMPLE = 1000
"""How many solutions, plans and prompts are checked, evenly spaced: all of a large data set would take minutes."""
_BROKEN_FRACTION = 0.1
"""More solutions (or plans) than this that come back with another meaning make the student unfit."""
_CHOOSE = "choose a student.model whose tokenizer keeps text, such as CodeT5's or any byte-level one, or init: scratch"


@dataclass(frozen=True, slots=True)
class FitnessFinding:
    """One thing that is wrong with a student.

    Attributes:
        severity: an error makes the student unusable, a warning costs a part of the data.
        name: what was checked, for example ``solutions changed by tokenizer``.
        message: one line: what is wrong, how often, an example, and what to do.
    """

    severity: Severity
    name: str
    message: str


@dataclass(frozen=True)
class Fitness:
    """All findings about a student; none for a fit one.

    Attributes:
        findings: errors first.
        counts: how many solutions, plans and prompts were checked, and how many were changed, cut or too long.
    """

    findings: tuple[FitnessFinding, ...]
    counts: dict[str, int]

    @property
    def errors(self) -> list[FitnessFinding]:
        """What makes the student unusable."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[FitnessFinding]:
        """What costs a part of the data."""
        return [finding for finding in self.findings if finding.severity == "warning"]

    def require(self) -> None:
        """Raise where the student is unusable.

        Raises:
            StudentError: names the errors, in one line.
        """
        if errors := self.errors:
            more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
            raise StudentError("; ".join(finding.message for finding in errors[:3]) + more)


def check_student(config: StudentConfig, problems: Sequence[Problem], plans: Sequence[Plan] = ()) -> Fitness:
    """Build a student and check whether it can learn from these problems and plans.

    Args:
        config: the student; one from scratch gets a tokenizer trained on the given texts alone.
        problems: training problems, or a sample of them.
        plans: the teacher's plans, where there are any.

    Raises:
        StudentError: the student cannot be built or loaded.
    """
    return check_built_student(build_student(config, texts_of(problems, plans)), problems, plans)


def check_built_student(student: Student, problems: Sequence[Problem], plans: Sequence[Plan] = ()) -> Fitness:
    """Check whether a student in memory can learn from these problems and plans; see `check_student`."""
    checks = _Checks(student)
    try:
        with library_errors("the student's tokenizer fails on a text"):
            _check_texts(checks, problems, plans)
    except StudentError as error:
        checks.add("error", "tokenizer", str(error))
    if not checks.has_errors:
        for message in smoke_test(student):
            checks.add("error", "smoke test", message)
    findings = sorted(checks.findings, key=lambda finding: finding.severity)
    return Fitness(tuple(findings), checks.counts)


def _check_texts(checks: _Checks, problems: Sequence[Problem], plans: Sequence[Plan]) -> None:
    solutions = _spread([solution for problem in problems for solution in problem.solutions if solution.strip()])
    plan_texts = _spread([plan.text for plan in plans if plan.text.strip()])
    if not checks.special_tokens():
        return
    checks.texts("solutions", solutions, same_program)
    checks.texts("plans", plan_texts, same_words)
    checks.characters(known_good=bool(solutions))
    checks.questions(_spread([problem.question for problem in problems if problem.question.strip()]))
    checks.targets("solutions", solutions)
    checks.targets("plans", plan_texts)
    checks.prompts("plan", [(problem, "") for problem in _spread([p for p in problems if p.solutions])])
    checks.prompts("plan_code", _spread(_explained(problems, plans)))


def texts_of(problems: Sequence[Problem], plans: Sequence[Plan]) -> Iterable[str]:
    """All texts that a student reads or writes: what a tokenizer from scratch is trained on."""
    for problem in problems:
        yield from map(_utf8, (problem.question, problem.starter_code, *problem.solutions))
    yield from (_utf8(plan.text) for plan in plans)


def _utf8(text: str) -> str:
    """The text with halves of characters replaced, which a tokenizer cannot be trained on."""
    return text.encode("utf-8", "replace").decode("utf-8")


class _Checks:
    """Collects findings about one student."""

    def __init__(self, student: Student) -> None:
        self._student = student
        self.findings: list[FitnessFinding] = []
        self.counts: dict[str, int] = {}

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)

    def add(self, severity: Severity, name: str, message: str) -> None:
        self.findings.append(FitnessFinding(severity, name, message))

    def special_tokens(self) -> bool:
        """Whether pad, EOS and the prefixes are tokens of the model, and no two of them are one."""
        tokenizer = self._student.tokenizer
        tokens = self._student.model.get_input_embeddings().num_embeddings
        named = {"pad": tokenizer.pad_token_id, "EOS": tokenizer.eos_token_id}
        named |= {prefix: tokenizer.convert_tokens_to_ids(prefix) for prefix in PREFIXES}
        wrong = [name for name, number in named.items() if not isinstance(number, int) or not 0 <= number < tokens]
        if wrong or len(set(named.values()) - {tokenizer.unk_token_id}) < len(named):
            shown = ", ".join(f"{name} = {number}" for name, number in named.items())
            self.add(
                "error",
                "special tokens",
                f"the tokenizer's special tokens must be different tokens of the model's {tokens}, but are {shown}; "
                "correct its tokenizer_config.json, or choose another student.model",
            )
            return False
        return True

    def texts(self, kind: str, texts: Sequence[str], same: Callable[[str, str], bool]) -> None:
        """Whether the tokenizer reproduces texts."""
        found = round_trip(texts, self._student.tokenizer, same)
        self.counts |= {
            f"{kind}.checked": found.count,
            f"{kind}.changed": found.changed,
            f"{kind}.broken": found.broken,
        }
        if not found.changed:
            return
        if found.broken > _BROKEN_FRACTION * found.count:
            missing = _listed(unwritable_text(self._student.tokenizer))
            cause = f"it cannot write {missing}; " if missing else ""
            self.add(
                "error",
                f"{kind} changed by tokenizer",
                f"the student's tokenizer cannot reproduce {kind}: {_fraction(found.broken, found.count)} come back "
                f"with another meaning ({cause}{found.example}); {_CHOOSE}",
            )
        else:
            self.add("warning", f"{kind} changed by tokenizer", _changed_message(kind, found))

    def characters(self, *, known_good: bool) -> None:
        """Whether whitespace and ASCII survive, whatever the data contains."""
        missing = unwritable_text(self._student.tokenizer)
        if not missing or self.has_errors:
            return
        severity: Severity = "error" if not known_good and {"line breaks", "indentation"} & set(missing) else "warning"
        what = f"the student's tokenizer cannot write {_listed(missing)}"
        self.add(severity, "characters missing from tokenizer", f"{what}; {_CHOOSE}" if severity == "error" else what)

    def questions(self, questions: Sequence[str]) -> None:
        """Whether questions contain what the tokenizer has no token for, or takes for a special token."""
        tokenizer = self._student.tokenizer
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        unknown = forged = 0
        for question in questions:
            ids = set(text_ids(clean(question), tokenizer))
            unknown += tokenizer.unk_token_id in ids
            forged += not ids.isdisjoint(special)
        self.counts |= {"questions.checked": len(questions), "questions.unknown_tokens": unknown}
        if unknown:
            message = (
                f"{_fraction(unknown, len(questions))} questions contain characters that the tokenizer has no token for"
            )
            self.add("warning", "unknown tokens in questions", message)
        if forged:
            count = _fraction(forged, len(questions))
            message = f"{count} questions contain text that the tokenizer takes for special tokens"
            self.add("warning", "special tokens in questions", message)

    def targets(self, kind: str, texts: Sequence[str]) -> None:
        """How many targets are truncated, and so have no EOS token."""
        student = self._student
        cut = sum(encode_target(text, student.tokenizer, student.limits).cut > 0 for text in texts)
        self.counts[f"{kind}.cut"] = cut
        if cut:
            severity: Severity = "error" if cut == len(texts) and kind == "solutions" else "warning"
            self.add(
                severity,
                f"{kind} cut",
                f"{_fraction(cut, len(texts))} {kind} are longer than student.max_target_tokens = "
                f"{student.limits.target} and are truncated; raise it",
            )

    def prompts(self, task: Task, pairs: Sequence[tuple[Problem, str]]) -> None:
        """How many prompts of a task are shortened, or cannot be made at all."""
        student = self._student
        follows = DEFINITIONS[task].follows_plan
        key = "max_plan_source_tokens" if follows else "max_source_tokens"
        limit = student.limits.plan_source if follows else student.limits.source
        shortened = too_long = 0
        for problem, plan in pairs:
            try:
                shortened += encode_source(task, problem, plan, student.tokenizer, student.limits).cut > 0
            except PromptTooLongError:
                too_long += 1
        what = "prompts with a plan" if follows else "prompts"
        self.counts |= {f"{what}.shortened": shortened, f"{what}.too_long": too_long}
        where = f"student.{key} = {limit}; raise it"
        if too_long:
            severity: Severity = "error" if too_long == len(pairs) and task == "plan" else "warning"
            message = f"{_fraction(too_long, len(pairs))} {what} cannot be made at all within {where}"
            self.add(severity, f"{what} too long", message)
        if shortened:
            message = f"the question is shortened in {_fraction(shortened, len(pairs))} {what} to fit {where}"
            self.add("warning", f"{what} shortened", message)


def _explained(problems: Sequence[Problem], plans: Sequence[Plan]) -> list[tuple[Problem, str]]:
    by_id = {problem.problem_id: problem for problem in problems}
    return [(by_id[plan.problem_id], plan.text) for plan in plans if plan.problem_id in by_id and plan.text.strip()]


def _changed_message(kind: str, found: RoundTrip) -> str:
    harm = f"{found.broken} of them with another meaning" if found.broken else "all of them with the same meaning"
    return (
        f"{_fraction(found.changed, found.count)} {kind} come back changed from the student's tokenizer, {harm}: "
        f"{found.example}"
    )


def _fraction(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f} %)"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more characters" if len(names) > 10 else "")


def _spread(items: Sequence[_Item]) -> list[_Item]:
    """At most `_SAMPLE` items, evenly spaced."""
    step = max(1.0, len(items) / _SAMPLE)
    return [items[int(number * step)] for number in range(min(len(items), _SAMPLE))]
