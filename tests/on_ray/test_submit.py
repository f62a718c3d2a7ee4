"""Jobs of the command on a real cluster with a token: output, exit codes, secrets, links, broken connections, ends."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray_head import PLANTED_KEY, RayHead, start
from small_pipeline import changed

from codeplan import submit
from codeplan.config import TrackingConfig
from codeplan.submission import end_of, log_stream
from codeplan.submission.api import JobApi
from codeplan.tracking.history import History

ROOT = Path(__file__).parents[2]
CODEPLAN = Path(sys.executable).with_name("codeplan")
ON_CLIENT = "planted-on-the-client-91bc"
"""The teacher's key on the client; `PLANTED_KEY` is that on the cluster."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's folder, with a configuration in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    plain = changed(("name", "toy"), ("execution.home", str(tmp_path / "home")))
    (folder / "toy.yaml").write_text(yaml.safe_dump(plain))
    return folder


def codeplan(head: RayHead, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CODEPLAN), *arguments],
        cwd=folder,
        env={**head.client, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.1)


def test_a_stage_as_a_job_is_the_command_and_its_secrets_stay_where_they_are(
    head: RayHead, api: JobApi, project: Path, tmp_path: Path, scripted_teacher: Callable[..., Any]
) -> None:
    command_lines: set[str] = set()

    def respond(body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        command_lines.update(
            path.read_bytes().decode(errors="replace")
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if readable(path)
        )
        answer = {
            "message": {"role": "assistant", "content": "1. Read.\n2. Print."},
            "finish_reason": "stop",
            "index": 0,
        }
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        return 200, {"id": "1", "object": "chat.completion", "created": 1, "choices": [answer], "usage": usage}, {}

    teacher = scripted_teacher(respond)
    settings = [f"teacher.base_url={teacher.base_url}", "teacher.model=m", "teacher.api_key_env=TEACHER_KEY"]
    overrides = [part for setting in settings for part in ("-s", setting)]
    done = codeplan(head, project, "submit", "distill", "toy.yaml", *overrides, TEACHER_KEY=ON_CLIENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ distill plans" in done.stdout
    assert "Running entrypoint" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "the teacher's key is taken from TEACHER_KEY in the cluster's environment" in done.stderr
    assert {headers["authorization"] for headers in teacher.headers} == {f"Bearer {PLANTED_KEY}"}
    assert any("codeplan.cli.main" in line for line in command_lines), "seen while it ran"

    (listed,) = json.loads(codeplan(head, project, "jobs", "--json", "--limit", "1").stdout)
    about = listed["metadata"]
    assert (about["command"], about["config"], listed["exit_code"]) == ("distill", "toy", 0)
    (run,) = History(TrackingConfig(), tmp_path / "home").latest(5)
    assert listed["mlflow_run"] == run.run_id
    tags = _tags(tmp_path / "home", about["mlflow_filter"])
    assert tags["codeplan.ray_job"] == listed["job"]
    assert tags["codeplan.commit"] == about["commit"] != "unknown"

    everything = [json.dumps(listed), json.dumps(api.get_job_info(listed["job"]).dict(), default=str), done.stdout]
    everything += [done.stderr, api.get_job_logs(listed["job"]), *command_lines]
    for folder in (tmp_path / "home", head.folder / "ray"):
        everything += [content for path in folder.rglob("*") for content in contents(path)]
    assert len(everything) > 100
    for planted in (PLANTED_KEY, ON_CLIENT):
        assert not [text[:300] for text in everything if planted in text]


def readable(path: Path) -> bool:
    with suppress(OSError):
        return bool(path.read_bytes())
    return False


def contents(path: Path) -> list[str]:
    """A file's bytes as text, and those of the files in it."""
    if not path.is_file() or path.is_symlink():
        return []
    raw = path.read_bytes()
    inner: list[bytes] = []
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inner = [archive.read(name) for name in archive.namelist()]
    elif path.suffix in {".gz", ".tar"} and tarfile.is_tarfile(path):
        raise AssertionError(f"{path} is not looked into")
    return [content.decode(errors="replace") for content in (raw, *inner)]


def _tags(home: Path, query: str) -> dict[str, str]:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()], query)
    return dict(run.data.tags)


def test_a_key_that_only_the_client_has_is_named(head: RayHead, project: Path, tmp_path: Path) -> None:
    settings = (
        "-s",
        "teacher.base_url=http://127.0.0.1:9/v1",
        "-s",
        "teacher.model=m",
        "-s",
        "teacher.api_key_env=ONLY_HERE",
    )
    done = codeplan(head, project, "submit", "distill", "toy.yaml", *settings, ONLY_HERE=ON_CLIENT)
    assert done.returncode == 1
    assert (
        "codeplan: the environment variable ONLY_HERE, named by teacher.api_key_env, is empty or not set" in done.stdout
    )
    assert "in the environment of the cluster's nodes that run the command" in done.stdout
    assert not (tmp_path / "home" / "stages" / "distill").exists()


def test_from_python_data_that_the_cluster_does_not_have_is_refused_before_any_stage(
    api: JobApi, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "rows.jsonl").write_text("{}")
    monkeypatch.chdir(project)
    shown: list[str] = []
    data = "problems.train={reader: mbpp, path: rows.jsonl, split: train}"
    job = submit("problems", "toy.yaml", settings=[data])
    assert job.wait(shown.append) == 1
    message = "codeplan: problems.train.path: rows.jsonl: no such file or folder; data does not travel with a job"
    assert message in "".join(shown)
    assert end_of(job.details).code == 1
    assert not (tmp_path / "home" / "stages").exists()


