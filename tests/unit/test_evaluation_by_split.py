"""Problems of several splits in one report: they are also counted apart."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic_experiment import SAMPLING, as_given, experiment

from codeplan.config import ReportConfig
from codeplan.evaluation.report import build
from codeplan.evaluation.results import Report
from codeplan.evaluation.tables import as_csv, as_markdown, split_table

ASKED = ReportConfig(plan_counts=(1,), pass_k=(1,), resamples=50)


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return experiment()


@pytest.mark.parametrize("seeds", [1, 2])
def test_problems_of_several_splits_are_also_counted_apart(records: dict[str, Any], seeds: int) -> None:
    splits = ["easy" if number % 4 else "hard | <b>" for number in range(90)]
    problems = [
        problem.model_copy(update={"split": split}) for problem, split in zip(records["problems"], splits, strict=True)
    ]
    given = as_given({**records, "problems": problems}, *([records] * (seeds - 1)))
    made, rates = build(**given, sampling=SAMPLING, report=ASKED, shown_hidden_tests=[0] * 90)
    assert [row.level for row in made.by_split if row.arm == "direct"] == ["easy", "hard | <b>"]
    for row in made.by_split:
        values = [rate.rate(row.arm, 5) for rate, split in zip(rates, splits, strict=True) if split == row.level]
        known = [value for value in values if value is not None]
        assert row.solved.mean == pytest.approx(sum(known) / len(known))
        assert row.solved.n == len(known)
        assert len(row.by_seed) == (seeds if seeds > 1 else 0)
    assert f"pass@1 by split,direct,hard | <b>,5,{splits.count('hard | <b>')}," in as_csv(made)
    assert "## By split\n\n| arm | easy (n = 67) | hard \\| &lt;b> (n = 23) |" in as_markdown(made, {})
    assert made.metrics()["pass_at_1.direct.split.easy"] == made.by_split[0].solved.mean
    assert Report.from_json(made.to_json()) == made


def test_problems_of_one_split_are_not_counted_apart(records: dict[str, Any]) -> None:
    made, _ = build(**as_given(records), sampling=SAMPLING, report=ASKED, shown_hidden_tests=[0] * 90)
    assert made.by_split == ()
    assert split_table(made) is None
    assert "By split" not in as_markdown(made, {})
