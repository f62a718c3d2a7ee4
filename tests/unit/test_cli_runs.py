"""codeplan runs, on a real SQLite store with runs that ended in every way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from codeplan.cli import runs
from codeplan.cli.main import app
from codeplan.config import TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import PARENT, Tracker
from codeplan.tracking.history import History

RATES = {"direct": 0.25, "control": 0.5, "codeplan": 0.3, "best_trial": 0.45, "oracle": 1.0}
NEWEST_FIRST = ["killed", "axes", "plans", "broken [red]", "second", "first"]

DIES = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_cli_runs import config
from codeplan.config import TrackingConfig
from codeplan.tracking import Tracker
with Tracker(TrackingConfig(), Path(sys.argv[1])).experiment(config("killed"), {"kind": "pipeline"}) as run:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def config(name: str) -> Any:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Path:
    home = new_home(tmp_path_factory.mktemp("listed"))
    tracker = Tracker(TrackingConfig(), home)
    numbers = {"problems": 240.0, **{f"pass_at_1.{arm}.all": rate for arm, rate in RATES.items()}}
    for name, reused in (("first", {}), ("second", {"reused_from": "another run"})):
        with tracker.experiment(config(name), {"kind": "pipeline", "goal": "report"}) as run:
            for role in ("plans", "oracle"):
                tags = {"kind": "stage", "stage": "distill", "role": role, **reused}
                with tracker.stage(run, role, tags) as stage:
                    stage.metrics({"teacher.cost_usd": 0.75})
            run.metrics({**numbers, "pass_at_1.direct.interview": 0.9})
    with suppress(ValueError), tracker.experiment(config("broken [red]"), {"kind": "pipeline"}):
        raise ValueError("row 3\nis broken")
    with tracker.experiment(config("plans"), {"kind": "pipeline", "goal": "distill"}):
        pass
    with tracker.experiment(config("axes"), {"kind": "sweep"}) as sweep:
        sweep.metrics({**numbers, "teacher.cost_usd": 3.5})
        with tracker.experiment(config("one point"), {"kind": "trial", PARENT: sweep.run_id}):
            pass
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", DIES, str(home), here], capture_output=True, text=True, check=False)
    return home


def listed(home: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["runs", "--home", str(home), *options])


def plain(home: Path, *options: str) -> list[dict[str, Any]]:
    result = listed(home, "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_pipelines_and_sweeps_are_listed_newest_first_without_stages_and_trials(home: Path) -> None:
    assert [run["name"] for run in plain(home)] == NEWEST_FIRST
    assert [run["name"] for run in plain(home, "--limit", "2")] == NEWEST_FIRST[:2]
    assert "one point" in [run["name"] for run in plain(home, "--trials")]


def test_state_numbers_and_what_was_paid(home: Path) -> None:
    found = {run["name"]: run for run in plain(home)}
    assert {name: run["state"] for name, run in found.items()} == {
        "first": "finished",
        "second": "finished",
        "broken [red]": "failed",
        "plans": "finished",
        "axes": "finished",
        "killed": "died",
    }
    assert found["first"]["rates"] == RATES
    assert found["first"]["problems"] == 240
    assert found["first"]["paid_usd"] == 1.5
    assert found["second"]["paid_usd"] == 0.0, "its plans were reused"
    assert found["plans"]["paid_usd"] is None
    assert found["axes"]["paid_usd"] == 3.5
    assert found["axes"]["kind"] == "sweep"
    assert found["plans"]["goal"] == "distill"
    assert found["broken [red]"]["error"] == "ValueError: row 3\nis broken"
    assert found["killed"]["took_s"] is None
    assert found["first"]["started"] < found["first"]["ended"]


def test_listing_changes_nothing(home: Path) -> None:
    listed(home)
    assert plain(home)[0]["state"] == "died", "the next run closes it, not this command"


@pytest.mark.parametrize(("width", "lines"), [(80, 3), (120, 1)])
def test_table_fits_the_terminal(
    home: Path, monkeypatch: pytest.MonkeyPatch, width: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "console", lambda: Console(width=width))
    runs.runs(home=home)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, shown)) <= width
    text = "\n".join(shown)
    for word in ("broken [red]", "failed: ValueError: row 3 is broken", "axes (sweep)", "plans (until distill)"):
        assert word in text
    position = next(number for number, line in enumerate(shown) if " first" in line)
    of_run = " ".join(" ".join(shown[position : position + lines]).replace("\xa0", " ").split())
    for word in ("finished", "240", "25.0 50.0 30.0 45.0 100.0", "$1.50"):
        assert word in of_run


def test_a_home_without_runs_is_one_message(tmp_path: Path) -> None:
    result = listed(tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"codeplan: no runs in {tmp_path / 'nothing'}: ")
    assert not (tmp_path / "nothing").exists()


def test_a_home_with_an_empty_database_says_how_to_start(tmp_path: Path, new_home: Callable[[Path], Path]) -> None:
    assert "no runs yet" in listed(new_home(tmp_path)).stdout


def test_an_unreachable_server_is_one_message_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = listed(tmp_path, "--uri", "http://me:secret@127.0.0.1:9")
    assert result.exit_code == 1
    assert "MLflow at http://me:***@127.0.0.1:9 cannot be read" in result.stderr
    assert "secret" not in result.output
    assert result.stderr.count("\n") == 1


def test_queries_do_not_grow_with_the_number_of_runs(home: Path) -> None:
    history = History(TrackingConfig(), home)
    calls: list[str] = []
    search = history._client.search_runs
    history._client.search_runs = lambda *given, **options: (calls.append(""), search(*given, **options))[1]  # type: ignore[method-assign]
    assert len(history.latest(50)) == len(NEWEST_FIRST)
    assert len(calls) == 2
