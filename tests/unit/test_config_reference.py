"""The settings reference: every key has a docstring, the schema in docs is current and strict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from codeplan.config.loading import parse
from codeplan.config.reference import SCHEMA, json_schema, sections, settings_page
from codeplan.config.yaml_reader import read_yaml

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "jobs" / "configs").glob("*.yaml"))
SETTINGS = [setting for section in sections() for setting in section.settings]
BY_KEY = {setting.key: setting for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_key_has_a_docstring(setting: Any) -> None:
    assert setting.meaning.endswith(".")


def test_every_section_has_a_docstring() -> None:
    assert all(section.meaning.endswith(".") for section in sections())


def test_every_key_of_a_loaded_configuration_is_listed() -> None:
    def keys(value: dict[str, Any], path: str) -> set[str]:
        found = set()
        for name, inner in value.items():
            if inner is None and name == "sweep":  # a section that may be missing
                continue
            key = f"{path}{name}"
            found |= {key} if key in BY_KEY or not isinstance(inner, dict) else keys(inner, f"{key}.")
        return found

    for path in CONFIGS:
        plain = read_yaml(path.read_bytes())
        assert keys(parse(plain).model_dump(mode="json"), "") <= set(BY_KEY)


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("sampling.plans", "integer > 0", "`20`"),
        ("sampling.top_p", "number > 0 and <= 1", "`0.95`"),
        ("execution.home", "path (not empty)", '`"runs"`'),
        ("execution.budget_usd", "number > 0 or `null`", "`null`"),
        ("sampling.oracle", "`true` or `false`", "`true`"),
        ("training.precision", "`fp32`, `bf16`", '`"fp32"`'),
        ("report.pass_k", "list of integer > 0", "`[1, 5]`"),
        ("training.weights", "mapping of `code`, `plan`, `plan_code` to number", "`{}`"),
        ("problems.train.count", "integer > 0", "required"),
        ("problems.test.path", "path (not empty)", "required"),
        ("judging.hidden_tests.time_s", "number > 0", "`2.0`"),
    ],
)
def test_values_and_default_of_a_key(key: str, kind: str, default: str) -> None:
    assert (BY_KEY[key].kind, BY_KEY[key].default) == (kind, default)


def test_renewed_stages_are_a_column() -> None:
    page = settings_page({"sampling.plans": ["samples", "verdicts"]})
    (row,) = (line for line in page.splitlines() if line.startswith("| `sampling.plans` |"))
    assert row.endswith("| samples, verdicts |")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configurations_match_the_schema_that_they_name(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()
    jsonschema.validate(read_yaml(path.read_bytes()), json.loads(named.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "wrong",
    [{"training": {"learning_rte": 1}}, {"sampling": {"plans": 0}}, {"problems": {"train": {"reader": "csv"}}}],
)
def test_schema_rejects_what_the_models_reject(wrong: dict[str, Any]) -> None:
    plain = read_yaml((ROOT / "jobs" / "configs" / "demo.yaml").read_bytes())
    schema = json_schema()
    jsonschema.validate(plain | {"training": None}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain | wrong, schema)


def test_schema_in_docs_is_current() -> None:
    schema = json.loads((ROOT / "docs" / SCHEMA).read_text(encoding="utf-8"))
    assert schema == json_schema(), "run python -m codeplan.renewal docs"
