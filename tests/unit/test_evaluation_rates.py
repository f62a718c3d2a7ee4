"""Solve rates by problem: their file, what a report was made from, and comparisons between runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from codeplan.config.loading import parse
from codeplan.errors import UserError
from codeplan.evaluation import lineage, rates
from codeplan.evaluation.arms import SolveRates
from codeplan.evaluation.lineage import Lineage, LineageError, differing_keys, shared_roles
from codeplan.evaluation.rates import Rates, RatesError
from codeplan.evaluation.run_comparison import compare_runs, why_not_comparable
from codeplan.inference.settings import SampleSettings
from codeplan.pipeline import build
from codeplan.records import Problem
from codeplan.renewal import _TOGETHER, _another_prompt, _changed, _examples, _has, renewed_by_key
from codeplan_sandbox import Case, Suite

JUDGING = {"comparator": "tokens", "hidden_tests.time_s": 2.0}


def problem(name: str, output: str = "1", question: str = "Add.") -> Problem:
    suite = Suite(kind="stdin", cases=(Case("1", output),), comparator="tokens")
    return Problem(problem_id=name, dataset="t", split="test", level="easy", question=question, hidden_tests=suite)


def made(
    solved: Sequence[float],
    *,
    start: int = 0,
    plans: int = 3,
    counts: Sequence[int] = (1, 3),
    judging: dict[str, Any] = JUDGING,
    problems: Sequence[Problem] | None = None,
) -> Rates:
    """The rates of a run whose arms all solve the problems with these probabilities."""
    given = problems or [problem(f"t/{start + number}") for number in range(len(solved))]
    by_plans = [dict.fromkeys(counts, rate) for rate in solved]
    solve_rates = [
        SolveRates(
            problem_id=item.problem_id,
            level=item.level,
            direct=round(rate),
            control=every,
            codeplan=every,
            fresh=every,
            best_trial=every,
            plan_after_trial=every,
            oracle=None,
            foreign=None,
            equal_pool=every,
            available={},
            pass_at_k={},
            codeplan_pass_at_k={},
            after_trial_sequences=every,
            outcomes={},
        )
        for item, rate, every in zip(given, solved, by_plans, strict=True)
    ]
    return rates.collect(
        list(map(rates.ProblemDigests.of, given)), solve_rates, SampleSettings(plans=plans, trials=2), judging
    )


def test_written_rates_are_read_back_and_have_the_same_bytes(tmp_path: Path) -> None:
    found = made([0.1 + 0.2, 1 / 3, 1.0])
    (tmp_path / "again").mkdir()
    paths = [rates.write(found, folder) for folder in (tmp_path, tmp_path / "again")]
    assert rates.read(tmp_path) == found
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert found.plan_counts == (1, 3)
    assert found.sequences == {1: 4, 3: 10}
    assert found.sampling["trials"] == 2
    assert found.of("codeplan", 3) == (0.1 + 0.2, 1 / 3, 1.0)
    assert found.of("direct", 3) == (0, 0, 1)
    assert found.mean("codeplan", 3) == pytest.approx((0.3 + 1 / 3 + 1) / 3)
    assert found.mean("oracle", 3) is None
    assert found.arms == ("direct", "control", "codeplan", "fresh", "best_trial", "plan_after_trial")
    with pytest.raises(KeyError):
        found.of("codeplan", 2)


def test_rates_out_of_range_or_without_a_problem_are_refused() -> None:
    plain = made([0.5, 0.5]).model_dump()
    with pytest.raises(ValidationError, match=r"a rate of direct is outside \[0, 1\]"):
        Rates.model_validate({**plain, "direct": (0.0, 1.5)})
    with pytest.raises(ValidationError, match="one value for each of the 2 problems"):
        Rates.model_validate({**plain, "codeplan": {1: (0.5,), 3: (0.5, 0.5)}})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', json.dumps({"plans": 3})])
def test_unreadable_rates_are_one_message(tmp_path: Path, content: str) -> None:
    (tmp_path / rates.FILE).write_text(content)
    with pytest.raises(RatesError, match=r"rates\.json is not a file of solve rates.*run the pipeline again"):
        rates.read(tmp_path)


def test_missing_files_name_the_report_folder(tmp_path: Path) -> None:
    with pytest.raises(RatesError, match=r"rates\.json cannot be read: No such file"):
        rates.read(tmp_path)
    with pytest.raises(LineageError, match=r"stages\.json cannot be read: No such file"):
        lineage.read(tmp_path)
    (tmp_path / lineage.FILE).write_text("{")
    with pytest.raises(LineageError, match=r"stages\.json is damaged"):
        lineage.read(tmp_path)


def test_differences_are_compared_minus_reference_over_shared_problems() -> None:
    (found,) = compare_runs(made([0.0, 0.25, 0.5, 1.0]), [made([0.75, 1.0, 1.0], start=1)])
    assert (found.problems, found.left_out) == (3, (1, 0))
    codeplan = next(one for one in found.differences if one.arm == "codeplan")
    assert codeplan.plans == (3, 3)
    assert codeplan.difference.mean == pytest.approx(1.0 / 3)
    assert codeplan.difference.mean == pytest.approx(codeplan.compared - codeplan.reference)
    assert codeplan.p.value == 2 / 4
    arms = ["direct", "control", "codeplan", "fresh", "best_trial", "plan_after_trial"]
    assert [one.arm for one in found.differences] == arms


def test_unequal_plan_counts_are_compared_at_the_largest_shared_and_at_their_own() -> None:
    other = made([0.5] * 4, plans=5, counts=(1, 2, 5))
    (found,) = compare_runs(made([0.5] * 4, counts=(1, 2, 3)), [other])
    assert [one.plans for one in found.differences if one.arm == "control"] == [(2, 2), (3, 5)]
    assert [one.plans for one in found.differences if one.arm == "direct"] == [None]


def test_correction_is_over_all_arms_and_runs_that_differ_anywhere() -> None:
    reference = made([0.0] * 12)
    found = compare_runs(reference, [made([1.0] * 12), made([0.0] * 12), made([0.0] * 6 + [1.0] * 6)])
    first, same, third = (one.differences for one in found)
    assert {one.p.value for one in first} == {2 / 2**12}
    assert {one.corrected for one in first} == {12 * 2 / 2**12}, "six arms of two runs are tested"
    assert {(one.p.differing, one.corrected) for one in same} == {(0, 1.0)}
    assert {one.corrected for one in third} == {6 * 2 / 2**6}


def test_the_same_problems_from_another_path_are_comparable() -> None:
    reference = made([0.5, 0.5])
    again = [item.model_copy(update={"dataset": "copy", "level": "hard"}) for item in map(problem, ("t/0", "t/1"))]
    assert why_not_comparable(reference, made([0.5, 0.5], problems=again)) == ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (made([0.5], start=7), "no problem in common: 2 such as t/0 in the reference, 1 such as t/7"),
        (
            made([0.5, 0.5], problems=[problem("t/0"), problem("t/1", question="Sub.")]),
            "1 of 2 shared problems have another question, first t/1",
        ),
        (
            made([0.5, 0.5], problems=[problem("t/1", "2"), problem("t/0")]),
            "1 of 2 shared problems have other hidden tests, first t/1",
        ),
        (
            made([0.5, 0.5], judging={**JUDGING, "hidden_tests.time_s": 9.0}),
            "limits or packages of the hidden tests differ: judging.hidden_tests.time_s 2.0 and 9.0",
        ),
        (
            made(
                [0.5, 0.5],
                judging={**JUDGING, "comparator": "exact"},
                problems=[problem("t/0", "2"), problem("t/1", "2")],
            ),
            "other hidden tests, first t/0; judging.comparator is tokens and exact",
        ),
    ],
)
def test_other_problems_or_tests_are_refused_with_the_reason(other: Rates, reason: str) -> None:
    (found,) = compare_runs(made([0.5, 0.5]), [other])
    assert reason in found.refused
    assert not found.differences


def lineage_of(plain: dict[str, Any]) -> Lineage:
    return Lineage.of(build(parse(plain))["report"])


ALIASES = {
    "problems.train.path": "problems.train.content",
    "problems.test.path": "problems.test.content",
    "problems.train.examples_path": "problems.train.examples_content",
    "problems.test.examples_path": "problems.test.examples_content",
    "execution.budget_usd": "teacher.budget_usd",
}
"""A file counts by its content, and the budget where it decides which plans there are."""
FOLLOWS = {
    "teacher.model": {"teacher.offline_version"},
    "teacher.prompt": {"teacher.prompt_version"},
    "sampling.oracle": {"sampling.foreign"},  # which takes the oracle's plans
} | {
    f"problems.{role}.{dial}": {f"problems.{role}.reader_version"}
    for role in ("train", "test")
    for dial in ("vague", "goal", "show_examples", "held_out")
}
"""What a stage looks up by itself for a key."""


def test_every_key_that_renews_a_stage_is_compared_by_its_own_name(tmp_path: Path) -> None:
    examples = [(plain, lineage_of(plain)) for plain in _examples(tmp_path)]
    for key in (key for key, roles in renewed_by_key().items() if roles and key not in _TOGETHER):
        pairs = []
        for plain, before in examples:
            with suppress(UserError), _another_prompt():  # a value may be refused beside the others of this example
                pairs += [(before, lineage_of(_changed(plain, key)))] if _has(plain, key) else []
        differing = {found for pair in pairs for found in differing_keys(pair)}
        expected = ALIASES.get(key, key)
        named = {found for found in differing if f"{found}.".startswith(f"{expected}.")}
        assert named, (key, differing)
        assert differing - named <= FOLLOWS.get(key, set()), key


def test_lineage_is_read_back_and_names_shared_stages(tmp_path: Path) -> None:
    plain, *_ = _examples(tmp_path)
    found = lineage_of(plain)
    lineage.write(found, tmp_path)
    assert lineage.read(tmp_path) == found
    assert found.fingerprints == {role: stage.fingerprint for role, stage in build(parse(plain)).items()}
    other = lineage_of({**plain, "sampling": {**plain["sampling"], "seed": 1}})
    assert set(shared_roles(found, other)) == {"train", "test", "plans", "oracle", "student"}
    assert differing_keys([found, other]) == ["sampling.seed"]
    assert lineage.SEEDS.issubset(found.settings())
