"""Configurations: closed, frozen, and every one in the repository loads."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from codeplan.config import FileSource, MiniAppsSource, SamplingConfig
from codeplan.loading import ConfigError, load, parse, skipping_bad

ROOT = Path(__file__).parents[2]
MINIMAL = {
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 4},
        "test": {"reader": "miniapps", "split": "test", "count": 4},
    },
    "student": {"model": "somewhere"},
}


@pytest.mark.parametrize("path", sorted((ROOT / "jobs" / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert load(path).name


def test_unknown_keys_are_named_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown key training\.learning_rte; valid keys here are .*learning_rate"):
        parse(MINIMAL | {"training": {"learning_rte": 1}})


def test_unknown_keys_inside_a_source_are_named() -> None:
    problems = {**MINIMAL["problems"], "train": {"reader": "mbpp", "path": "x", "splitt": "train"}}
    with pytest.raises(ConfigError, match=r"unknown key problems\.train\.splitt; valid keys here are .*split"):
        parse(MINIMAL | {"problems": problems})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"student\.vocabulary.*sampling\.plans"):
        parse({**MINIMAL, "student": {"vocabulary": 1}, "sampling": {"plans": 0}})


def test_overrides_are_yaml_and_reach_nested_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    mixing = "training.mixing={code: 2, plan: 1, plan_code: 0}"
    config = load(path, ["student.model=", "sampling.plans=7", mixing, "problems.test.count=9"])
    assert config.student.model == ""
    assert config.sampling.plans == 7
    assert config.training.mixing["code"] == 2
    assert config.problems.test == MiniAppsSource(reader="miniapps", split="test", count=9)


@pytest.mark.parametrize("override", ["sampling.plans", "=3", "name.plans=1", "sampling.plans=[1"])
def test_a_broken_override_is_named(tmp_path: Path, override: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: x\n")
    with pytest.raises(ConfigError, match="override"):
        load(path, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot read"), ("- 1", "must hold keys"), ("a: [", "no valid YAML"), ("", "must hold keys")],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        parse(MINIMAL).sampling.plans = 3  # type: ignore[misc]


def test_plan_counts_end_with_the_pool() -> None:
    assert SamplingConfig(plans=20).counts() == (1, 2, 5, 10, 20)
    assert SamplingConfig(plans=7, plan_counts=(3,)).counts() == (3, 7)


@pytest.mark.parametrize(
    "training",
    [{"batch_size": 10, "micro_batch_size": 4}, {"mixing": {"code": 0}}, {"mixing": {"code": 1, "plan": -1}}],
)
def test_training_that_cannot_work_is_refused(training: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="training"):
        parse(MINIMAL | {"training": training})


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"training": {"mixing": {"code": 0}}}, r"training\.mixing"),
        ({"training": {"weights": {"code": -1}}}, r"training\.weights"),
        ({"training": {"batch_size": 8, "micro_batch_size": 8}}, r"train_workers = 2 cannot share"),
        ({"sampling": {"plans": 3, "plan_counts": [50]}}, r"plan_counts \[50\]"),
        ({"report": {"pass_k": [0]}}, r"report\.pass_k"),
    ],
)
def test_values_that_make_no_sense_are_named(sections: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(MINIMAL | sections)


def test_an_empty_section_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "teacher": None}))
    assert load(path, ["teacher.seed=3"]).teacher.seed == 3


def test_bad_rows_can_be_left_out_of_every_file() -> None:
    file = {"reader": "mbpp", "path": "m.jsonl"}
    problems = skipping_bad(parse({**MINIMAL, "problems": {**MINIMAL["problems"], "test": file}})).problems
    assert isinstance(problems.test, FileSource)
    assert problems.test.skip_bad
