"""Checks before a run: each fault of a configuration is found before any stage runs, and a sound one passes."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from codeplan.cli.main import app

KEY = "sk-planted-0123456789"
CODEPLAN = Path(sys.executable).with_name("codeplan")


def problem(split: str, number: int) -> dict[str, Any]:
    return {
        "problem_id": f"sums/{split}/{number}",
        "dataset": "sums",
        "split": split,
        "level": "easy",
        "question": f"Add up the numbers of the line and {number}. ({split})",
        "solutions": [f"numbers = list(map(int, input().split()))\nprint(sum(numbers) + {number})"],
        "example_tests": {"kind": "stdin", "cases": [{"input": "1 2\n", "output": f"{3 + number}\n"}]},
        "hidden_tests": {"kind": "stdin", "cases": [{"input": "4 5\n", "output": f"{9 + number}\n"}]},
    }


class Planted:
    """A sound experiment in a folder; tests plant one fault in it."""

    def __init__(self, folder: Path, teacher: str) -> None:
        self.folder = folder
        self.rows = {split: [problem(split, number) for number in range(count)] for split, count in SIZES.items()}
        tiny = {"model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
        self.plain: dict[str, Any] = {
            "name": "planted",
            "problems": {split: {"reader": "jsonl", "path": str(folder / f"{split}.jsonl")} for split in SIZES},
            "teacher": {"model": "m", "base_url": teacher, "api_key_env": "PLANTED_KEY"},
            "student": {"init": "scratch", "architecture": tiny, "vocabulary": 300},
            "training": {"validation_examples": 4},
            "tracking": {"uri": f"sqlite:///{folder}/store/mlflow.db"},
            "execution": {"home": str(folder / "runs"), "request_attempts": 1, "prompt_price_usd": 1.0},
        }

    def set(self, key: str, value: Any) -> None:
        *sections, last = key.split(".")
        plain = self.plain
        for section in sections:
            plain = plain.setdefault(section, {})
        plain[last] = value

    def write(self) -> Path:
        for split, rows in self.rows.items():
            (self.folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(self.plain))
        return path

    def check(self, *options: str) -> Result:
        return CliRunner().invoke(app, ["check", str(self.write()), *options])

    def stages(self) -> list[Path]:
        return list((self.folder / "runs" / "stages").glob("*/*"))


SIZES = {"train": 12, "test": 6}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One MLflow store for all: to make one takes seconds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def planted(tmp_path: Path, store: Path, teacher_process: Any, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    experiment = Planted(tmp_path, teacher_process.base_url)
    experiment.set("tracking.uri", f"sqlite:///{store}/mlflow.db")
    return experiment


def said(result: Result) -> str:
    """What was shown, without the terminal's line breaks."""
    return " ".join((result.stdout + result.stderr).split())


def test_a_sound_configuration_passes_and_no_stage_runs(planted: Planted) -> None:
    result = planted.check()
    shown = said(result)
    assert result.exit_code == 0, shown
    for area in ("configuration", "home", "mlflow", "sandbox", "data", "student", "ray", "teacher"):
        assert f"✓ {area} " in shown, shown
    assert "✗" not in shown
    assert "! " not in shown, shown
    assert "12 of 12 sampled reference solutions pass" in shown
    assert "about $" in shown
    assert not planted.stages()


def test_a_second_check_asks_nobody_and_finds_the_same(planted: Planted, fake_teacher: Any) -> None:
    first = planted.check()
    assert fake_teacher.counts()["answered"] == 1
    second = planted.check()
    assert fake_teacher.counts()["answered"] == 1
    again = said(second).replace("answered in an earlier run:", "answers:")
    assert again == said(first)


def test_the_answer_of_the_check_is_not_paid_again(planted: Planted, fake_teacher: Any) -> None:
    assert planted.check().exit_code == 0
    (answer,) = (planted.folder / "runs" / "answers").glob("*/*.json")
    stored = json.loads(answer.read_text())
    assert "numbers of the line and 0" in stored["request"]["messages"][-1]["content"]


def row_for(planted: Planted, split: str, **fields: Any) -> None:
    """Give every problem of a split these fields."""
    for row in planted.rows[split]:
        row.update(fields)


def twice(planted: Planted) -> None:
    path = planted.write()
    path.write_text(path.read_text() + "training: {steps: 5}\n")
    planted.write = lambda: path  # type: ignore[method-assign]


