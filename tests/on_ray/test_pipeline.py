"""The whole pipeline, run by the command as a user would, killed on the way, and resumed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

CODEPLAN = Path(sys.executable).with_name("codeplan")
TINY = {
    "name": "tiny",
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 400},
        "test": {"reader": "miniapps", "split": "test", "count": 40},
    },
    "student": {
        "init": "scratch",
        "architecture": {
            "model_type": "t5",
            "d_model": 32,
            "d_kv": 16,
            "d_ff": 64,
            "num_layers": 1,
            "num_decoder_layers": 1,
            "num_heads": 2,
        },
        "vocab_size": 400,
        "max_source_tokens": 160,
        "max_plan_source_tokens": 224,
        "max_target_tokens": 64,
    },
    "training": {"steps": 30, "batch_size": 8, "micro_batch_size": 4, "learning_rate": 0.003, "validation_examples": 8},
    "sampling": {"plans": 2, "trials": 1},
    "execution": {"train_workers": 2, "checkpoint_every": 5, "sample_batch": 64},
}


def command(folder: Path, *settings: str) -> list[str]:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    options = [part for setting in (f"execution.home={folder / 'runs'}", *settings) for part in ("-s", setting)]
    return [str(CODEPLAN), "run", str(path), *options]


def run(folder: Path, *settings: str) -> str:
    done = subprocess.run(
        command(folder, *settings), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kill_when(folder: Path, reached: Callable[[Path], bool], stage: str) -> None:
    """Start the pipeline, kill -9 it when the stage has done a part of its work, and no more than a part."""
    with (folder / "killed.log").open("w") as log:
        process = subprocess.Popen(
            command(folder), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 300
            while not reached(folder / "runs" / "stages" / stage):
                assert process.poll() is None, (folder / "killed.log").read_text()
                assert time.monotonic() < deadline, f"{stage} did not get there: {(folder / 'killed.log').read_text()}"
                time.sleep(0.005)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()


def report(folder: Path) -> dict[str, object]:
    paths = (folder / "runs" / "stages" / "report").glob("*/report.json")
    first = min(paths, key=lambda path: path.stat().st_mtime_ns)  # another test adds a report with other settings
    found: dict[str, object] = json.loads(first.read_text())
    return found


def answers(folder: Path) -> int:
    return len(list((folder / "runs" / "answers").glob("*/*.json")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a pipeline that ran in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    output = run(folder)
    for word in ("direct", "control", "CodePLAN", "oracle", "introductory", "pass@1"):
        assert word in output
    return folder


def test_a_run_ends_with_a_table_and_a_figure(undisturbed: Path) -> None:
    (stage,) = (undisturbed / "runs" / "stages" / "report").iterdir()
    assert (stage / "figure_plans.png").stat().st_size > 10_000
    assert (stage / "report.md").exists()
    assert (stage / "problems.html").exists()


def test_a_second_run_does_nothing_twice(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed / "runs" / "stages").rglob("done.json")}
    paid = answers(undisturbed)
    output = run(undisturbed)
    assert output.count("reused") == len(before) == 8
    assert {path: path.stat().st_mtime_ns for path in (undisturbed / "runs" / "stages").rglob("done.json")} == before
    assert answers(undisturbed) == paid


def test_a_changed_setting_runs_only_what_depends_on_it(undisturbed: Path) -> None:
    output = run(undisturbed, "report.resamples=50", "execution.sample_actors=1")
    assert output.count("reused") == 7


@pytest.mark.long
def test_killed_in_every_stage_it_ends_with_the_same_report(
    undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    kill_when(folder, lambda stage: answers(folder) >= 50, "distill")
    assert not list((folder / "runs" / "stages" / "distill").glob("*/done.json"))
    kill_when(folder, lambda stage: any(stage.glob("*/train/**/checkpoint_*")), "finetune")
    assert not list((folder / "runs" / "stages" / "finetune").glob("*/done.json"))
    kill_when(folder, lambda stage: any((folder / "runs" / "pools" / "samples").glob("*/plans/*.parquet")), "sample")
    assert not list((folder / "runs" / "stages" / "sample").glob("*/done.json"))
    kill_when(folder, lambda stage: any(stage.glob("*/lock")), "judge")
    assert not list((folder / "runs" / "stages" / "judge").glob("*/done.json"))
    run(folder)
    assert answers(folder) == answers(undisturbed)
    assert report(folder) == report(undisturbed)
