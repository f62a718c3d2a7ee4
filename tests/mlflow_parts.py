"""A real MLflow server, PostgreSQL and a forwarder that loses connections, all on loopback, for tests of tracking."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MlflowServer:
    """`mlflow server`, which can be killed and started again on the same port and store."""

    def __init__(self, store: str, artifacts: str, log: Path, variables: Mapping[str, str] = {}) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--backend-store-uri", store, "--artifacts-destination", artifacts, "--workers", "1"]
        self._variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **variables}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._variables, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 240
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return
            time.sleep(0.1)
        raise RuntimeError(self._log.read_text()[-2000:])

    def kill(self) -> None:
        """End it and its workers at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def postgres() -> Iterator[str]:
    """The URI of an empty database of a PostgreSQL server that ends with the block.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = shutil.which("initdb", path=os.pathsep.join([*map(str, reversed(programs)), os.environ["PATH"]]))
    if initdb is None:
        raise FileNotFoundError("PostgreSQL is not installed; on Debian and Ubuntu: apt-get install postgresql")
    # It refuses to run as root, so it gets the system's user for it and a folder that this user can reach.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="codeplan-postgres-", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        command = [initdb, "-D", str(folder / "data"), "-U", "codeplan", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
        port = free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]
        command = [
            str(Path(initdb).with_name("postgres")),
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-p",
            str(port),
        ]
        server = subprocess.Popen([*command, *options], cwd=folder, stderr=subprocess.DEVNULL, **user)
        try:
            _wait_for(port)
            yield f"postgresql+psycopg2://codeplan:made-up-word@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int) -> None:
    import psycopg2

    until = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="codeplan", dbname="postgres").close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class Forwarder:
    """Forwards connections to a server on loopback, refuses them, or loses the answers to what it forwarded."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.lose_answers = False
        self.lost = threading.Event()
        """Set once an answer was lost."""
        self._target = target
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.up()

    def up(self) -> None:
        """Take connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Close every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            self._close(connection)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.lose_answers:
                    self.lost.set()
                    break
                sink.sendall(data)
        self._close(source)
        self._close(sink)

    def _close(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
