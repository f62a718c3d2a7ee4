"""The data: it is readable, has solutions to learn from and tests to judge by, and its solutions pass its tests."""

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
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.records import Problem
from codeplan.stages import judge
from codeplan_sandbox import TEST_PACKAGES, packages_needed
from codeplan_sandbox.tier_status import installed_packages

VERSION = 2
"""Raised when this area reports something else for the same data."""

MAX_GENERATED = 64
"""Problems checked per split of a generated benchmark: the others are of the same kind."""
SAMPLE = 24
"""Problems per split whose reference solutions are judged: a fault in a tenth of the problems is found with a
probability of 92 %."""


def check(context: CheckContext) -> Iterator[Finding]:
    """Read both splits, then judge reference solutions."""
    for role in ("train", "test"):
        yield from _read(context, role)
    if len(context.problems) < 2:
        yield skipped("reference solutions not judged, as a split cannot be read")
        return
    yield from _usable(context)
    yield from _overlapping(context)
    for role in ("train", "test"):
        yield from _imports(context.problems[role], role)
        yield from _reference_solutions(context, role)


def _read(context: CheckContext, role: str) -> Iterator[Finding]:
    source: Source = getattr(context.config.problems, role)
    stage = context.stages.get(role)
    if isinstance(source, FileSource) and not Path(source.path).exists():
        return  # reported by the area configuration
    try:
        if stage is not None and stage.done() is not None:
            found = records.read(Problem, stage.folder / "problems.parquet")
            count = len(found)
        elif isinstance(source, MiniAppsSource):
            first = source.model_copy(update={"count": min(source.count, MAX_GENERATED)})
            found, count = problems.read(first).problems, source.count
        else:
            reading = problems.read(source)
            found, count = reading.problems, len(reading.problems)
            if reading.account.dropped:
                dropped = ", ".join(
                    f"{number:,} {name.replace('_', ' ')}" for name, number in reading.account.dropped.items()
                )
                yield warning(f"{role}: dropped of {reading.account.rows_in:,} rows: {dropped}")
    except UserError as error:
        yield failed(f"problems.{role}: {error}", _SKIP_BAD if isinstance(source, FileSource) else "")
        return
    comparator = context.config.judging.comparator
    context.problems[role] = [problems.with_comparator(problem, comparator) for problem in found]
    context.counts[role] = count


_SKIP_BAD = "fix the file, or drop such rows with --skip-bad"


def _usable(context: CheckContext) -> Iterator[Finding]:
    train, test = context.problems["train"], context.problems["test"]
    for role, found in (("train", train), ("test", test)):
        with_parts = {
            "solutions": sum(bool(problem.solutions) for problem in found),
            "example tests": sum(problem.example_tests is not None for problem in found),
            "hidden tests": sum(problem.hidden_tests is not None for problem in found),
        }
        shown = ", ".join(f"{_of_total(number, len(found))} with {name}" for name, number in with_parts.items())
        yield ok(f"{role}: {context.counts[role]:,} problems, {shown}")
    with_solutions = sum(bool(problem.solutions) for problem in train)
    if not with_solutions:
        yield failed(f"none of the {len(train)} training problems has a solution: there is nothing to train on")
    held_out = context.config.training.validation_examples
    usable = context.counts["train"] if with_solutions == len(train) else with_solutions
    if "finetune" in context.unfinished and 0 < usable <= held_out:
        yield failed(
            f"training.validation_examples = {held_out} holds out all of the {usable} training problems that have a "
            "solution",
            "lower it, or read more problems",
        )
    if not any(problem.hidden_tests for problem in test):
        yield failed(f"none of the {len(test)} test problems has hidden tests: there is nothing to judge by")
    elif not any(problem.example_tests for problem in test):
        yield warning(
            "no test problem has example tests: every choice between plans is uniformly random",
            "for the reader apps, set examples_path to a file with example tests",
        )


def _of_total(number: int, total: int) -> str:
    return "all" if number == total else f"{number:,} of {total:,}"


def _overlapping(context: CheckContext) -> Iterator[Finding]:
    """Test problems that are also training problems: they measure memorization."""
    if context.fingerprint("train") and context.fingerprint("train") == context.fingerprint("test"):
        yield warning("train and test are the same problems: the student is tested on its training data")
        return
    train, test = context.config.problems.train, context.config.problems.test
    if isinstance(train, MiniAppsSource) and isinstance(test, MiniAppsSource):
        trained = {problem.problem_id for problem in context.problems["train"]}
        if same := [problem.problem_id for problem in context.problems["test"] if problem.problem_id in trained]:
            # However they are worded: what a generated problem is about depends on its name alone.
            yield warning(
                f"{len(same):,} test problems are training problems, for example {same[0]}",
                "give problems.test another split or seed",
            )
            return
        if train.split == test.split:
            yield warning(
                f"problems.train and problems.test are both of split {test.split}: nothing is held out, and test "
                "problems may be training problems under another name",
                "give problems.train the split train, and problems.test the split test",
            )
            return
    if isinstance(test, MiniAppsSource) and not test.show_examples:
        return  # without its examples a question may be that of many problems, and what they do differs
    known = {_text_key(problem) for problem in context.problems["train"]}
    overlapping = [problem.problem_id for problem in context.problems["test"] if _text_key(problem) in known]
    if overlapping:
        yield warning(
            f"{len(overlapping):,} test problems have the question of a training problem, for example {overlapping[0]}",
            "remove them from one of the splits",
        )


def _imports(found: Sequence[Problem], role: str) -> Iterator[Finding]:
    """Packages that tests import but cannot use; from all problems, as the sampled solutions may miss some."""
    suites = (suite for problem in found if (suite := problem.hidden_tests or problem.example_tests))
    counts = Counter(name for suite in suites for name in packages_needed(suite))
    installed = installed_packages()
    for name, count in counts.most_common():
        if name not in TEST_PACKAGES:
            allowed = ", ".join(TEST_PACKAGES)
            yield warning(
                f"{role}: the tests of {count:,} problems import {name}; tests may import the standard library and "
                f"{allowed} only",
                "no program passes them; remove these problems",
            )
        elif not installed[name]:
            yield warning(f"{role}: the tests of {count:,} problems import {name}", f"install it: pip install {name}")


def _text_key(problem: Problem) -> bytes:
    text = " ".join(f"{problem.question} {problem.starter_code}".split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _reference_solutions(context: CheckContext, role: str) -> Iterator[Finding]:
    chosen = _chosen(context.problems[role], context.all_solutions)
    if not chosen:
        return
    identity = _identity(context, role)
    yield from context.cached_findings("data", identity, lambda: reference.check(context, role, chosen, identity))


def _identity(context: CheckContext, role: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "role": role,
        "problems": problems.ReadSettings.of(getattr(context.config.problems, role)).identity(),
        "judging": context.config.judging.model_dump(mode="json"),
        "code": codeplan.__version__,
        "judge_version": judge.VERSION,
        "python": platform.python_version(),
        "tier": context.tier,
        "packages": installed_packages(),
        "sample": 0 if context.all_solutions else SAMPLE,
    }


def _chosen(found: Sequence[Problem], all_solutions: bool) -> list[Problem]:
    """The problems whose solutions are judged; a sample takes the lowest hashes, so that it is spread over the file."""
    testable = [problem for problem in found if problem.solutions and (problem.hidden_tests or problem.example_tests)]
    return testable if all_solutions else sorted(testable, key=_hashed_id)[:SAMPLE]


def _hashed_id(problem: Problem) -> bytes:
    return hashlib.sha256(problem.problem_id.encode("utf-8", "replace")).digest()
