"""Names and tags by which a person tells runs apart and finds them."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import load, overridden
from codeplan.tracking import run_name, tags
from codeplan.tracking.run_names import READABLE

DEMO = Path(__file__).parents[2] / "jobs" / "configs" / "demo.yaml"


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "demo"),
        (["sampling.plans=3"], "demo plans=3"),
        (["sampling.plans=3", "sampling.plans=4"], "demo plans=4"),
        (["training.mixing={code: 1, plan: 0.5}"], "demo mixing=1:0.5:0"),
        (["training.mixing.plan=2"], "demo mixing.plan=2"),
        (["training.learning_rate=3e-4", "sampling.oracle=false"], "demo learning_rate=0.0003 oracle=false"),
        (["execution.home=/tmp/x", "tracking.experiment=e", "name=other"], "other"),
        (
            ["problems.train={reader: mbpp, path: /data/mbpp.jsonl}", "problems.test.seed=3"],
            "demo train={reader:mbpp,path:/data/ seed=3",
        ),
        (["problems.test.seed=1", "training.seed=2"], "demo test.seed=1 training.seed=2"),
        (["sampling.plans=4", "report.plan_counts=[1, 2]"], "demo plans=4 plan_counts=1,2"),
        (
            ["execution.budget_usd=3", "teacher.model=org/gpt", "teacher.base_url=http://h/v1"],
            "demo model=gpt base_url=v1",
        ),
    ],
)
def test_run_name_says_what_the_command_overrides(overrides: list[str], name: str) -> None:
    config = load(DEMO, overrides)
    assert run_name(config.name, overridden(config, overrides)) == name


VALUES = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=9),
    st.dictionaries(st.text(max_size=9), st.integers(), max_size=4),
)
KEYS = st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), min_size=1, max_size=3).map(".".join)


@given(st.dictionaries(KEYS, VALUES, max_size=20))
def test_run_names_are_short_and_the_same_each_time(differs: dict[str, Any]) -> None:
    name = run_name("demo", differs)
    assert name == run_name("demo", dict(differs))
    assert name.startswith("demo")
    assert len(name) <= READABLE + len("demo") + 40
    assert "\n" not in name


def test_many_differences_are_counted() -> None:
    name = run_name("demo", {f"section.a_rather_long_key_{number}": number for number in range(20)})
    assert name.endswith("key_3=3 +16")


def test_tags_of_a_configuration() -> None:
    assert tags.of_config(load(DEMO)) == {
        "dataset": "miniapps",
        "train_dataset": "miniapps",
        "student": "llama from scratch",
        "teacher": "offline-syntax-tree",
    }


def with_paths(train: str, model: str) -> Config:
    source = {"reader": "jsonl", "path": train}
    plain = {"problems": {"train": source, "test": {"reader": "mbpp", "path": "/d/x"}}, "student": {"model": model}}
    return Config.model_validate(plain)


@pytest.mark.parametrize(
    ("model", "student"),
    [("Salesforce/codet5-base", "Salesforce/codet5-base"), ("/models/mine/", "mine"), ("t5", "t5")],
)
def test_tags_name_files_and_folders_without_their_path(model: str, student: str) -> None:
    made = tags.of_config(with_paths("/data/own.jsonl", model))
    assert (made["train_dataset"], made["dataset"], made["student"]) == ("own.jsonl", "mbpp", student)


def test_ray_job_is_tagged_with_its_submission_id(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RAY_JOB_CONFIG_JSON_ENV_VAR"
    monkeypatch.delenv(name, raising=False)
    assert "ray_job" not in tags.of_process()
    for broken in ("", "{", "[]", '{"metadata": null}', '{"metadata": {}}'):
        monkeypatch.setenv(name, broken)
        assert not tags.ray_job_id()
    monkeypatch.setenv(name, json.dumps({"metadata": {"job_submission_id": "raysubmit_1"}}))
    assert tags.of_process()["ray_job"] == "raysubmit_1"


@pytest.mark.parametrize(
    "settings",
    [{"register_model": "a/b"}, {"register_model": "it's"}, {"model_alias": ""}, {"model_alias": "V3"}, {"traces": -1}],
)
def test_names_that_the_registry_rejects_are_errors_before_a_run(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrackingConfig(**settings)
