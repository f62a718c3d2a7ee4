"""Configurations: frozen, unknown keys rejected, overrides, messages; every shipped configuration loads."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from codeplan.config import FileSource, MiniAppsSource, ReportConfig
from codeplan.config.loading import ConfigError, load, parse, with_skip_bad

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


def test_unknown_key_lists_the_valid_keys() -> None:
    with pytest.raises(ConfigError, match=r"unknown key training\.learning_rte; valid keys here are .*learning_rate"):
        parse(MINIMAL | {"training": {"learning_rte": 1}})


def test_unknown_key_of_a_problem_source_lists_the_valid_keys() -> None:
    problems = {**MINIMAL["problems"], "train": {"reader": "mbpp", "path": "x", "splitt": "train"}}
    with pytest.raises(ConfigError, match=r"unknown key problems\.train\.splitt; valid keys here are .*split"):
        parse(MINIMAL | {"problems": problems})


def test_one_message_lists_all_errors() -> None:
    with pytest.raises(ConfigError, match=r"student\.vocab_size.*sampling\.plans"):
        parse({**MINIMAL, "student": {"vocab_size": 1}, "sampling": {"plans": 0}})


def test_overrides_are_yaml_and_set_nested_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    mixing = "training.mixing={code: 2, plan: 1, plan_code: 0}"
    config = load(path, ["student.model=", "sampling.plans=7", mixing, "problems.test.count=9"])
    assert config.student.model == ""
    assert config.sampling.plans == 7
    assert config.training.mixing["code"] == 2
    assert config.problems.test == MiniAppsSource(reader="miniapps", split="test", count=9)


@pytest.mark.parametrize("override", ["sampling.plans", "=3", "name.plans=1", "sampling.plans=[1"])
def test_malformed_override_is_an_error(tmp_path: Path, override: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: x\n")
    with pytest.raises(ConfigError, match="override"):
        load(path, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("- 1", "must be a mapping of keys to values, not a list"),
        ("only words", "must be a mapping of keys to values, not the scalar 'only words'"),
        ("a: [", "not valid YAML: line 1, column 5"),
        ("", "is empty"),
        ("# a comment\n", "is empty"),
    ],
)
def test_file_that_is_not_a_configuration_is_an_error(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        parse(MINIMAL).sampling.plans = 3  # type: ignore[misc]


def test_plan_counts_end_with_the_sampled_plans() -> None:
    assert ReportConfig().counts(20) == (1, 2, 5, 10, 20)
    assert ReportConfig(plan_counts=(3,)).counts(7) == (3, 7)


@pytest.mark.parametrize(
    "training",
    [{"batch_size": 10, "micro_batch_size": 4}, {"mixing": {"code": 0}}, {"mixing": {"code": 1, "plan": -1}}],
)
def test_impossible_training_settings_are_an_error(training: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="training"):
        parse(MINIMAL | {"training": training})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"training": {"mixing": {"code": 0}}}, r"training\.mixing"),
        ({"training": {"weights": {"code": -1}}}, r"training\.weights"),
        ({"training": {"batch_size": 8, "micro_batch_size": 8}}, r"not divisible by execution\.train_workers = 2"),
        ({"sampling": {"plans": 3}, "report": {"plan_counts": [50]}}, r"plan_counts \[50\]"),
        ({"report": {"pass_k": [0]}}, r"report\.pass_k"),
        ({"baselines": {"code_only": "steps"}}, r"code_only: Input should be a list, in brackets \(got 'steps'\)"),
    ],
)
def test_invalid_values_are_named_with_their_key(sections: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(MINIMAL | sections)


@pytest.mark.parametrize(
    "key", ["sk-abcdef123456", "gsk_0aB1cD2eF3gH4iJ5kL6m", "Bearer abcdef", "1abcdef", "schlüssel", ""]
)
def test_a_key_in_place_of_its_variables_name_is_refused_and_not_shown(key: str) -> None:
    message = r"teacher: api_key_env must be the name of an environment variable .* such as OPENAI_API_KEY, and never"
    with pytest.raises(ConfigError, match=message) as error:
        parse(MINIMAL | {"teacher": {"api_key_env": key}})
    assert "got" not in str(error.value)
    assert not key or key not in str(error.value)
    for name in ("OPENAI_API_KEY", "_key2", "MY_TEACHERS_API_KEY_FOR_2025", "my_teachers_api_key_for_2025"):
        assert parse(MINIMAL | {"teacher": {"api_key_env": name}}).teacher.api_key_env == name


def test_override_of_an_empty_section(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "teacher": None}))
    assert load(path, ["teacher.seed=3"]).teacher.seed == 3


def test_skip_bad_applies_to_every_file() -> None:
    file = {"reader": "mbpp", "path": "m.jsonl"}
    problems = with_skip_bad(parse({**MINIMAL, "problems": {**MINIMAL["problems"], "test": file}})).problems
    assert isinstance(problems.test, FileSource)
    assert problems.test.skip_bad


def test_folder_instead_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory; name the YAML file in it"):
        load(tmp_path)


def test_yaml_1_2_numbers_in_typed_and_untyped_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    architecture = "student.architecture={layer_norm_epsilon: 1e-6, d_model: 1E2, n_layer: 010, rope: [.5, 5e-1]}"
    architecture = [architecture, "student.init=scratch", "student.model="]
    config = load(
        path, ["training.learning_rate=5E-5", "sampling.plans=1e1", "training.warmup_steps=08", *architecture]
    )
    assert config.training.learning_rate == 5e-5
    assert (config.sampling.plans, config.training.warmup_steps) == (10, 8)
    assert config.student.architecture == {
        "layer_norm_epsilon": 1e-6,
        "d_model": 100,
        "n_layer": 10,
        "rope": [0.5, 0.5],
    }


def test_yaml_1_1_booleans_and_dates_stay_strings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "name": "x"}))
    overrides = ["name=2024-01-01", "tracking.experiment=no", "teacher.model=1:30", "student.model=on"]
    config = load(path, overrides)
    assert (config.name, config.tracking.experiment, config.teacher.model) == ("2024-01-01", "no", "1:30")
    assert config.student.model == "on"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "learning_rate", float("nan")),
        ("training", "weight_decay", float("inf")),
        ("training", "mixing", {"code": float("inf")}),
        ("execution", "budget_usd", float("nan")),
        ("student", "architecture", {"dropout_rate": [float("nan")]}),
        ("training", "steps", True),
        ("training", "mixing", {"code": True}),
        ("report", "pass_k", [True]),
        ("report", "seed", -1),
        ("tracking", "experiment", 7),
        ("student", "max_target_tokens", 10**9),
        ("execution", "home", ""),
    ],
)
def test_nan_infinity_booleans_and_wrong_types_are_errors(section: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"{section}.*{key}|{key}.*{section}"):
        parse({**MINIMAL, section: {key: value}})


def test_tilde_is_expanded_and_environment_variables_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    problems = {**MINIMAL["problems"], "test": {"reader": "mbpp", "path": "$HOME/m.jsonl"}}
    sections = {"problems": problems, "student": {"model": "~/t5"}, "execution": {"home": "~/runs"}}
    config = parse(MINIMAL | sections)
    assert (config.student.model, config.execution.home) == ("/somewhere/t5", "/somewhere/runs")
    assert isinstance(config.problems.test, FileSource)
    assert config.problems.test.path == "$HOME/m.jsonl"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a..b=1", "must have the form"),
        (" =1", "must have the form"),
        ("name.plans=1", "name is not a section but a value"),
        ("report.pass_k.0=1", "report.pass_k is not a section but a list"),
        ("training={steps: 1, steps: 2}", "duplicate key steps"),
        ("training.steps=!!python/object/apply:os.system [ls]", "tag !!python/object/apply:os.system is not supported"),
        ("training.steps=\udc80", "not valid YAML"),
    ],
)
def test_invalid_override_is_explained(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "name": "x", "report": {"pass_k": [1]}}))
    with pytest.raises(ConfigError, match=message):
        load(path, [override])


def test_last_of_several_overrides_of_a_key_wins(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    assert load(path, ["sampling.plans=3", "sampling.plans=4"]).sampling.plans == 4


def test_override_of_an_aliased_section_does_not_change_its_anchor(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "problems: {train: &one {reader: miniapps, split: train, count: 4}, test: *one}\nstudent: {model: m}\n"
    )
    problems = load(path, ["problems.test.count=9"]).problems
    assert isinstance(problems.train, MiniAppsSource)
    assert problems.train.count == 4


def test_empty_section_has_defaults() -> None:
    assert parse({**MINIMAL, "training": None}).training.steps == 1000


def test_errors_beyond_the_listed_ones_are_counted() -> None:
    with pytest.raises(ConfigError, match=r"and 17 more$"):
        parse({**MINIMAL, "sampling": {f"key{number}": 1 for number in range(20)}})
