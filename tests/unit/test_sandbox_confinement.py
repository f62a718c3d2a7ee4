"""The confinement holds in every tier that this machine supports; a machine that supports none is rejected.

Only harmless programs run here: what they attempt is denied or does no damage.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeplan_sandbox import MINIMUM_TIER, TIERS, Case, Judge, Limits, Outcome, SandboxError, Suite, probes
from codeplan_sandbox.client import Server

ECHO = Suite("stdin", cases=(Case(input="a", output="a"), Case(input="b", output="b")))
UNSHARE = {"x86_64": 272, "aarch64": 97}[os.uname().machine]


@pytest.fixture(params=[tier for tier in TIERS if tier != "limits"], scope="module")
def sandbox(request: pytest.FixtureRequest) -> Iterator[Judge]:
    try:
        judge = Judge(Limits(time_s=1.0), strongest_tier=request.param, allow_tier=request.param)
    except SandboxError as error:
        pytest.skip(str(error))
    with judge:
        yield judge


def output(sandbox: Judge, program: str) -> str:
    verdict = sandbox.judge(program, Suite("stdin", cases=(Case(output="?"),)))
    assert verdict.outcome is Outcome.WRONG_ANSWER, verdict.message
    return verdict.cases[0].output.strip()


def test_verdict_names_the_tier(sandbox: Judge) -> None:
    verdict = sandbox.judge("print(input())", ECHO)
    assert verdict.passed, verdict.message
    assert verdict.tier == sandbox.tier


def test_all_kinds_of_suites_work_in_every_tier(sandbox: Judge) -> None:
    program = "import collections, decimal, asyncio\ndef f(x): return x + 1"
    assert sandbox.judge(program, Suite("call", cases=(Case(args=(1,), expected=2),), entry_point="f")).passed
    assert sandbox.judge(program, Suite("assert", tests=("assert f(1) == 2",))).passed


def test_files_of_other_users_are_unreadable(sandbox: Judge, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("HUNTER2")
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and os.access(folder, os.W_OK) and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in (secret, "/etc/passwd", "/proc/self/environ"):
        verdict = sandbox.judge(f"print(open({str(path)!r}).read())", ECHO)
        assert verdict.outcome in (Outcome.FORBIDDEN, Outcome.RUNTIME_ERROR)
        assert "HUNTER2" not in verdict.cases[0].output


def test_files_cannot_be_written_or_deleted(sandbox: Judge, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    tmp_path.chmod(0o777)
    for attempt in (f"open('{tmp_path}/new', 'w')", f"os.unlink('{tmp_path}/kept')", "open('new', 'w')"):
        assert not sandbox.judge(f"import os\n{attempt}\nprint(input())", ECHO).passed
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_program_is_unprivileged_and_inherits_no_descriptors(sandbox: Judge) -> None:
    assert output(sandbox, "import os\nprint(os.geteuid() == 0)") == "False"
    count = "import os\nopen_files = 0\nfor fd in range(3, 64):\n    try: os.fstat(fd)\n    except OSError: continue\n"
    # The control socket, the copies of input and output, and the answer file.
    assert output(sandbox, f"{count}    open_files += 1\nprint(open_files)") == "4"


def test_program_cannot_raise_its_limits(sandbox: Judge) -> None:
    program = "import resource as r\nprint([r.getrlimit(k)[1] for k in (r.RLIMIT_AS, r.RLIMIT_FSIZE)] != [-1, -1])"
    assert output(sandbox, program) == "True"
    raising = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (-1, -1))"
    assert not sandbox.judge(raising, ECHO).passed


def test_probes_report_what_an_unconfined_process_can_do(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("")
    program = f"import json\nfrom codeplan_sandbox import probes\nprint(json.dumps(probes.denials({str(canary)!r})))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    denials = json.loads(printed)
    assert set(denials) == set(probes.ATTEMPTS)
    succeeded = {name for name, denial in denials.items() if not denial}
    assert {"reads files of other users", "writes files", "opens internet sockets", "starts processes"} <= succeeded


def test_machine_without_seccomp_is_rejected_with_a_reason_per_tier() -> None:
    # A process that cannot load filters, like on a machine without seccomp.
    program = """
import ctypes, errno
from codeplan_sandbox import Judge, SandboxError, linux, seccomp, syscalls
rules = {syscalls.number("seccomp"): seccomp._fail(errno.ENOSYS), UNSHARE: seccomp.DENY}
linux.no_new_privileges()
seccomp.Filter(seccomp._instruction(0x20, 0, 0, 0) + seccomp._tree(rules, seccomp.ALLOW)).load()
try:
    Judge()
except SandboxError as error:
    print(error)
""".replace("UNSHARE", str(UNSHARE))
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.startswith("no isolation tier is available on this machine")
    for tier in TIERS[: TIERS.index(MINIMUM_TIER) + 1]:
        assert f"tier {tier}: " in found
    assert "seccomp: Function not implemented" in found


def test_machine_without_namespaces_falls_back_to_the_next_tier() -> None:
    program = """
from codeplan_sandbox import Judge, linux, seccomp
linux.no_new_privileges()
seccomp.Filter(seccomp._instruction(0x20, 0, 0, 0) + seccomp._tree({UNSHARE: seccomp.DENY}, seccomp.ALLOW)).load()
with Judge() as sandbox:
    print(sandbox.tier)
""".replace("UNSHARE", str(UNSHARE))
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() in ("landlock", "seccomp")


def test_unknown_tier_is_rejected() -> None:
    with pytest.raises(ValueError, match="unknown tier 'docker'"):
        Judge(allow_tier="docker")


def test_killing_the_server_ends_its_processes() -> None:
    try:
        server = Server("namespaces")
    except SandboxError as error:
        pytest.skip(str(error))
    (inside,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    ended = os.pidfd_open(int(inside))
    os.kill(server.pid, signal.SIGKILL)
    readable, _, _ = select.select([ended], [], [], 10.0)
    os.close(ended)
    server.close()
    assert readable
