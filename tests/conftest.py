"""Fixtures that tests of several folders share."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in its background; the processes that tests start and interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("CODEPLAN_FUZZ_EXAMPLES", "1000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("untimed", deadline=None)  # a loaded machine must not fail a test
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])
elif not os.environ.get("CI"):  # there Hypothesis has its own: the same examples each time, untimed as well
    settings.load_profile("untimed")


class FakeTeacher:
    """A running `fake_teacher.py`: its address, and what it counts."""

    def __init__(self, address: str) -> None:
        self.base_url = f"{address}/v1"
        self._address = address

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._address}/counts") as response:
            return json.loads(response.read())

    def reset(self) -> None:
        urllib.request.urlopen(f"{self._address}/reset", data=b"").close()


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make a home with an empty MLflow database, which takes seconds the first time only."""
    from codeplan.tracking.database import make_database

    template = tmp_path_factory.mktemp("template") / "mlflow.db"
    make_database(template)

    def make(home: Path) -> Path:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, home / "mlflow.db")
        return home

    return make


@pytest.fixture(scope="session")
def teacher_process() -> Iterator[FakeTeacher]:
    """A misbehaving teacher in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("fake_teacher.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield FakeTeacher(server.stdout.readline().strip())
        finally:
            server.terminate()


@pytest.fixture
def fake_teacher(teacher_process: FakeTeacher) -> FakeTeacher:
    """The same teacher, with its counts at zero."""
    teacher_process.reset()
    return teacher_process


Respond = Callable[[dict[str, Any]], tuple[int, Any, dict[str, str]]]


class ScriptedTeacher:
    """A running server whose answers a function of the test makes: a request's JSON to status, body and headers."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def _scripted(respond: Respond) -> Iterator[ScriptedTeacher]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            teacher.bodies.append(body)
            teacher.paths.append(self.path)
            teacher.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, said, headers = respond(body)
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    teacher = ScriptedTeacher(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield teacher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def scripted_teacher() -> Iterator[Callable[[Respond], ScriptedTeacher]]:
    """Starts teachers that answer as a function says; they end with the test."""
    with ExitStack() as servers:
        yield lambda respond: servers.enter_context(_scripted(respond))
