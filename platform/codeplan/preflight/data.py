"""The data: it can be read, there is something to learn from and to judge, and its own solutions pass its tests."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import codeplan
from codeplan import problems, records
from codeplan.config import FileSource, MiniAppsSource, Source
from codeplan.errors import UserError
from codeplan.preflight import reference
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.preflight.subject import Subject
from codeplan.records import Problem
from codeplan_sandbox import TEST_PACKAGES, packages_needed
from codeplan_sandbox.tier_status import installed_packages

VERSION = 1
"""Raised when this area finds something else in the same data."""

GENERATED = 64
"""Problems that are looked at where we generate them ourselves: the others are of the same kind."""
SAMPLE = 24
"""Problems of each split whose reference solutions are judged: of a fault in a tenth of them, 92 % of samples show
one."""


def check(subject: Subject) -> Iterator[Finding]:
    """Read both splits, then judge reference solutions."""
    for role in ("train", "test"):
        yield from _read(subject, role)
    if len(subject.problems) < 2:
        yield skipped("reference solutions are not judged, as a split cannot be read")
        return
    yield from _usable(subject)
    yield from _shared(subject)
    for role in ("train", "test"):
        yield from _imports(subject.problems[role], role)
        yield from _judged(subject, role)


def _read(subject: Subject, role: str) -> Iterator[Finding]:
    source: Source = getattr(subject.config.problems, role)
    kept = subject.stages.get(role)
    if isinstance(source, FileSource) and not Path(source.path).exists():
        return  # the configuration's own check says so
    try:
        if kept is not None and kept.done() is not None:
            found = records.read(Problem, kept.folder / "problems.parquet")
            count = len(found)
        elif isinstance(source, MiniAppsSource):
            some = source.model_copy(update={"count": min(source.count, GENERATED)})
            found, count = problems.read(some, subject.config.problems.comparator).problems, source.count
        else:
            reading = problems.read(source, subject.config.problems.comparator)
            found, count = reading.problems, len(reading.problems)
            if reading.account.losses:
                left_out = ", ".join(f"{number:,} {name}" for name, number in reading.account.losses.items())
                yield warning(f"{role}: of {reading.account.rows_in:,} rows {left_out} are left out")
    except UserError as error:
        yield failed(f"problems.{role}: {error}", _SKIP_BAD if isinstance(source, FileSource) else "")
        return
    subject.problems[role], subject.counts[role] = found, count


_SKIP_BAD = "mend the file, or leave such rows out with --skip-bad"


def _usable(subject: Subject) -> Iterator[Finding]:
    train, test = subject.problems["train"], subject.problems["test"]
    for role, found in (("train", train), ("test", test)):
        parts = {
            "solutions": sum(bool(each.solutions) for each in found),
            "example tests": sum(each.example_tests is not None for each in found),
            "hidden tests": sum(each.hidden_tests is not None for each in found),
        }
        shown = ", ".join(f"{_share(number, len(found))} with {name}" for name, number in parts.items())
        yield ok(f"{role}: {subject.counts[role]:,} problems, {shown}")
    solved = sum(bool(each.solutions) for each in train)
    if not solved:
        yield failed(f"none of the {len(train)} training problems has a solution: there is nothing to learn from")
    wanted = subject.config.training.validation_examples
    learnt = subject.counts["train"] if solved == len(train) else solved
    if "finetune" in subject.unfinished and 0 < learnt <= wanted:
        yield failed(
            f"training.validation_examples = {wanted} problems are to be held out, but only {learnt} training problems "
            "have a solution",
            "lower it, or read more problems",
        )
    if not any(each.hidden_tests for each in test):
        yield failed(f"none of the {len(test)} test problems has hidden tests: nothing could be judged")
    elif not any(each.example_tests for each in test):
        yield warning(
            "no test problem has example tests: plans cannot be selected by them, and every selection is a tie",
            "for apps, name a file with them by examples_path",
        )


def _share(number: int, total: int) -> str:
    return "all" if number == total else f"{number:,} of {total:,}"


def _shared(subject: Subject) -> Iterator[Finding]:
    """Test problems that stand among the training problems: what they show is memory."""
    if subject.fingerprint("train") and subject.fingerprint("train") == subject.fingerprint("test"):
        yield warning("train and test are the same problems: the student is tested on what it learnt")
        return
    known = {_text_key(each) for each in subject.problems["train"]}
    shared = [each.problem_id for each in subject.problems["test"] if _text_key(each) in known]
    if shared:
        yield warning(
            f"{len(shared):,} test problems have the question of a training problem, for example {shared[0]}",
            "leave them out of one of the splits",
        )


def _imports(found: Sequence[Problem], role: str) -> Iterator[Finding]:
    """Packages that tests import and cannot have: found in all of them, where a sample of solutions may miss some."""
    suites = (suite for each in found for suite in [each.hidden_tests or each.example_tests] if suite)
    counts = Counter(name for suite in suites for name in packages_needed(suite))
    installed = installed_packages()
    for name, count in counts.most_common():
        if name not in TEST_PACKAGES:
            allowed = ", ".join(TEST_PACKAGES)
            yield warning(
                f"{role}: the tests of {count:,} problems import {name}; tests may import the standard library and "
                f"{allowed} only",
                "no program passes them: leave these problems out",
            )
        elif not installed[name]:
            yield warning(f"{role}: the tests of {count:,} problems import {name}", f"install it: pip install {name}")


def _text_key(problem: Problem) -> bytes:
    text = " ".join(f"{problem.question} {problem.starter_code}".split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _judged(subject: Subject, role: str) -> Iterator[Finding]:
    chosen = _chosen(subject.problems[role], subject.every)
    if not chosen:
        return
    identity = _identity(subject, role)
    yield from subject.remembered("data", identity, lambda: reference.check(subject, role, chosen, identity))


def _identity(subject: Subject, role: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "role": role,
        "problems": subject.fingerprint(role),
        "judging": subject.config.judging.model_dump(mode="json"),
        "code": codeplan.__version__,
        "judge_version": subject.stages["verdicts"].version if subject.stages else 0,
        "python": platform.python_version(),
        "tier": subject.judge.tier if subject.judge else "",
        "packages": installed_packages(),
        "sample": 0 if subject.every else SAMPLE,
    }


def _chosen(found: Sequence[Problem], every: bool) -> list[Problem]:
    """The problems to judge: those whose ids hash lowest, so that a sample is spread over the file."""
    testable = [each for each in found if each.solutions and (each.hidden_tests or each.example_tests)]
    if every:
        return testable
    return sorted(testable, key=lambda each: hashlib.sha256(each.problem_id.encode("utf-8", "replace")).digest())[
        :SAMPLE
    ]
