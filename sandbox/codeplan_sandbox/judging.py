"""The judge: runs programs in the sandbox and compares their outputs with the expected ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from codeplan_sandbox import checkers, packages
from codeplan_sandbox.client import MissingPackageError, Server
from codeplan_sandbox.suite_run import SuiteRun
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import SandboxError, SuiteVerdict

_DEFAULT_LIMITS = Limits()
_ATTEMPTS = 3
_PAUSES_S = (0.0, 0.0, 1.0)  # before an attempt: a machine that is out of memory or processes needs a moment


class Judge:
    """A warm judge: one fork server that is used for many programs. Not thread-safe.

    Args:
        limits: the limits for programs, unless `judge` gets others.
        allow_tier: the weakest isolation tier to accept; see `codeplan_sandbox.tiers`.
        strongest_tier: the first tier to try; weaker ones follow where this machine does not support it.
        program_packages: the packages outside the standard library that programs may import, for example ``numpy``.
        checker_limits: the limits for the checkers of suites.

    Raises:
        SandboxError: this machine supports none of the accepted tiers; the message says what each of them lacks. Or a
            package is not installed, or cannot be imported.
    """

    def __init__(
        self,
        limits: Limits = _DEFAULT_LIMITS,
        *,
        allow_tier: str = MINIMUM_TIER,
        strongest_tier: str = TIERS[0],
        program_packages: Sequence[str] = (),
        checker_limits: Limits = checkers.LIMITS,
    ) -> None:
        for name in (allow_tier, strongest_tier):
            if name not in TIERS:
                raise ValueError(f"unknown tier {name!r}; it must be one of {', '.join(TIERS)}")
        self.limits, self.checker_limits = limits, checker_limits
        self._tiers = TIERS[TIERS.index(strongest_tier) : TIERS.index(allow_tier) + 1]
        self._of_programs = _installed(program_packages)
        self._server: Server | None = self._start()
        self._with_packages: dict[tuple[str, ...], Server] = {}
        self._broken_packages: set[tuple[str, ...]] = set()

    @property
    def tier(self) -> str:
        """The name of the isolation tier in use."""
        return self._running_server().tier

    @property
    def pid(self) -> int:
        """The process id of the fork server."""
        return self._running_server().pid

    def judge(
        self, program: str, suite: Suite, limits: Limits | None = None, *, stop_at_failure: bool = False
    ) -> SuiteVerdict:
        """Run a program against a suite.

        A test that failed in a process that had run other tests, or possibly because the machine was busy, is run
        again in a fresh process before it counts. If that changes the outcome, all tests are run again that way.

        Args:
            program: Python source.
            suite: the tests.
            limits: override the judge's limits.
            stop_at_failure: skip the tests after the first failure.

        Raises:
            SuiteError: the suite has no tests, or arguments that are not JSON values.
            SandboxError: the sandbox failed several times; this says nothing about the program.
        """
        if not len(suite):
            raise SuiteError("the suite has no tests; leave out problems without tests")
        suite_run = SuiteRun(program, suite, limits or self.limits, stop_at_failure, self.checker_limits)
        memory_limits = 0
        for attempt in range(1, _ATTEMPTS + 1):
            server = None
            try:
                server = self._server_for(suite)
                return suite_run.run(server)
            except (OSError, ValueError) as error:
                memory_limits += server is not None and server.reached_its_memory_limit()
                self.close()
                if server is not None and memory_limits == _ATTEMPTS:
                    return suite_run.memory_limit(server.tier)
                if attempt == _ATTEMPTS:
                    raise SandboxError(f"the fork server failed {attempt} times in a row: {error}") from error
                time.sleep(_PAUSES_S[attempt])
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Stop the fork servers; the next `judge` starts a new one."""
        servers = [*self._with_packages.values(), *([self._server] if self._server is not None else [])]
        self._server, self._with_packages = None, {}
        for server in servers:
            server.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running_server(self) -> Server:
        if self._server is None:
            self._server = self._start()
        return self._server

    def _server_for(self, suite: Suite) -> Server:
        """The server without packages for tests, or one in the same tier with those that these tests import."""
        installed = {name: packages.folder(name) for name in packages.packages_used(suite)}
        folders = {name: folder for name, folder in installed.items() if folder is not None} | self._of_programs
        key = tuple(sorted(folders))
        if folders.keys() == self._of_programs.keys() or key in self._broken_packages:
            return self._running_server()
        if key not in self._with_packages:
            try:
                self._with_packages[key] = Server(self.tier, folders, tuple(self._of_programs))
            except MissingPackageError:  # treated as not installed: the tests that import it report it
                self._broken_packages.add(key)
                return self._running_server()
        return self._with_packages[key]

    def _start(self) -> Server:
        reasons = []
        for tier in self._tiers:
            try:
                return Server(tier, self._of_programs, tuple(self._of_programs))
            except MissingPackageError as error:
                raise SandboxError(f"a package for programs cannot be imported: {error}") from error
            except SandboxError as error:
                reasons.append(str(error))
        raise SandboxError(f"no isolation tier is available on this machine: {'; '.join(reasons)}")


def _installed(names: Sequence[str]) -> dict[str, Path]:
    """The folders of packages; raises SandboxError for one that is not installed."""
    found = {}
    for name in names:
        folder = packages.folder(name) if name.isidentifier() and name not in sys.stdlib_module_names else None
        if folder is None:
            raise SandboxError(f"programs cannot be given the package {name!r}: it is not installed here")
        found[name] = folder
    return found


def judge(
    program: str, suite: Suite, limits: Limits = _DEFAULT_LIMITS, *, stop_at_failure: bool = False
) -> SuiteVerdict:
    """Judge one program with a new fork server; see `Judge.judge`. For many programs, keep a `Judge`."""
    with Judge(limits) as sandbox:
        return sandbox.judge(program, suite, stop_at_failure=stop_at_failure)