def stdin_suite(given: str, wanted: str) -> dict[str, Any]:
    return {"kind": "stdin", "cases": [{"input": given, "output": wanted}]}


def answer_all(planted: Planted, **directive: Any) -> None:
    """Have the teacher treat every request so."""
    for row in planted.rows["train"]:
        row["question"] += f" @@{json.dumps(directive)}@@"


Fault = Callable[[Planted], None]
BY_ORDER = "import random\nxs = input().split()\n{}\nprint(*xs)"
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "a section twice": (twice, ("training", "config.yaml")),
    "a text for a number": (lambda x: x.set("training.learning_rate", "fast"), ("training.learning_rate", "fast")),
    "an unknown key": (lambda x: x.set("training.stepps", 1), ("training.stepps", "steps")),
    "a missing file": (lambda x: x.set("problems.test.path", "none.jsonl"), ("problems.test.path", "none.jsonl")),
    "an unknown prompt": (lambda x: x.set("teacher.prompt", "foreward"), ("foreward", "backward")),
    "a home below a file": (
        lambda x: x.set("execution.home", f"{x.folder}/config.yaml/runs"),
        ("execution.home", "Not a directory"),
    ),
    "no mlflow server": (lambda x: x.set("tracking.uri", "http://127.0.0.1:9"), ("127.0.0.1:9", "tracking.uri")),
    "too many actors": (lambda x: x.set("execution.judge_actors", 999), ("stage judge", "execution")),
    "no gpu": (lambda x: x.set("execution.gpus_per_worker", 64), ("stage finetune", "GPU")),
    "a student's folder that is not there": (
        lambda x: x.set("student", {"model": "./no-student"}),
        ("student.model", "no-student"),
    ),
    "an unknown architecture key": (lambda x: x.set("student.architecture.d_modle", 8), ("d_modle",)),
    "an architecture that cannot be": (lambda x: x.set("student.architecture.d_model", 0), ("student",)),
    "positions too few": (
        lambda x: x.set("student.architecture", {"model_type": "gpt2", "n_positions": 64, "n_embd": 8, "n_head": 1}),
        ("n_positions", "student.source_tokens"),
    ),
    "targets that are cut": (lambda x: x.set("student.target_tokens", 4), ("student.target_tokens", "12")),
    "no teacher there": (lambda x: x.set("teacher.base_url", "http://127.0.0.1:9/v1"), ("127.0.0.1:9",)),
    "no key": (lambda x: x.set("teacher.api_key_env", "NO_SUCH_KEY"), ("NO_SUCH_KEY",)),
    "a wrong key": (lambda x: answer_all(x, status=401, say="the key {key} is wrong"), ("teacher.api_key_env",)),
    "an unknown model": (lambda x: answer_all(x, status=404, say="no model m"), ("no model m", "teacher.model")),
    "answers without a plan": (lambda x: answer_all(x, text="<think>hm</think>"), ("thoughts alone",)),
    "no price": (lambda x: x.set("execution.prompt_price_usd", 0.0), ("price of m is not known", "up to 18 requests")),
    "a budget without prices": (
        lambda x: (x.set("execution.budget_usd", 1.0), x.set("execution.prompt_price_usd", 0.0)),  # type: ignore[func-returns-value]
        ("budget_usd", "prompt_price_usd"),
    ),
    "a budget too small": (lambda x: x.set("execution.budget_usd", 1e-4), ("more than the budget", "budget_usd")),
    "a broken row": (lambda x: x.rows["train"][4].pop("question"), ("train.jsonl, line 5", "question")),
    "no solutions": (lambda x: row_for(x, "train", solutions=[]), ("none of the 12 training problems",)),
    "no hidden tests": (lambda x: row_for(x, "test", hidden_tests=None), ("none of the 6 test problems",)),
    "all held out": (lambda x: x.set("training.validation_examples", 12), ("validation_examples", "12")),
    "test problems that are learnt": (
        lambda x: row_for(x, "test", question=x.rows["train"][0]["question"]),
        ("6 test problems have the question of a training problem",),
    ),
    "solutions that need a package": (
        lambda x: row_for(x, "train", solutions=["import numpy_but_not_there"]),
        ("the solution needs the package numpy_but_not_there",),
    ),
    "tests that need a package": (
        lambda x: row_for(
            x,
            "train",
            hidden_tests={"kind": "assert", "tests": ["import package_not_there\nassert f() == 1"], "setup": ""},
            solutions=["def f(): return 1"],
        ),
        ("the test needs the package package_not_there", "the tests of 12 problems import package_not_there"),
    ),
    "a limit too low": (
        lambda x: (row_for(x, "train", solutions=["while True: pass"]), x.set("judging.time_s", 0.05)),  # type: ignore[func-returns-value]
        ("limit too low: time limit", "judging.time_s"),
    ),
    "several right answers": (
        lambda x: row_for(
            x,
            "train",
            solutions=["print(2)", "print(4)"],
            hidden_tests=stdin_suite("", "6"),
        ),
        ("several right answers",),
    ),
    "another order of lines": (
        lambda x: row_for(x, "train", solutions=["print(2); print(1)"], hidden_tests=stdin_suite("", "1\n2\n")),
        ("another order or format", "problems.comparator: apps"),
    ),
    "tests that do not fit": (
        lambda x: row_for(x, "train", solutions=["print(int(input()))", "print(float(input()))"]),
        ("reader fault", "ValueError"),
    ),
    "a Python 2 solution": (lambda x: row_for(x, "train", solutions=["print 1"]), ("not Python 3",)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_before_any_stage_runs(planted: Planted, name: str) -> None:
    plant, words = FAULTS[name]
    plant(planted)
    result = planted.check()
    shown = said(result)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "✗ " in shown or "! " in shown or "codeplan: " in shown, shown
    for word in words:
        assert word in shown
    assert "Traceback" not in shown
    assert KEY not in shown
    assert not planted.stages()


SMALL_DISK = """
mount -t tmpfs -o size=2m tmpfs "$1/runs" || exit 77
exec "$2" check "$1/config.yaml"
"""


def test_a_disk_that_is_nearly_full(planted: Planted) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace to make a small disk")
    (planted.folder / "runs").mkdir()
    planted.write()
    arguments = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", planted.folder, CODEPLAN]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗ home            the disk is nearly full" in done.stdout
    assert "Traceback" not in done.stderr


def test_checks_at_once_ask_once(planted: Planted, fake_teacher: Any) -> None:
    answer_all(planted, delay=1)
    command = [CODEPLAN, "check", planted.write()]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert fake_teacher.counts()["answered"] == 1


def test_a_terminal_without_unicode_shows_plain_marks(planted: Planted) -> None:
    planted.set("execution.judge_actors", 999)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [CODEPLAN, "check", planted.write()], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "\nx ray " in done.stdout
    assert "+ home " in done.stdout


def test_a_teacher_that_counts_no_tokens_has_a_cost_at_most(planted: Planted) -> None:
    answer_all(planted, usage={"prompt_tokens": 100, "completion_tokens": None})
    assert "up to 18 requests, at most $" in said(planted.check())


def test_findings_are_not_taken_for_those_of_other_data(planted: Planted) -> None:
    """With an unknown prompt no stage has an identity, so nothing tells the two data sets apart."""
    planted.set("teacher.prompt", "foreward")
    assert "12 of 12 sampled reference solutions pass" in said(planted.check())
    row_for(planted, "train", solutions=["print(2)"])
    assert "0 of 12 sampled reference solutions pass" in said(planted.check())


def test_a_sample_that_takes_too_long_is_said_to_be_one(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeplan.preflight.reference.SECONDS", 0.2)
    row_for(planted, "train", solutions=["while True: pass"])
    planted.set("judging.time_s", 0.3)
    assert "train: only 1 of 12 sampled solutions could be judged in 0.2 s" in said(planted.check())


class _MLflowServer(BaseHTTPRequestHandler):
    """Knows one experiment, and asks for no password."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        experiment = {"experiment_id": "1", "name": "codeplan", "artifact_location": "x", "lifecycle_stage": "active"}
        body = json.dumps({"experiment": experiment}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def test_the_password_of_an_mlflow_server_is_not_shown(planted: Planted) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _MLflowServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        planted.set("tracking.uri", f"http://me:planted-password@127.0.0.1:{server.server_port}")
        shown = said(planted.check())
        server.shutdown()
    assert f"✓ mlflow http://me:***@127.0.0.1:{server.server_port}" in shown
    assert "planted-password" not in shown