def test_a_terminal_gives_the_job_its_width_and_colours(head: RayHead, tmp_path: Path) -> None:
    """From a checkout, with the configuration in it: what `cluster/runtime_env.yaml` names travels."""
    settings = [
        "-s",
        f"execution.home={tmp_path / 'home'}",
        "-s",
        "problems.train.count=8",
        "-s",
        "problems.test.count=4",
    ]
    command = [str(CODEPLAN), "submit", "status", "jobs/configs/demo.yaml", *settings]
    controller, terminal = pty.openpty()
    variables = {name: value for name, value in head.client.items() if name != "NO_COLOR"}
    variables |= {"COLUMNS": "70", "TERM": "xterm-256color"}
    with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        output = b""
        with suppress(OSError):  # the terminal's other end is closed
            while part := os.read(controller, 65536):
                output += part
        os.close(controller)
        said = process.stderr.read().decode() if process.stderr else ""
        assert process.wait(60) == 0, output.decode() + said
    text = output.decode()
    assert "\x1b[" in text
    plain = log_stream._ESCAPE.sub("", text)
    assert "problems" in plain
    assert max(map(len, plain.splitlines())) <= 70


def test_plain_ray_job_submit_does_the_same(head: RayHead, tmp_path: Path) -> None:
    command = [str(CODEPLAN.with_name("ray")), "job", "submit", "--runtime-env", "cluster/runtime_env.yaml", "--"]
    command += ["python", "jobs/codeplan_job.py", "status", "jobs/configs/demo.yaml"]
    command += ["-s", "execution.ray_address=auto", "-s", f"execution.home={tmp_path / 'home'}"]
    command += ["-s", "problems.train.count=8", "-s", "problems.test.count=4"]
    variables = {**head.client, "RAY_AUTH_MODE": "token"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finetune" in done.stdout


def test_ctrl_c_detaches_and_the_job_goes_on_until_it_is_stopped(head: RayHead, api: JobApi, tmp_path: Path) -> None:
    job_id = start(api, "print('here', flush=True); import time; time.sleep(600)")
    command = [str(CODEPLAN), "logs", "-f", job_id]
    with subprocess.Popen(
        command, env=head.client, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "here\n"
        following.send_signal(signal.SIGINT)
        _, said = following.communicate(timeout=60)
    assert following.returncode == 130
    assert f"{job_id} goes on" in said
    assert f"codeplan stop {job_id}" in said
    assert api.get_job_info(job_id).status == "RUNNING"
    assert codeplan(head, tmp_path, "stop", job_id).stdout == f"{job_id} is stopped\n"
    assert codeplan(head, tmp_path, "stop", job_id).stdout == f"{job_id} was over before: stopped\n"
    followed = codeplan(head, tmp_path, "logs", "-f", job_id)
    assert (followed.returncode, followed.stdout) == (143, "here\n")


def test_a_stopped_training_is_closed_and_can_be_resumed(head: RayHead, project: Path, tmp_path: Path) -> None:
    settings = ("-s", "training.steps=100000", "-s", "execution.checkpoint_every=5", "--detach")
    done = codeplan(head, project, "submit", "finetune", "toy.yaml", *settings)
    job_id = done.stdout.strip()
    assert f"codeplan logs -f {job_id}" in done.stderr
    wait_for(lambda: list(tmp_path.glob("home/stages/finetune/*/train/checkpoint_*")) or _over(head, job_id), 180)
    stopped = codeplan(head, project, "stop", job_id[:-3])
    assert stopped.stdout == f"{job_id} is stopped\n", stopped.stderr
    (run,) = History(TrackingConfig(), tmp_path / "home").latest(5)
    assert (run.state, run.error) == ("interrupted", "SystemExit: 143")
    log = codeplan(head, project, "logs", job_id).stdout
    assert "terminated; finished work is kept, run the same command to resume" in log
    assert "SIGTERM received" not in log, "Ray's native stack trace"


def _over(head: RayHead, job_id: str) -> bool:
    listed = json.loads(codeplan(head, Path.cwd(), "jobs", "--json").stdout)
    found = next(job for job in listed if job["job"] == job_id)
    assert found["state"] in {"PENDING", "RUNNING"}, codeplan(head, Path.cwd(), "logs", job_id).stdout
    return False


def test_wrong_tokens_and_unknown_jobs_end_in_one_line(head: RayHead, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("x" * 64)
    done = codeplan(head, tmp_path, "jobs", RAY_AUTH_TOKEN_PATH=str(wrong))
    assert done.returncode == 1
    assert f"does not accept the token from {wrong} (HTTP 403)" in done.stderr
    done = codeplan(head, tmp_path, "jobs", RAY_AUTH_TOKEN_PATH="", HOME=str(tmp_path))
    assert "requires a token (HTTP 401)" in done.stderr
    done = codeplan(head, tmp_path, "stop", "nothing")
    assert done.stderr.startswith(f"codeplan: the cluster at {head.uri} knows no job 'nothing'")
    assert done.stderr.count("\n") == 1
