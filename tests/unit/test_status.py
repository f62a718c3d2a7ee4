"""codeplan status: what a run would do and cost, without doing it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from codeplan.cli.main import GOALS, app
from codeplan.config.loading import parse
from codeplan.pipeline import build
from codeplan.status import status_of

TRAIN, TEST, PLANS, TRIALS = 30, 20, 3, 2


def plain(home: Path, **sections: Any) -> dict[str, Any]:
    return {
        "problems": {
            "train": {"reader": "miniapps", "split": "train", "count": TRAIN},
            "test": {"reader": "miniapps", "split": "test", "count": TEST},
        },
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        "training": {"steps": 50},
        "sampling": {"plans": PLANS, "trials": TRIALS},
        "execution": {"home": str(home)},
        **sections,
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain(tmp_path / "runs")))
    return path


def test_a_new_home_needs_everything_and_status_writes_nothing(tmp_path: Path) -> None:
    found = status_of(parse(plain(tmp_path / "runs")), "report")
    assert list(found) == ["train", "test", "plans", "oracle", "student", "samples", "verdicts", "report"]
    assert {status.state for status in found.values()} == {"missing"}
    assert found["train"].left == {"problems": TRAIN}
    assert found["plans"].left["requests"] == TRAIN
    assert found["oracle"].left["requests"] == TEST
    assert found["plans"].left["prompt_tokens"] > 0
    assert found["student"].left["steps"] == 50
    budget = PLANS + PLANS * TRIALS + 1
    written = TEST * (PLANS + 1 + budget + PLANS * TRIALS + PLANS + 1)
    assert found["samples"].left["sequences"] == written, "plans, direct, sampled, trials, final programs, oracle"
    assert found["verdicts"].left["programs"] == written - TEST * PLANS
    assert not (tmp_path / "runs").exists()


def test_a_finished_stage_is_done_and_costs_nothing(
    tmp_path: Path, config: Path, new_home: Callable[[Path], Path]
) -> None:
    new_home(tmp_path / "runs")
    assert CliRunner().invoke(app, ["problems", str(config)]).exit_code == 0
    found = status_of(parse(plain(tmp_path / "runs")), "distill")
    assert {role: status.state for role, status in found.items()} == {
        "train": "done",
        "test": "done",
        "plans": "missing",
        "oracle": "missing",
    }
    assert not found["train"].left


def test_a_begun_stage_is_resumable(tmp_path: Path) -> None:
    loaded = parse(plain(tmp_path / "runs"))
    with build(loaded)["student"].lock(pytest.fail):
        pass
    assert status_of(loaded, "finetune")["student"].state == "resumable"


def test_the_price_of_plans_is_known_beforehand(tmp_path: Path) -> None:
    teacher = {"model": "m", "base_url": "https://llm.example.org/v1", "max_tokens": 100}
    execution = {"home": str(tmp_path / "runs"), "prompt_price_usd": 0.5, "completion_price_usd": 2.0}
    found = status_of(parse(plain(tmp_path / "runs", teacher=teacher, execution=execution)), "distill")
    left = found["plans"].left
    assert left["completion_tokens"] == 100 * TRAIN
    assert left["cost_usd"] == pytest.approx((left["prompt_tokens"] * 0.5 + left["completion_tokens"] * 2.0) / 1e6)


def test_json_names_stage_identity_and_state_by_role(config: Path) -> None:
    result = CliRunner().invoke(app, ["status", str(config), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["samples"]["stage"] == "sample"
    assert found["samples"]["state"] == "missing"
    assert len(found["samples"]["identity"]) == 64


@pytest.mark.parametrize("command", GOALS)
def test_a_dry_run_shows_the_work_and_does_nothing(command: str, config: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, str(config), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "missing" in result.stdout
    assert not (tmp_path / "runs").exists()
