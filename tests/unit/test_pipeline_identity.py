"""For every key of the configuration, the stages that it renews."""

from pathlib import Path
from typing import Any

import pytest

from codeplan.config.loading import parse
from codeplan.config.reference import sections, settings_page
from codeplan.pipeline import build
from codeplan.renewal import renewed_by_key

SAMPLING = ["samples", "verdicts", "report"]
TRAINING = ["student", *SAMPLING]
TRAIN = ["train", "plans", *TRAINING]
TEST = ["test", "oracle", *SAMPLING]

EXPECTED = {
    "problems.train": TRAIN,
    "problems.test": TEST,
    "teacher": ["plans", "oracle", *TRAINING],
    "teacher.solutions_per_problem": ["plans", *TRAINING],
    "teacher.plans_per_solution": ["plans", *TRAINING],
    "teacher.base_url": [],
    "teacher.api_key_env": [],
    "student": TRAINING,
    "training": TRAINING,
    "sampling": SAMPLING,
    "sampling.oracle": ["oracle", *SAMPLING],
    "judging.comparator": SAMPLING,
    "judging.example_tests": SAMPLING,
    "judging.hidden_tests": ["verdicts", "report"],
    "report": ["report"],
    "report.plan_counts": SAMPLING,  # where the smallest changes
    "name": [],
    "tracking": [],
    "execution": [],
}


@pytest.fixture(scope="module")
def renewed() -> dict[str, list[str]]:
    return renewed_by_key()


def expected(key: str) -> list[str]:
    """What the longest part of the key that is named above renews."""
    parts = key.split(".")
    return next(
        EXPECTED[".".join(parts[:end])] for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in EXPECTED
    )


KEYS = sorted({setting.key for section in sections() for setting in section.settings})


@pytest.mark.parametrize("key", KEYS)
def test_a_changed_key_renews_what_depends_on_it(key: str, renewed: dict[str, list[str]]) -> None:
    assert renewed[key] == expected(key)


def test_the_table_in_the_docs_is_current(renewed: dict[str, list[str]]) -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(renewed), "run python -m codeplan.renewal docs"


def plain(**sections_: Any) -> dict[str, Any]:
    source = {"reader": "miniapps", "split": "train", "count": 2}
    return {
        "problems": {"train": source, "test": {**source, "split": "test"}},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        **sections_,
    }


def fingerprints(**sections_: Any) -> dict[str, str]:
    return {role: stage.fingerprint for role, stage in build(parse(plain(**sections_))).items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {role for role in {*before, *after} if before.get(role) != after.get(role)}


def test_more_points_on_the_curve_renew_only_the_report() -> None:
    before = fingerprints(sampling={"plans": 8}, report={"plan_counts": [1, 8]})
    assert changed(before, fingerprints(sampling={"plans": 8}, report={"plan_counts": [1, 3, 5, 8]})) == {"report"}


def test_a_file_counts_by_its_content_and_not_by_its_path(tmp_path: Path) -> None:
    names = ("a.jsonl", "b.jsonl", "c.jsonl")
    for name, text in zip(names, ("{}", "{}", "[]"), strict=True):
        (tmp_path / name).write_text(text)
    a, b, c = (
        fingerprints(problems={split: {"reader": "jsonl", "path": str(tmp_path / name)} for split in ("train", "test")})
        for name in names
    )
    assert a == b
    assert changed(a, c) == set(a)


def test_one_source_for_both_splits_keeps_both_roles() -> None:
    source = {"reader": "miniapps", "split": "train", "count": 2}
    pipeline = build(parse(plain(problems={"train": source, "test": source})))
    assert pipeline["train"].fingerprint == pipeline["test"].fingerprint
    assert list(pipeline)[:2] == ["train", "test"]


def test_a_stage_needs_what_it_reads_from_and_nothing_else() -> None:
    config = parse(plain(student={"model": "organisation/unknown"}))
    assert list(build(config, "problems")) == ["train", "test"], "no hub is asked for a model"
    assert list(build(config, "distill")) == ["train", "test", "plans", "oracle"]
    config = parse(plain())
    assert list(build(config, "finetune")) == ["train", "plans", "student"]
    assert list(build(config, "judge")) == ["train", "test", "plans", "oracle", "student", "samples", "verdicts"]
