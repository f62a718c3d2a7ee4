"""The judge's side of a fork server: starts it with a clean environment, sends requests and receives records."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from codeplan_sandbox import packages
from codeplan_sandbox.cgroup_places import CgroupError
from codeplan_sandbox.cgroups import Cgroup
from codeplan_sandbox.memory_bound import sandbox_bytes, sandbox_tasks
from codeplan_sandbox.oom import KillCause, OutOfMemoryWatch
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.unread import ResultReader
from codeplan_sandbox.verdicts import Outcome, SandboxError
from codeplan_sandbox.wire import STOP, Handshake, RunRequest, WireError, WireRecord

_START_TIMEOUT_S = 60.0
_GRACE_S = 30.0
_END_TIMEOUT_S = 5.0
_MAX_RECORD_BYTES = 4096
_UNKNOWN_BYTES = 1 << 30  # where /proc hides the processes of other users: more than a server has
_PACKAGE_HOME = str(Path(__file__).resolve().parent.parent)
# -s and -P exclude the user's packages and the current folder, -S the installed packages, which may run code at start.
# Not -I: the environment is ours, and PYTHONHASHSEED in it makes verdicts reproducible.
_OPTIONS = ("-s", "-P", "-S", "-B", "-c")
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
# It waits for a byte, which says that it is in its control group.
_START = (
    "import os, sys; os.read(int(sys.argv[2]), 1); sys.path.insert(0, sys.argv.pop(1)); "
    "from codeplan_sandbox.server import start; start()"
)
_GO = b"g"


class MissingPackageError(SandboxError):
    """A package that tests import is installed but cannot be imported."""


class MachineOutOfMemoryError(OSError):
    """The kernel killed a test process because others had used up the machine's memory."""


class Server:
    """A running fork server in one tier, in a control group of its own where this process may create one."""

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
            self._group: Cgroup | None = None
            try:
                self._group = _group_with(self._process.pid)
                self._memory = OutOfMemoryWatch(self._group)
                self._socket.send(_GO)
                self._shake_hands()
                self._base_bytes = _address_space_bytes(self._process.pid)
                self._limit_memory(Limits())
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
        try:
            handshake = Handshake.from_json(message)
        except WireError as error:
            raise SandboxError(
                f"tier {self.tier}: the fork server sent something else than it should: {error}"
            ) from error
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
            WireError: it sent something else than it should.
            MachineOutOfMemoryError: see there.
            TimeoutError: it does not respond.
        """
        with contextlib.ExitStack() as exit_stack:
            text = request.to_json()
            files = [_memory_file(content, exit_stack) for content in (text, program, inputs, b"")]
            results = ResultReader(files[-1])
            self._limit_memory(request.limits, len(inputs), len(text))
            self._socket.settimeout(request.budget_s + _GRACE_S)
            socket.send_fds(self._socket, [b"judge"], files)
            waiting, finished = set(request.indices), False
            try:
                while (record := self._record()).index >= 0:
                    if record.index not in waiting:
                        raise WireError("a record of a test that was not to run")
                    waiting.remove(record.index)
                    output, answer = results.read(record.output_bytes), results.read(record.answer_bytes)
                    yield self._explained(record), output, answer
                finished = True
            finally:
                if not finished:
                    self._stop(len(waiting))

    def _record(self) -> WireRecord:
        message = self._socket.recv(_MAX_RECORD_BYTES)
        if not message:
            raise ConnectionResetError("the fork server ended")
        return WireRecord.from_bytes(message)

    def _limit_memory(self, limits: Limits, input_bytes: int = 0, request_bytes: int = 0) -> None:
        if self._group is not None:
            memory = sandbox_bytes(limits, self._base_bytes, input_bytes, request_bytes)
            self._group.allow(memory, sandbox_tasks(limits))

    def _explained(self, record: WireRecord) -> WireRecord:
        """The record of a test, with the cause if its process was killed."""
        if record.outcome is not Outcome.MEMORY_LIMIT or not record.retryable:
            return record
        cause = self._memory.cause()
        if cause is KillCause.MACHINE:
            raise MachineOutOfMemoryError(f"a test process was killed: {cause.value}")
        if cause is KillCause.SIGNAL:
            return replace(record, outcome=Outcome.RUNTIME_ERROR)
        return replace(record, retryable=cause is not KillCause.SANDBOX, message=f"{record.message}: {cause.value}")

    def reached_its_memory_limit(self) -> bool:
        """Whether its control group ran out of memory since the last test process was killed."""
        return self._memory.cause() is KillCause.SANDBOX

    def _stop(self, records: int) -> None:
        """Cancel a request, of whose tests so many have no record yet."""
        try:
            self._socket.send(STOP)
            for _ in range(records + 1):
                if self._record().index < 0:
                    return
        except OSError:  # it has ended; the next request finds out
            return
        raise WireError("the fork server does not stop")

    def close(self) -> None:
        """Stop the server and its processes: it ends when the socket is closed, and is killed if it does not."""
        self._socket.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._group is not None:
            self._group.remove()


def _group_with(pid: int) -> Cgroup | None:
    """A control group with this process; None where it cannot be created."""
    try:
        group = Cgroup.create()
    except CgroupError:
        return None
    try:
        group.add(pid)
    except OSError:
        group.remove()
        return None
    return group


def _address_space_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return _UNKNOWN_BYTES


def _memory_file(content: bytes, exit_stack: contextlib.ExitStack) -> int:
    """A memfd with this content, closed by the exit stack."""
    file = os.memfd_create("judge")
    exit_stack.callback(os.close, file)
    while content:
        content = content[os.write(file, content) :]
    return file
