"""The judge's side of a fork server: starts it with a clean environment, sends requests and receives records."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from codeplan_sandbox import packages
from codeplan_sandbox.verdicts import SandboxError
from codeplan_sandbox.wire import STOP, Handshake, RunRequest, WireRecord

_START_TIMEOUT_S = 60.0
_GRACE_S = 30.0
_END_TIMEOUT_S = 5.0
_MAX_RECORD_BYTES = 4096
_PACKAGE_HOME = str(Path(__file__).resolve().parent.parent)
# -s and -P exclude the user's packages and the current folder, -S the installed packages, which may run code at start.
# Not -I: the environment is ours, and PYTHONHASHSEED in it makes verdicts reproducible.
_OPTIONS = ("-s", "-P", "-S", "-B", "-c")
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from codeplan_sandbox.server import start; start()"


class MissingPackageError(SandboxError):
    """A package that tests import is installed but cannot be imported."""


class Server:
    """A running fork server in one tier."""

    def __init__(
        self, tier: str, folders: Mapping[str, Path] = MappingProxyType({}), of_programs: Sequence[str] = ()
    ) -> None:
        """Start a server and verify its tier.

        Args:
            tier: the isolation tier.
            folders: the packages that tests may import, and the folder in which each is installed.
            of_programs: those of them that programs may import too.

        Raises:
            MissingPackageError: a package cannot be imported.
            SandboxError: this machine does not support the tier; the message says which layer is missing, and why.
        """
        self.tier = tier
        self.denials: dict[str, str] = {}
        """What denied each forbidden operation of `probes.ATTEMPTS` at the start; not tried in the tier ``limits``."""
        self._socket, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with server_end, tempfile.NamedTemporaryFile(prefix="codeplan-sandbox-canary-") as canary:
            Path(canary.name).chmod(0o644)
            imported = json.dumps({name: str(folder) for name, folder in folders.items()})
            passed = [tier, canary.name, imported, json.dumps(list(of_programs))]
            arguments = [_PACKAGE_HOME, str(server_end.fileno()), *passed]
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *_OPTIONS, _START, *arguments],
                    pass_fds=[server_end.fileno()],
                    env=_ENVIRONMENT | (packages.ENVIRONMENT if folders else {}),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                self._socket.close()
                raise SandboxError(f"tier {tier}: cannot start Python: {error}") from error
            server_end.close()
            try:
                self._shake_hands()
            except BaseException:
                self.close()
                raise

    def _shake_hands(self) -> None:
        self._socket.settimeout(_START_TIMEOUT_S)
        try:
            message = self._socket.recv(_MAX_RECORD_BYTES)
        except TimeoutError as error:
            raise SandboxError(
                f"tier {self.tier}: the fork server did not respond within {_START_TIMEOUT_S:g} s"
            ) from error
        if not message:
            raise SandboxError(f"tier {self.tier}: the fork server ended during start-up; its stderr says why")
        handshake = Handshake.from_json(message)
        if handshake.package_failed:
            raise MissingPackageError(handshake.reason)
        if not handshake.ready:
            succeeded = ", ".join(name for name, denial in handshake.denials.items() if not denial)
            reason = f"{handshake.reason}: a test process {succeeded}" if succeeded else handshake.reason
            raise SandboxError(f"tier {self.tier}: {reason}")
        self.denials = handshake.denials

    @property
    def pid(self) -> int:
        """The id of the started process; killing it kills all processes of the sandbox."""
        return self._process.pid

    def run(self, request: RunRequest, program: bytes, inputs: bytes) -> Generator[tuple[WireRecord, bytes, bytes]]:
        """Run tests; yields each record with its output and answer as it arrives, and may be closed early.

        Raises:
            ConnectionError: the server ended.
            TimeoutError: it does not respond.
        """
        with contextlib.ExitStack() as exit_stack:
            files = [_memory_file(text, exit_stack) for text in (request.to_bytes(), program, inputs, b"")]
            results, at = files[-1], 0
            self._socket.settimeout(request.budget_s + _GRACE_S)
            socket.send_fds(self._socket, [b"judge"], files)
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

    def _record(self) -> WireRecord:
        message = self._socket.recv(_MAX_RECORD_BYTES)
        if not message:
            raise ConnectionResetError("the fork server ended")
        return WireRecord.from_bytes(message)

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(STOP)
            while self._record().index >= 0:
                continue

    def close(self) -> None:
        """Stop the server and its processes: it ends when the socket is closed, and is killed if it does not."""
        self._socket.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _memory_file(content: bytes, exit_stack: contextlib.ExitStack) -> int:
    """A memfd with this content, closed by the exit stack."""
    file = os.memfd_create("judge")
    exit_stack.callback(os.close, file)
    while content:
        content = content[os.write(file, content) :]
    return file
