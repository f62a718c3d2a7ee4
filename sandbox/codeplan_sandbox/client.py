"""The outer end of a fork server: starts it with a clean environment, hands it requests, takes its records."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from types import MappingProxyType

from codeplan_sandbox import packages
from codeplan_sandbox.verdicts import SandboxError
from codeplan_sandbox.wire import STOP, Greeting, Record, Request

_START_TIMEOUT_S = 60.0
_GRACE_S = 30.0
_END_TIMEOUT_S = 5.0
_RECORD_BYTES = 4096
_PACKAGE_HOME = str(Path(__file__).resolve().parent.parent)
# -s -P leave out the user's packages and the current folder, -S the installed packages: those may run code at start.
# Not -I: environment variables may count, as they are ours alone, and equal hash seeds make for equal verdicts.
_OPTIONS = ("-s", "-P", "-S", "-B", "-c")
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from codeplan_sandbox.server import start; start()"


class PackageError(SandboxError):
    """A package that tests import is installed, and cannot be imported."""


class Server:
    """A running fork server in one tier."""

    def __init__(self, tier: str, folders: Mapping[str, Path] = MappingProxyType({})) -> None:
        """Start a server and have it prove its tier.

        Args:
            tier: its isolation.
            folders: packages that the code of tests may import, each with the folder that it is installed in.

        Raises:
            PackageError: a package cannot be imported.
            SandboxError: this machine does not give the tier; the message says which layer, and why.
        """
        self.tier = tier
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.NamedTemporaryFile(prefix="codeplan-sandbox-canary-") as canary:
            Path(canary.name).chmod(0o644)
            imported = json.dumps({name: str(folder) for name, folder in folders.items()})
            arguments = [_PACKAGE_HOME, str(theirs.fileno()), tier, canary.name, imported]
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *_OPTIONS, _START, *arguments],
                    pass_fds=[theirs.fileno()],
                    env=_ENVIRONMENT | (packages.ENVIRONMENT if folders else {}),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                self._line.close()
                raise SandboxError(f"tier {tier}: Python cannot be started: {error}") from error
            theirs.close()
            try:
                self._greet()
            except BaseException:
                self.close()
                raise

    def _greet(self) -> None:
        self._line.settimeout(_START_TIMEOUT_S)
        try:
            message = self._line.recv(_RECORD_BYTES)
        except TimeoutError as error:
            raise SandboxError(f"tier {self.tier}: the fork server said nothing for {_START_TIMEOUT_S:g} s") from error
        if not message:
            raise SandboxError(f"tier {self.tier}: the fork server ended while starting; its stderr says why")
        greeting = Greeting.from_json(message)
        if greeting.unusable:
            raise PackageError(greeting.reason)
        if not greeting.ready:
            reason = f"{greeting.reason}: a test process {', '.join(greeting.holes)}" if greeting.holes else ""
            raise SandboxError(f"tier {self.tier}: {reason or greeting.reason}")

    @property
    def pid(self) -> int:
        """The process that was started; when it is killed, all of the sandbox's processes go with it."""
        return self._process.pid

    def run(self, request: Request, program: bytes, inputs: bytes) -> Generator[tuple[Record, bytes, bytes]]:
        """Have tests run; gives each record with its output and answer as it comes, and may be closed early.

        Raises:
            ConnectionError: the server is gone; TimeoutError: it does not answer.
        """
        with contextlib.ExitStack() as open_files:
            files = [_memory_file(text, open_files) for text in (request.to_json(), program, inputs, b"")]
            results, at = files[-1], 0
            self._line.settimeout(request.budget_s + _GRACE_S)
            socket.send_fds(self._line, [b"judge"], files)
            finished = False
            try:
                while (record := self._record()).index >= 0:
                    output = os.pread(results, record.output_bytes, at)
                    answer = os.pread(results, record.answer_bytes, at + record.output_bytes)
                    at += record.output_bytes + record.answer_bytes
                    yield record, output, answer
                finished = True
            finally:
                if not finished:
                    self._stop()

    def _record(self) -> Record:
        message = self._line.recv(_RECORD_BYTES)
        if not message:
            raise ConnectionResetError("the fork server ended")
        return Record.from_json(message)

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._line.send(STOP)
            while self._record().index >= 0:
                continue

    def close(self) -> None:
        """End the server and everything in it: it ends when we hang up, and is killed if it does not."""
        self._line.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _memory_file(content: bytes, opened: contextlib.ExitStack) -> int:
    """A file in memory with this content, closed with the stack."""
    file = os.memfd_create("judge")
    opened.callback(os.close, file)
    with os.fdopen(file, "wb", closefd=False) as writer:
        writer.write(content)
    return file
