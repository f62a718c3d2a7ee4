"""Bad input to the command: one message, an exit code, and finished work is kept."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray
import yaml
from typer.testing import CliRunner, Result

from codeplan.cli.main import app
from codeplan.config.loading import load
from codeplan.on_ray.cluster import ClusterError, require

CODEPLAN = Path(sys.executable).with_name("codeplan")


def config(folder: Path, **sections: object) -> Path:
    source = {"reader": "miniapps", "split": "train", "count": 12}
    whole = {
        "problems": {"train": source, "test": {**source, "split": "test"}},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        "execution": {"home": str(folder / "runs"), "request_attempts": 1},
        **sections,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def codeplan(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def message(result: Result) -> str:
    """The one message on standard error."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("codeplan: ")
    return lines[0]


def answers(folder: Path) -> int:
    return len(list((folder / "runs" / "answers").glob("*/*.json")))


def test_an_unknown_key(tmp_path: Path) -> None:
    found = message(codeplan("run", config(tmp_path), "-s", "training.learning_rte=1"))
    assert "unknown key training.learning_rte" in found
    assert "learning_rate" in found
    assert not (tmp_path / "runs").exists()


def test_a_missing_configuration(tmp_path: Path) -> None:
    assert "cannot read configuration" in message(codeplan("run", tmp_path / "none.yaml"))


def test_a_missing_data_file(tmp_path: Path) -> None:
    source = {"reader": "mbpp", "path": str(tmp_path / "none.jsonl"), "split": "train"}
    path = config(tmp_path, problems={"train": source, "test": source})
    assert "none.jsonl: no such file" in message(codeplan("problems", path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no valid mbpp problem of split"),
        ('{"task_id": 601}\n', "line 1, field test_list"),
        ("{broken\n", "line 1"),
    ],
)
def test_an_empty_or_broken_data_set(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mbpp.jsonl").write_text(text)
    source = {"reader": "mbpp", "path": str(tmp_path / "mbpp.jsonl"), "split": "train"}
    found = message(codeplan("problems", config(tmp_path, problems={"train": source, "test": source})))
    assert "mbpp.jsonl" in found
    assert said in found


def test_an_unreachable_teacher(tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    teacher = {"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "A_KEY"}
    found = message(codeplan("distill", config(tmp_path, teacher=teacher)))
    assert "127.0.0.1:9" in found
    assert "sk-very-secret" not in found


def test_a_key_that_is_not_set(tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    teacher = {"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "A_KEY"}
    assert "A_KEY" in message(codeplan("distill", config(tmp_path, teacher=teacher)))


def test_a_wrong_key_stops_at_the_first_answer(
    tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codeplan.teacher.offline.server import offline_teacher

    monkeypatch.setenv("A_KEY", "sk-wrong")
    with offline_teacher() as endpoint:
        teacher = {"base_url": endpoint.base_url, "api_key_env": "A_KEY"}
        found = message(codeplan("distill", config(tmp_path, teacher=teacher)))
    assert "teacher.api_key_env" in found
    assert "sk-wrong" not in found
    assert answers(tmp_path) == 0


def own_problems(folder: Path, *suites: object) -> dict[str, object]:
    rows = [
        {
            "problem_id": f"own/test/{number}",
            "dataset": "own",
            "split": "test",
            "level": "own",
            "question": "?",
            "solutions": ["print(1)"],
            "hidden_tests": suite,
        }
        for number, suite in enumerate(suites)
    ]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"reader": "jsonl", "path": str(folder / "own.jsonl")}


SUITE = {"kind": "stdin", "cases": [{"input": "", "output": "1"}]}


def test_problems_that_all_lack_tests_stop_before_anything_is_paid(tmp_path: Path) -> None:
    source = own_problems(tmp_path, None, None)
    path = config(tmp_path, problems={"train": source, "test": source})
    assert "none of the 2 test problems has hidden tests" in message(codeplan("run", path))
    assert answers(tmp_path) == 0


def test_one_problem_without_tests_is_kept_and_counted(tmp_path: Path) -> None:
    source = own_problems(tmp_path, None, SUITE)
    result = codeplan("problems", config(tmp_path, problems={"train": source, "test": source}))
    assert result.exit_code == 0, result.output
    assert "2 problems in, 2 out" in result.stdout


def test_an_empty_suite_is_a_broken_row_and_can_be_left_out(tmp_path: Path) -> None:
    source = own_problems(tmp_path, SUITE, {"kind": "stdin", "cases": []})
    path = config(tmp_path, problems={"train": source, "test": source})
    found = message(codeplan("problems", path))
    assert "line 2, field hidden_tests" in found
    result = codeplan("problems", path, "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "2 problems in, 1 out, 1 dropped (broken)" in result.stdout


@pytest.mark.parametrize(
    ("setting", "stage"),
    [("execution.gpus_per_worker=1", "finetune"), ("execution.judge_actors=9", "sample")],
)
def test_resources_that_the_machine_lacks_are_an_error(
    tmp_path: Path, ray_cluster: None, setting: str, stage: str
) -> None:
    has_gpu = ray.cluster_resources().get("GPU", 0) >= 2
    if has_gpu and stage == "finetune":
        pytest.skip("this machine has the GPUs")
    path = config(tmp_path, execution={"home": str(tmp_path / "runs"), "train_workers": 2})
    execution = load(path, [setting]).execution
    wants_gpus = execution.train_workers * execution.gpus_per_worker
    wants_cpus = (execution.sample_actors + execution.judge_actors) / 2
    with pytest.raises(ClusterError, match=f"stage {stage} asks for"):
        require(stage, execution, wants_cpus if stage == "sample" else 2, wants_gpus)


def test_ctrl_c_keeps_what_was_paid(tmp_path: Path) -> None:
    path = config(tmp_path)
    plain = yaml.safe_load(path.read_text())
    plain["problems"]["train"]["count"] = 400
    path.write_text(yaml.safe_dump(plain))
    process = subprocess.Popen(
        [CODEPLAN, "distill", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while answers(tmp_path) < 20:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "finished work is kept" in stderr.splitlines()[-1]
    assert answers(tmp_path) >= 20


FILL = """
mount -t tmpfs -o size=200k tmpfs "$1/runs" || exit 77
"$2" problems "$1/config.yaml" -s problems.train.count=1500; echo "first $?"
mount -o remount,size=30m "$1/runs"
"$2" problems "$1/config.yaml" -s problems.train.count=1500; echo "second $?"
"""


def test_a_full_disk(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace to make a small disk")
    (tmp_path / "runs").mkdir()
    config(tmp_path, tracking={"uri": f"sqlite:///{tmp_path}/mlflow.db"})
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", FILL, "sh", tmp_path, CODEPLAN], capture_output=True, text=True, check=False
    )
    assert "first 1" in done.stdout, done.stdout + done.stderr
    assert "codeplan: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert "second 0" in done.stdout
    assert "1,500 problems in, 1,500 out" in done.stdout
