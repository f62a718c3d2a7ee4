"""What a dashboard may answer when a job is submitted, and what is never sent to it.

These dashboards are scripted, because no other version of Ray, nor one that is half up, can be had for a test; those of
`tests/on_ray/test_submit.py` are real.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import ray

from codeplan.submission import (
    SubmissionError,
    UnknownJobError,
    UnreachableError,
    find,
    jobs,
    log_stream,
    newest,
    submit,
)
from codeplan.submission import api as apis
from codeplan.submission.api import JobApi

Answer = tuple[int, Any]
Respond = Callable[[str, str, dict[str, str]], Answer]
VERSION = {"version": "4", "ray_version": ray.__version__, "ray_commit": "", "session_name": ""}

pytestmark = pytest.mark.usefixtures("no_cluster")


@pytest.fixture
def dashboard() -> Iterator[Callable[[Respond], str]]:
    """Starts servers that answer a method, a path and headers as a function says; gives their addresses.

    Status 101 answers a WebSocket.
    """

    def start(respond: Respond) -> str:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                status, said = respond(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
                if status == 101:
                    self.log_line(said)
                    return
                raw = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_line(self, text: str) -> None:
                """A WebSocket that brings one short text and ends (RFC 6455)."""
                key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                self.protocol_version = "HTTP/1.1"
                self.send_response(101)
                self.send_header("upgrade", "websocket")
                self.send_header("connection", "Upgrade")
                self.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
                self.end_headers()
                self.wfile.write(bytes((0x81, len(text))) + text.encode() + b"\x88\x00")

            do_GET = do_POST = do_PUT = answer  # noqa: N815  # as http.server wants them

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        for step in (server.server_close, thread.join, server.shutdown):
            servers.callback(step)
        return f"http://127.0.0.1:{server.server_address[1]}"

    with ExitStack() as servers:
        yield start


def test_an_argument_goes_before_the_environment(dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    here = dashboard(lambda *_: (200, VERSION))
    assert JobApi(here).get_address() == here
    with pytest.raises(UnreachableError, match=r"answers at http://127\.0\.0\.1:9: Connection refused"):
        JobApi()


def test_a_secret_of_this_machine_is_never_sent(job_config: Path, dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        sent.append((method, path))
        return 200, VERSION

    monkeypatch.setenv("MY_KEY", "sk-planted-1234")
    monkeypatch.setenv("WITH_PASSWORD", "planted-in-yaml")
    address = dashboard(respond)
    with pytest.raises(SubmissionError, match="value of the environment variable MY_KEY") as error:
        submit("run", job_config, address=address, settings=["name=sk-planted-1234"])
    assert "sk-planted" not in str(error.value)
    job_config.write_text(job_config.read_text() + "\n# planted-in-yaml\n")
    with pytest.raises(SubmissionError, match="value of the environment variable WITH_PASSWORD"):
        submit("run", job_config, address=address)
    assert {path for _, path in sent} == {"/api/version"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pip: [numpy]\nconda: base", "The 'pip' field, 'uv' field, and 'conda' field"),
        ("pip: 5", "runtime_env.* must be"),
        ("config: {setup_timeout_seconds: soon}", "setup_timeout_seconds"),
    ],
)
def test_a_runtime_environment_that_ray_refuses_is_an_error(
    job_config: Path, dashboard, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "env.yaml").write_text(content)
    address = dashboard(lambda *_: (200, VERSION))
    with pytest.raises(SubmissionError, match=f"Ray does not accept the runtime environment: .*{message}"):
        submit("run", job_config, address=address, runtime_env=tmp_path / "env.yaml")


def test_a_secret_in_a_project_is_never_sent(
    job_config: Path, dashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        sent.append((method, path))
        return 200, VERSION

    address = dashboard(respond)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_KEY", "sk-planted-1234")
    (tmp_path / "env.yaml").write_text("env_vars: {OPENAI_API_KEY: sk-only-there}")
    with pytest.raises(SubmissionError, match="env_vars set OPENAI_API_KEY"):
        submit("run", job_config, address=address, runtime_env="env.yaml")
    (tmp_path / "env.yaml").write_text("env_vars: {TEACHER: sk-only-there}")
    with pytest.raises(SubmissionError, match="env_vars set TEACHER"):
        submit("run", job_config, address=address, runtime_env="env.yaml", settings=["teacher.api_key_env=TEACHER"])
    (tmp_path / "env.yaml").write_text("working_dir: code")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_text("key = 'sk-planted-1234'")
    with pytest.raises(SubmissionError, match=r"value of the environment variable MY_KEY, in code/own\.py"):
        submit("run", job_config, address=address, runtime_env="env.yaml")
    assert {path for _, path in sent} == {"/api/version"}


def test_another_version_of_ray_is_refused(job_config: Path, dashboard) -> None:
    address = dashboard(lambda *_: (200, {**VERSION, "ray_version": "2.52.1"}))
    with pytest.raises(
        SubmissionError, match=rf"runs Ray 2\.52\.1, .* needs Ray 2\.60; install ray=={ray.__version__}"
    ):
        submit("run", job_config, address=address)


@pytest.mark.parametrize("answer", [(200, "<html>login</html>"), (404, "not here"), (200, {}), (200, []), (418, "tea")])
def test_what_is_no_dashboard_is_named_so(dashboard, answer: Answer) -> None:
    with pytest.raises(SubmissionError, match=r"is not a Ray dashboard; .* port 8265 by default"):
        JobApi(dashboard(lambda *_: answer))


def test_a_port_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apis, "_ANSWER_S", 0.5)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(UnreachableError, match="no answer within 0 s"):
        JobApi(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_proxy_before_a_cluster_that_is_away(dashboard) -> None:
    with pytest.raises(UnreachableError, match=r"is not available \(HTTP 503\)"):
        JobApi(dashboard(lambda *_: (503, "upstream")))


def test_an_agent_that_is_not_up_is_waited_for(job_config: Path, dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    posts: list[str] = []
    said: list[str] = []

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        if path == "/api/version":
            return 200, VERSION
        if method == "POST":
            posts.append(path)
            if len(posts) < 3:
                return 500, "No available agent to submit job, please try again later."
            return 200, {"job_id": "x", "submission_id": "x"}
        if path.startswith("/api/jobs/"):
            return 200, {"type": "SUBMISSION", "submission_id": path[10:], "status": "PENDING", "entrypoint": "x"}
        return 200, ""

    address = dashboard(respond)
    job = submit("run", job_config, address=address, notify=said.append)
    assert job.job_id.startswith("run-toy-")
    assert len(posts) == 3
    assert len(said) == 1
    assert "its agent on the head node, which starts jobs, does not" in said[0]
    posts.clear()
    monkeypatch.setattr(jobs, "_RETRY_S", 0.0)
    with pytest.raises(SubmissionError, match="the cluster may still be starting: try again in a minute"):
        submit("run", job_config, address=address)


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_answer_submits_nothing_twice(
    job_config: Path, dashboard, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    posts: list[str] = []

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        if path == "/api/version":
            return 200, VERSION
        if method == "POST":
            posts.append(path)
            return 504, "gateway timeout"
        if path.startswith("/api/jobs/") and taken:
            return 200, {"type": "SUBMISSION", "submission_id": path[10:], "status": "PENDING", "entrypoint": "x"}
        if path.startswith("/api/jobs/"):
            return 404, f"Job {path[10:]} does not exist"
        return 200, ""

    address = dashboard(respond)
    if taken:
        assert submit("run", job_config, address=address).job_id.startswith("run-toy-")
    else:
        message = r"is not available \(HTTP 504\); the cluster does not know run-toy-\w+: submit it again"
        with pytest.raises(UnreachableError, match=message):
            submit("run", job_config, address=address)
    assert len(posts) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (503, "(run-toy-.*) may have been submitted: .*codeplan logs -f {job} .*, or says that there is none"),
        (200, "(run-toy-.*) was submitted: .*codeplan logs -f {job} follows the job$"),
    ],
)
def test_a_cluster_that_goes_away_during_submission_leaves_the_jobs_id(
    job_config: Path, dashboard, status: int, message: str
) -> None:
    posted = False

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        nonlocal posted
        if method == "POST":
            posted = True
            return status, {"job_id": "x", "submission_id": "x"}
        if posted:
            return 503, "upstream"
        return (200, VERSION) if path == "/api/version" else (200, "")

    message = message.replace("{job}", r"\1")
    with pytest.raises(UnreachableError, match=rf"is not available \(HTTP 503\); {message}"):
        submit("run", job_config, address=dashboard(respond))


def test_a_token_is_sent_and_one_that_is_missing_or_wrong_is_named(dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        given = headers.get("authorization", "")
        if given == "Bearer right":
            return 200, VERSION
        return (403, "Forbidden") if given else (401, "Unauthorized")

    address = dashboard(respond)
    with pytest.raises(SubmissionError, match=r"requires a token \(HTTP 401\); set RAY_AUTH_TOKEN_PATH"):
        JobApi(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong-word")
    with pytest.raises(SubmissionError, match=r"does not accept the token from RAY_AUTH_TOKEN \(HTTP 403\)") as error:
        JobApi(address)
    assert "wrong-word" not in str(error.value)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    JobApi(address)


def test_a_token_that_ray_is_told_to_use_and_is_not_there_is_named(tmp_path: Path) -> None:
    """In a process of its own, as Ray reads RAY_AUTH_MODE once."""
    command = [sys.executable, "-m", "codeplan.cli.main", "jobs", "--address", "http://127.0.0.1:9"]
    variables = {**os.environ, "RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("codeplan: RAY_AUTH_MODE is token here, but no token was found")
    assert "unset RAY_AUTH_MODE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_job_is_named_with_the_newest_ones(dashboard) -> None:
    known = [
        {"type": "SUBMISSION", "submission_id": name, "status": "RUNNING", "entrypoint": "x", "start_time": number}
        for number, name in enumerate(("run-a-1", "run-a-2", "sweep-b-3"))
    ]

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        if path == "/api/version":
            return 200, VERSION
        return (200, known) if path == "/api/jobs/" else (404, f"Job {path[10:]} does not exist")

    api = JobApi(dashboard(respond))
    assert api.find("sweep").submission_id == "sweep-b-3"
    with pytest.raises(SubmissionError, match="'run' starts the ids of several jobs: run-a-2, run-a-1"):
        api.find("run")
    with pytest.raises(UnknownJobError, match="knows no job 'zzz'; its newest are sweep-b-3, run-a-2, run-a-1"):
        api.find("zzz")
    for strange in ("", "..", "a/b", "../../version", "run-a-1?x"):
        with pytest.raises(UnknownJobError, match="knows no job"):
            api.find(strange)


def test_a_driver_that_was_not_submitted_is_named_so(dashboard) -> None:
    driver = {"type": "DRIVER", "submission_id": None, "job_id": "01000000", "status": "RUNNING", "entrypoint": "x"}
    address = dashboard(lambda _, path, __: (200, VERSION if path == "/api/version" else driver))
    with pytest.raises(SubmissionError, match=r"01000000 is a program that joined the cluster .* was not submitted"):
        find("01000000", address)


def test_runs_of_jobs_that_others_submitted_are_listed(dashboard) -> None:
    known = [{"type": "SUBMISSION", "submission_id": "rayjob-1", "status": "RUNNING", "entrypoint": "x"}]

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        if path.endswith("/logs/tail"):
            return 101, f"hello\nMLflow run {'0123abcd' * 4} of toy\n"
        return 200, VERSION if path == "/api/version" else known

    ((job, run),) = newest(5, dashboard(respond))
    assert (job.submission_id, run) == ("rayjob-1", "0123abcd" * 4)


LOG = "Running entrypoint for job run-a-1: x\n"


def test_where_no_websocket_passes_the_log_is_asked_for(dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a proxy that forwards requests alone, and that the environment names."""
    log: list[str] = [LOG + "one\n"]
    reached: list[str] = []
    shown: list[str] = []
    said: list[str] = []

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        path = path.removeprefix("http://head.example:8265")
        reached.append(path)
        if path == "/api/version":
            return 200, VERSION
        if path.endswith("/logs/tail"):
            return 400, "No WebSocket UPGRADE hdr"
        if path.endswith("/logs"):
            return 200, {"logs": "".join(log)}
        state = "RUNNING" if "three" not in shown[-1:] else "SUCCEEDED"
        return 200, {"type": "SUBMISSION", "submission_id": "run-a-1", "status": state, "entrypoint": "x"}

    def write(text: str) -> None:
        shown.extend(text.split())
        following = {"one": "two\n", "two": "three\n"}
        log.extend(following[word] for word in shown[-1:] if word in following)

    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", dashboard(respond))
    for name in ("_POLL_S", "_LOG_POLL_S"):
        monkeypatch.setattr(log_stream, name, 0.01)
    monkeypatch.setattr(log_stream, "_MAX_FAILURES", 2)
    assert find("run-a-1", "http://head.example:8265", notify=said.append).wait(write) == 0
    assert shown == ["one", "two", "three"]
    assert len(said) == 1
    assert "HTTP 400 for a WebSocket" in said[0]
    assert "it is asked for every" in said[0]
    assert reached.count("/api/jobs/run-a-1/logs/tail") == 2


def test_certificates_that_are_not_there_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(UnreachableError, match=r"CA certificate bundle, invalid path: .*nowhere\.pem"):
        JobApi("https://127.0.0.1:9")


def test_what_speaks_no_http_is_named_so() -> None:
    """As the port of Ray's GCS, which speaks HTTP/2 alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(SubmissionError, match=r"does not speak HTTP, as Ray's GCS .*; --address"):
            JobApi(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)
