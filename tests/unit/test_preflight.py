"""Checks before a run: every fault in a configuration is found before any stage runs, and a valid one passes."""

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
from codeplan.preflight.run import AREAS

KEY = "sk-test-0123456789"
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


class Experiment:
    """A valid experiment in a folder, into which a test puts a fault."""

    def __init__(self, folder: Path, teacher: str) -> None:
        self.folder = folder
        self.rows = {split: [problem(split, number) for number in range(count)] for split, count in SIZES.items()}
        tiny = {"model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
        self.plain: dict[str, Any] = {
            "name": "experiment",
            "problems": {split: {"reader": "jsonl", "path": str(folder / f"{split}.jsonl")} for split in SIZES},
            "teacher": {"model": "m", "base_url": teacher, "api_key_env": "TEST_KEY"},
            "student": {"init": "scratch", "architecture": tiny, "vocab_size": 300},
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
    """One MLflow store for all tests, as creating one takes seconds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def experiment(tmp_path: Path, store: Path, teacher_process: Any, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    valid = Experiment(tmp_path, teacher_process.base_url)
    valid.set("tracking.uri", f"sqlite:///{store}/mlflow.db")
    return valid


def output_of(result: Result) -> str:
    """The output without the terminal's line breaks."""
    return " ".join((result.stdout + result.stderr).split())


def test_valid_configuration_passes_and_no_stage_runs(experiment: Experiment) -> None:
    result = experiment.check()
    shown = output_of(result)
    assert result.exit_code == 0, shown
    for area in ("configuration", "home", "mlflow", "sandbox", "data", "student", "ray", "teacher"):
        assert f"✓ {area} " in shown, shown
    assert "✗" not in shown
    assert "! " not in shown, shown
    assert "12 of 12 sampled reference solutions pass" in shown
    assert "about $" in shown
    assert not experiment.stages()


def test_second_check_sends_no_request_and_finds_the_same(experiment: Experiment, fake_teacher: Any) -> None:
    first = experiment.check()
    assert fake_teacher.counts()["answered"] == 1
    second = experiment.check()
    assert fake_teacher.counts()["answered"] == 1
    again = output_of(second).replace("answered in an earlier run:", "answers:")
    assert again == output_of(first)


def test_answer_of_the_check_is_stored_in_the_cache(experiment: Experiment, fake_teacher: Any) -> None:
    assert experiment.check().exit_code == 0
    (answer,) = (experiment.folder / "runs" / "answers").glob("*/*.json")
    stored = json.loads(answer.read_text())
    assert "numbers of the line and 0" in stored["request"]["messages"][-1]["content"]


def set_fields(experiment: Experiment, split: str, **fields: Any) -> None:
    """Set these fields in every problem of a split."""
    for row in experiment.rows[split]:
        row.update(fields)


def duplicate_section(experiment: Experiment) -> None:
    path = experiment.write()
    path.write_text(path.read_text() + "training: {steps: 5}\n")
    experiment.write = lambda: path  # type: ignore[method-assign]


def stdin_suite(given: str, expected: str) -> dict[str, Any]:
    return {"kind": "stdin", "cases": [{"input": given, "output": expected}]}


def direct_teacher(experiment: Experiment, **directive: Any) -> None:
    """Have the fake teacher apply this directive to every request."""
    for row in experiment.rows["train"]:
        row["question"] += f" @@{json.dumps(directive)}@@"


Fault = Callable[[Experiment], None]
BY_ORDER = "import random\nxs = input().split()\n{}\nprint(*xs)"
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "a duplicate section": (duplicate_section, ("training", "config.yaml")),
    "a string for a number": (lambda x: x.set("training.learning_rate", "fast"), ("training.learning_rate", "fast")),
    "an unknown key": (lambda x: x.set("training.stepps", 1), ("training.stepps", "steps")),
    "a missing file": (lambda x: x.set("problems.test.path", "none.jsonl"), ("problems.test.path", "none.jsonl")),
    "no ratio for plans": (
        lambda x: x.set("training.mixing", {"code": 1.0, "plan": 0.0}),
        ("sampling needs the task plan, but training.mixing.plan is 0", "codeplan finetune only"),
    ),
    "no ratio for programs": (
        lambda x: x.set("training.mixing", {"plan": 1.0}),
        ("sampling needs the task code, but training.mixing.code is 0",),
    ),
    "an unknown prompt": (lambda x: x.set("teacher.prompt", "foreward"), ("foreward", "backward")),
    "a home inside a file": (
        lambda x: x.set("execution.home", f"{x.folder}/config.yaml/runs"),
        ("execution.home", "Not a directory"),
    ),
    "no mlflow server": (lambda x: x.set("tracking.uri", "http://127.0.0.1:9"), ("127.0.0.1:9", "tracking.uri")),
    "too many actors": (lambda x: x.set("execution.judge_actors", 999), ("stage judge", "execution")),
    "no gpu": (lambda x: x.set("execution.gpus_per_worker", 64), ("stage finetune", "GPU")),
    "a missing student folder": (
        lambda x: x.set("student", {"model": "./no-student"}),
        ("student.model", "no-student"),
    ),
    "an unknown architecture key": (lambda x: x.set("student.architecture.d_modle", 8), ("d_modle",)),
    "an invalid architecture": (lambda x: x.set("student.architecture.d_model", 0), ("student",)),
    "too few positions": (
        lambda x: x.set("student.architecture", {"model_type": "gpt2", "n_positions": 64, "n_embd": 8, "n_head": 1}),
        ("n_positions", "student.max_source_tokens"),
    ),
    "truncated targets": (lambda x: x.set("student.max_target_tokens", 4), ("student.max_target_tokens", "12")),
    "an unreachable teacher": (lambda x: x.set("teacher.base_url", "http://127.0.0.1:9/v1"), ("127.0.0.1:9",)),
    "a missing key": (lambda x: x.set("teacher.api_key_env", "NO_SUCH_KEY"), ("NO_SUCH_KEY",)),
    "a rejected key": (lambda x: direct_teacher(x, status=401, say="the key {key} is wrong"), ("teacher.api_key_env",)),
    "an unknown model": (lambda x: direct_teacher(x, status=404, say="no model m"), ("no model m", "teacher.model")),
    "answers without a plan": (lambda x: direct_teacher(x, text="<think>hm</think>"), ("reasoning alone",)),
    "no price": (lambda x: x.set("execution.prompt_price_usd", 0.0), ("price of m is not known", "17 requests remain")),
    "a budget without prices": (
        lambda x: (x.set("execution.budget_usd", 1.0), x.set("execution.prompt_price_usd", 0.0)),  # type: ignore[func-returns-value]
        ("budget_usd", "prompt_price_usd"),
    ),
    "a budget too small": (lambda x: x.set("execution.budget_usd", 1e-4), ("more than the budget", "budget_usd")),
    "an invalid row": (lambda x: x.rows["train"][4].pop("question"), ("train.jsonl, line 5", "question")),
    "no solutions": (lambda x: set_fields(x, "train", solutions=[]), ("none of the 12 training problems",)),
    "no hidden tests": (lambda x: set_fields(x, "test", hidden_tests=None), ("none of the 6 test problems",)),
    "all problems held out": (lambda x: x.set("training.validation_examples", 12), ("validation_examples", "12")),
    "test problems among the training problems": (
        lambda x: set_fields(x, "test", question=x.rows["train"][0]["question"]),
        ("6 test problems have the question of a training problem",),
    ),
    "solutions that need a package": (
        lambda x: set_fields(x, "train", solutions=["import numpy_but_not_there"]),
        ("the solution needs the package numpy_but_not_there",),
    ),
    "tests that need a package": (
        lambda x: set_fields(
            x,
            "train",
            hidden_tests={"kind": "assert", "tests": ["import package_not_there\nassert f() == 1"], "setup": ""},
            solutions=["def f(): return 1"],
        ),
        ("the test needs the package package_not_there", "the tests of 12 problems import package_not_there"),
    ),
    "a limit too low": (
        lambda x: (set_fields(x, "train", solutions=["while True: pass"]), x.set("judging.hidden_tests.time_s", 0.05)),  # type: ignore[func-returns-value]
        ("limit too low: time limit", "judging.hidden_tests.time_s"),
    ),
    "several correct answers": (
        lambda x: set_fields(
            x,
            "train",
            solutions=["print(2)", "print(4)"],
            hidden_tests=stdin_suite("", "6"),
        ),
        ("several correct answers",),
    ),
    "a different order of lines": (
        lambda x: set_fields(x, "train", solutions=["print(2); print(1)"], hidden_tests=stdin_suite("", "1\n2\n")),
        ("differs from the expected one in order or format", "judging.comparator: apps"),
    ),
    "a checker that fails": (
        lambda x: set_fields(
            x, "train", hidden_tests={**stdin_suite("", "1"), "checker": "import package_not_there"}, solutions=["1"]
        ),
        ("the checker of the tests fails", "mend it in the data"),
    ),
    "a checker that refuses": (
        lambda x: set_fields(
            x,
            "train",
            hidden_tests={**stdin_suite("", "1"), "checker": "def check(i, e, o): return False"},
            solutions=["print(1)"],
        ),
        ("the solution or its tests are wrong",),
    ),
    "a tolerance that is too small": (
        lambda x: set_fields(
            x,
            "train",
            hidden_tests={**stdin_suite("", "1"), "comparator": "floats", "tolerance": 1e-9},
            solutions=["print(1.000001)"],
        ),
        ("differs from the expected one in order or format", "judging.comparator: apps"),
    ),
    "tests that do not match": (
        lambda x: set_fields(x, "train", solutions=["print(int(input()))", "print(float(input()))"]),
        ("reader fault", "ValueError"),
    ),
    "a Python 2 solution": (lambda x: set_fields(x, "train", solutions=["print 1"]), ("not valid Python 3",)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_before_any_stage_runs(experiment: Experiment, name: str) -> None:
    insert, words = FAULTS[name]
    insert(experiment)
    result = experiment.check()
    shown = output_of(result)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "✗ " in shown or "! " in shown or "codeplan: " in shown, shown
    for word in words:
        assert word in shown
    assert "Traceback" not in shown
    assert KEY not in shown
    assert not experiment.stages()


SMALL_DISK = """
mount -t tmpfs -o size=2m tmpfs "$1/runs" || exit 77
exec "$2" check "$1/config.yaml"
"""


def test_nearly_full_disk(experiment: Experiment) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace to make a small disk")
    (experiment.folder / "runs").mkdir()
    experiment.write()
    arguments = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", experiment.folder, CODEPLAN]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗ home            the disk is nearly full" in done.stdout
    assert "Traceback" not in done.stderr


def test_concurrent_checks_send_one_request(experiment: Experiment, fake_teacher: Any) -> None:
    direct_teacher(experiment, delay=1)
    command = [CODEPLAN, "check", experiment.write()]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert fake_teacher.counts()["answered"] == 1


def test_terminal_without_unicode_shows_plain_marks(experiment: Experiment) -> None:
    experiment.set("execution.judge_actors", 999)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [CODEPLAN, "check", experiment.write()], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "\nx ray " in done.stdout
    assert "+ home " in done.stdout


def test_teacher_without_token_counts_has_an_upper_bound_of_the_cost(experiment: Experiment) -> None:
    direct_teacher(experiment, usage={"prompt_tokens": 100, "completion_tokens": None})
    assert "17 requests remain, at most $" in output_of(experiment.check())


def test_findings_are_not_cached_without_fingerprints(experiment: Experiment) -> None:
    """With an unknown prompt no stage has a fingerprint, so nothing distinguishes the two data sets."""
    experiment.set("teacher.prompt", "foreward")
    assert "12 of 12 sampled reference solutions pass" in output_of(experiment.check())
    set_fields(experiment, "train", solutions=["print(2)"])
    assert "0 of 12 sampled reference solutions pass" in output_of(experiment.check())


def test_sample_that_takes_too_long_is_reported(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeplan.preflight.reference.TIME_LIMIT_S", 0.2)
    set_fields(experiment, "train", solutions=["while True: pass"])
    experiment.set("judging.hidden_tests.time_s", 0.3)
    assert "train: only 1 of 12 sampled solutions could be judged in 0.2 s" in output_of(experiment.check())


class _MLflowServer(BaseHTTPRequestHandler):
    """Has one experiment, and accepts any password."""

    def do_GET(self) -> None:
        experiment = {"experiment_id": "1", "name": "codeplan", "artifact_location": "x", "lifecycle_stage": "active"}
        body = json.dumps({"experiment": experiment}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def test_password_of_an_mlflow_server_is_not_shown(experiment: Experiment) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _MLflowServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        experiment.set("tracking.uri", f"http://me:test-password@127.0.0.1:{server.server_port}")
        shown = output_of(experiment.check())
        server.shutdown()
    assert f"✓ mlflow http://me:***@127.0.0.1:{server.server_port}" in shown
    assert "test-password" not in shown


def test_readme_shows_every_area_in_order() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("$ codeplan check")[2].partition("```")[0]
    areas = [line.split()[1] for line in shown.splitlines() if line.startswith("✓ ")]
    assert list(dict.fromkeys(areas)) == [area.name for area in AREAS]
