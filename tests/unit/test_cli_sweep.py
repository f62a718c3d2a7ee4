"""The sweep command refuses what cannot work in one message, before anything is computed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_pipeline import changed
from typer.testing import CliRunner

from codeplan.cli.main import app

PLANS = {"axes": {"sampling.plans": {"grid": [1, 2]}}}


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"axes": {}}, "axes"),
        ({"axes": {"sampling.plan": {"grid": [1]}}}, "unknown key sampling.plan"),
        ({**PLANS, "objective": "speed"}, "made by no stage"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused_before_anything_is_computed(
    tmp_path: Path, sweep: dict[str, Any], message: str
) -> None:
    home = tmp_path / "home"
    plain = changed(("name", "toy"), ("report", {}), ("sweep", sweep), ("execution", {"home": str(home)}))
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(plain))
    found = CliRunner().invoke(app, ["sweep", str(path)])
    assert found.exit_code == 1
    assert message in " ".join(found.output.split())
    assert not (home / "stages").exists()
    assert not (home / "sweeps").exists()


def dry_run(tmp_path: Path, sweep: dict[str, Any], *overrides: tuple[str, Any]) -> tuple[int, str]:
    home = {"home": str(tmp_path / "home")}
    plain = changed(("name", "toy"), ("report", {}), ("sweep", sweep), ("execution", home), *overrides)
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(plain))
    found = CliRunner().invoke(app, ["sweep", str(path), "--dry-run"], env={"COLUMNS": "200"})
    return found.exit_code, " ".join(found.output.split())


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (PLANS, "2 of 2 trials to run"),
        (
            {"axes": {"training.learning_rate": {"loguniform": [1e-4, 1e-2]}}, "search": "optuna", "points": 3},
            "3 of 3 trials to run, drawn by optuna as it goes; the work is estimated by trials drawn at random",
        ),
        (
            {
                "axes": {"training.learning_rate": {"loguniform": [1e-4, 1e-2]}},
                "search": "random",
                "scheduler": "pbt",
                "points": 4,
                "grace_steps": 5,
                "objective": "validation_loss/code",
            },
            "4 of 4 trials to run, drawn by the population as it goes",
        ),
    ],
)
def test_a_dry_run_shows_the_work_of_every_search(tmp_path: Path, sweep: dict[str, Any], said: str) -> None:
    code, output = dry_run(tmp_path, sweep, ("training.schedule", "constant"))
    assert code == 0, output
    assert said in output
    trainings = 1 if sweep is PLANS else sweep["points"]
    assert f"│ finetune │ {trainings} │ 0 │ {20 * trainings} steps" in output
    assert "this machine: 1 node" in output
    assert "room for a trial" in output
    assert not (tmp_path / "home" / "sweeps").exists()


def test_a_dry_run_refuses_what_this_machine_has_no_room_for(tmp_path: Path) -> None:
    code, output = dry_run(tmp_path, PLANS, ("execution.train_workers", 4096), ("training.batch_size", 16384))
    assert code == 1
    assert "stage finetune asks for 4096 CPUs" in output
