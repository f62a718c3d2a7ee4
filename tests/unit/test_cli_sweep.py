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
