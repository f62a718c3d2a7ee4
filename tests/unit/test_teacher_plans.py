"""From a teacher's text to a plan, and what of the solution leaks into it."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.teacher.plans import clean_plan, leakage

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PLAN = "1. Read the list.\n2. Print its sum."


def rows(name: str) -> list[dict]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        PLAN,
        f"\n\n{PLAN}  \n\n",
        PLAN.replace("\n", "\r\n\r\n"),
        f"Plan:\n{PLAN}",
        f"**Plan:**\n\n{PLAN}",
        f"## Step-by-step plan\n{PLAN}",
        f"How to solve:\n{PLAN}",
        f"Sure!\nHere's the plan behind the solution:\n\n{PLAN}",
        f"Here is a step by step plan for this solution:\n{PLAN}",
        f"Plan: {PLAN}",
        f"```\n{PLAN}\n```",
        f"```text\n{PLAN}\n```",
        f"```markdown\n{PLAN}",
        f"<think>Let me see.\n\nIt sums.</think>\n{PLAN}",
        f"{PLAN}\n```python\nprint(sum(map(int, input().split())))\n```",
    ],
)
def test_headings_fences_and_programs_are_removed_and_the_steps_kept(text):
    assert clean_plan(text) == PLAN


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "```\n```", "Plan:", "<think>never ended", "```python\nx = 1\n```", "def f(x):\n    return x", "..."],
)
def test_a_text_without_a_plan_gives_an_empty_plan(text):
    assert clean_plan(text) == ""


def test_numbering_and_indentation_are_kept():
    nested = "1. For each value:\n  2. Add it.\nStep 3. Print."
    assert clean_plan(nested) == nested


@settings(deadline=None)
@given(st.text())
def test_cleaning_never_fails_and_leaves_no_empty_line(text):
    plan = clean_plan(text)
    assert all(line.strip() for line in plan.split("\n")) or plan == ""


@settings(deadline=None)
@given(st.lists(st.sampled_from([PLAN, "```python\nx = 1\n```", "Plan:", "```", "words", "<think>", "</think>"])))
def test_cleaning_a_clean_plan_changes_nothing(parts):
    plan = clean_plan("\n".join(parts))
    assert clean_plan(plan) == plan or "```" in plan or "think>" in plan


def test_leakage_is_the_fraction_of_solution_lines_in_the_plan():
    solution = "import sys\nvalues = [v for v in values if v % 2]\nprint(sum(values))\nx = 1\n"
    assert leakage(PLAN, solution) == 0.0
    assert leakage("1. Do `print( sum(values) )`.", solution) == 0.5
    assert leakage(solution, solution) == 1.0
    assert leakage("x = 1", "x = 1\nimport sys") == 0.0


@settings(deadline=None)
@given(plan=st.text(), solution=st.text())
def test_leakage_is_between_0_and_1(plan, solution):
    assert 0.0 <= leakage(plan, solution) <= 1.0


def test_real_plans_of_open_models_are_cleaned():
    plans = [clean_plan(row["plan"]) for row in rows("plans_raw1055.jsonl.gz")]
    assert sum(not plan for plan in plans) < 0.06 * len(plans)  # programs in place of plans
    assert not any("```" in plan for plan in plans)


def test_cleaning_real_plans_removes_only_the_heading():
    for row in rows("plans_clean606.jsonl.gz"):
        plan = clean_plan(row["plan"])
        assert not plan.startswith("How to solve")
        steps = row["plan"].removeprefix("How to solve:\n")
        assert plan.split() == steps.split()
