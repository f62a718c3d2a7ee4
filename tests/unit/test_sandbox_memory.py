"""The memory of all processes of a sandbox together: control groups, their limits, and whose memory ran out."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, SandboxError, Suite, client, memory_bound
from codeplan_sandbox.cgroup_places import CgroupError, Place, find, prepare
from codeplan_sandbox.cgroups import PREFIX, Cgroup
from codeplan_sandbox.oom import KillCause, OutOfMemoryWatch
from codeplan_sandbox.unread import UNREAD_BYTES

ECHO = Suite("stdin", cases=(Case("a", "a"), Case("b", "b")))
LIMITS = Limits(time_s=2.0, memory_bytes=256 << 20)
ALLOCATE = "x = bytearray(150 << 20)\nprint(input())"
KILL_ITSELF = """
import ctypes, time
libc = ctypes.CDLL(None)
event, timer = (ctypes.c_int * 16)(0, 0, 9, 0), ctypes.c_void_p()
assert libc.timer_create(0, event, ctypes.byref(timer)) == 0
assert libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, 1000), None) == 0
time.sleep(9)
"""


def place() -> Path:
    """The group in which this process creates groups."""
    try:
        Cgroup.create().remove()
        return prepare(find("memory"))
    except CgroupError as error:
        pytest.skip(f"control groups with limits cannot be created here: {error}")


def groups_in(folder: Path) -> set[Path]:
    return set(folder.glob(f"{PREFIX}*"))


def group_of(judge: Judge) -> Path:
    """The group that contains the fork server of a judge."""
    (found,) = [group for group in groups_in(place()) if str(judge.pid) in (group / "cgroup.procs").read_text().split()]
    return found


@pytest.fixture
def judge() -> Iterator[Judge]:
    with Judge(LIMITS) as running:
        yield running


def test_all_processes_are_in_a_group_with_limits_which_is_removed_at_the_end() -> None:
    place()
    with Judge(LIMITS) as judge:
        group = group_of(judge)
        assert judge.judge("print(input())", ECHO).passed
        limit = group / ("memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes")
        assert 512 << 20 < int(limit.read_text()) < 2 << 30
        inside = (group / "cgroup.procs").read_text().split()
        children = Path(f"/proc/{judge.pid}/task/{judge.pid}/children").read_text().split()
        assert set(inside) == {str(judge.pid), *children}
        larger = Limits(memory_bytes=4 << 30)
        assert judge.judge("print(input())", ECHO, larger).passed
        assert int(limit.read_text()) > 4 << 30
    assert not group.exists()


def test_group_of_a_killed_judge_is_removed_at_the_next_start_and_those_in_use_are_not() -> None:
    folder = place()
    program = "from codeplan_sandbox import Judge\njudge = Judge()\nprint(judge.pid, flush=True)\ninput()"
    with Judge(LIMITS) as side_by_side:
        in_use = group_of(side_by_side)
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            server = int(other.stdout.readline())
            left = [group for group in groups_in(folder) if f"{PREFIX}{other.pid}-" in group.name]
            ended = os.pidfd_open(server)
            with Judge(LIMITS):
                assert left[0].exists()
            other.kill()
        assert select.select([ended], [], [], 30.0)[0]
        os.close(ended)
        while (left[0] / "cgroup.procs").read_text():  # the processes in the server's namespace end with it
            time.sleep(0.01)
        with Judge(LIMITS) as third:
            assert not left[0].exists()
            assert in_use.exists()
            assert third.judge("print(input())", ECHO).passed
        assert side_by_side.judge("print(input())", ECHO).passed


TAKING = {
    "address space": "x = bytearray(200 << 20)",
    "shared memory": "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 1 << 20))\n"
    "    kept[-1][:] = bytes(1 << 20)\n    kept[-1].resize(4096)",
    "files in memory": "import os, mmap\nkept = []\nwhile True:\n    file = os.memfd_create('x')\n"
    "    os.write(file, bytes(1 << 20))\n    kept.append(mmap.mmap(file, 4096))\n    os.close(file)",
    "zero device": "import os, mmap\nfile = os.open('/dev/zero', os.O_RDWR)\nkept = []\nwhile True:\n"
    "    kept.append(mmap.mmap(file, 1 << 20))\n    kept[-1][:] = bytes(1 << 20)",
    "pipes": "import fcntl, os\nwhile True:\n    writing = os.pipe()[1]\n    fcntl.fcntl(writing, 1031, 1 << 20)\n"
    "    os.write(writing, bytes(1 << 20))",
    "sockets": "import socket\nkept = []\nwhile True:\n    kept += socket.socketpair()\n"
    "    kept[-1].setblocking(False)\n    kept[-1].send(bytes(1 << 20))",
    "timers": "import ctypes\nlibc, timer = ctypes.CDLL(None), ctypes.c_void_p()\n"
    "event = (ctypes.c_int * 16)(0, 0, 10)\n"
    "while libc.timer_create(0, event, ctypes.byref(timer)) == 0: pass",
    "mappings": "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
    "while (at := libc.mmap(None, 4096, 3, 34, -1, 0)) != ctypes.c_void_p(-1).value: libc.mprotect(at, 4096, 1)\n"
    "raise MemoryError",
    "large stack": "import threading\nthreading.stack_size(256 << 20)\nx = bytearray(200 << 20)\n"
    "threading.Thread(target=print).start()\nx = bytearray(400 << 20)",
    "outputs": "import os\nos.write(1, bytes(1 << 20))",
}


@pytest.mark.parametrize("name", TAKING)
def test_whatever_a_program_takes_stays_below_the_bound(judge: Judge, name: str) -> None:
    group = group_of(judge)
    peak = group / ("memory.peak" if (group / "memory.max").exists() else "memory.max_usage_in_bytes")
    # Twice, as a failure is repeated in another process.
    verdict = judge.judge(TAKING[name], Suite("stdin", cases=(Case(), Case())))
    bound = memory_bound.sandbox_bytes(LIMITS, memory_bound.TYPICAL_BASE_BYTES)
    test_process = (bound - UNREAD_BYTES) // memory_bound.TEST_PROCESSES
    assert int(peak.read_text()) < test_process, verdict.message
    assert judge.judge("print(input())", ECHO).passed


@pytest.mark.parametrize("name", ["shared memory", "files in memory", "zero device"])
@pytest.mark.parametrize("tier", ["namespaces", "landlock", "seccomp"])
def test_memory_that_outlives_its_mapping_cannot_be_had(tier: str, name: str) -> None:
    try:
        judge = Judge(LIMITS, strongest_tier=tier, allow_tier=tier)
    except SandboxError as error:
        pytest.skip(str(error))
    program = TAKING[name].replace("while True:", "for _ in range(3):")
    with judge:
        verdict = judge.judge(program, ECHO)
    assert verdict.outcome in (Outcome.FORBIDDEN, Outcome.RUNTIME_ERROR), verdict.message
    assert "Error" in verdict.message


def test_results_are_not_kept_in_memory(judge: Judge) -> None:
    group = group_of(judge)
    peak = group / ("memory.peak" if (group / "memory.max").exists() else "memory.max_usage_in_bytes")
    one = "7" * (1 << 20)
    verdict = judge.judge("import os\nos.write(1, b'7' * (1 << 20))", Suite("stdin", cases=(Case("", one),) * 200))
    assert verdict.passed, verdict.message
    assert int(peak.read_text()) < UNREAD_BYTES + (64 << 20)


def test_reaching_the_limit_of_the_sandbox_is_the_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    place()
    monkeypatch.setattr(client, "sandbox_bytes", lambda *_: 64 << 20)
    with Judge(LIMITS) as judge:
        server = judge.pid
        for suite in (ECHO, Suite("assert", tests=("assert f() == 1",))):
            verdict = judge.judge(f"def input(): return ''\ndef f(): return 1\n{ALLOCATE}", suite, stop_at_failure=True)
            assert verdict.outcome is Outcome.MEMORY_LIMIT, verdict.message
            assert KillCause.SANDBOX.value in verdict.message
        assert judge.judge("print(input())", ECHO).passed
        assert judge.pid == server


UNDER_PRESSURE = """
import sys
from pathlib import Path
from codeplan_sandbox import Case, Judge, Limits, Suite, SandboxError
outer = Path(sys.argv[1])
v2 = (outer / "memory.max").exists()
with (outer / "cgroup.procs").open("r+") as file: file.write("0")
with Judge(Limits(memory_bytes=256 << 20)) as judge:
    assert judge.judge("print(input())", Suite("stdin", cases=(Case("a", "a"),))).passed
    with (outer / ("memory.max" if v2 else "memory.limit_in_bytes")).open("r+") as file: file.write(str(90 << 20))
    for suite in (Suite("stdin", cases=(Case("a", "a"),)), Suite("assert", tests=("assert f() == 1",))):
        try:
            print(judge.judge(sys.argv[2], suite))
        except SandboxError as error:
            print(error)
    with (outer / ("memory.max" if v2 else "memory.limit_in_bytes")).open("r+") as file: file.write(str(900 << 20))
    print(judge.judge("x = bytearray(150 << 20)\\nprint(input())", Suite("stdin", cases=(Case("a", "a"),))).outcome)
"""


def test_memory_pressure_from_outside_gives_no_verdict() -> None:
    folder = place()
    if find("memory").version == 2:
        pytest.skip("the groups of this machine have version 2, in which a process cannot move below its own group")
    outer = folder / "codeplan-test-pressure"
    outer.mkdir()
    program = "def f():\n    x = bytearray(150 << 20)\n    return 1\nf()\nprint('a')"
    try:
        command = [sys.executable, "-c", UNDER_PRESSURE, str(outer), program]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        outer.rmdir()
    lines = done.stdout.splitlines()
    assert len(lines) == 3, lines
    for line in lines[:2]:
        assert line.startswith("the fork server failed 3 times in a row: "), lines
        assert KillCause.MACHINE.value in line or "the fork server ended" in line
    assert lines[2] == "passed"


def test_program_that_kills_itself_has_failed(judge: Judge) -> None:
    verdict = judge.judge(KILL_ITSELF, ECHO)
    assert verdict.outcome is Outcome.RUNTIME_ERROR, verdict.message
    assert "ended by signal 9" in verdict.message


def test_cause_of_a_kill_follows_from_the_counters(tmp_path: Path) -> None:
    statistics = tmp_path / "vmstat"
    statistics.write_text("pgfault 7\noom_kill 3\n")
    watch = OutOfMemoryWatch(None, statistics)
    assert watch.cause() is KillCause.SIGNAL
    statistics.write_text("pgfault 9\noom_kill 4\n")
    assert watch.cause() is KillCause.MACHINE
    assert watch.cause() is KillCause.SIGNAL
    statistics.write_text("pgfault 9\n")
    assert watch.cause() is KillCause.UNKNOWN
    assert OutOfMemoryWatch(None, tmp_path / "missing").cause() is KillCause.UNKNOWN


def test_kills_that_the_kernel_does_not_count_for_are_memory_limit(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OutOfMemoryWatch, "cause", lambda _: KillCause.UNKNOWN)
    verdict = judge.judge(KILL_ITSELF, ECHO)
    assert verdict.outcome is Outcome.MEMORY_LIMIT
    assert KillCause.UNKNOWN.value in verdict.message


def test_server_works_without_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> Cgroup:
        raise CgroupError("not here")

    monkeypatch.setattr(Cgroup, "create", unavailable)
    with Judge(LIMITS) as judge:
        assert judge.judge("print(input())", ECHO).passed
    bound = memory_bound.memory_bound()
    assert (bound.enforced, bound.how) == (False, "limits per process, as there is no control group: not here")
    assert "systemd-run --user --scope -p Delegate=yes" in bound.advice


def test_memory_bound_names_the_group() -> None:
    folder = place()
    before = groups_in(folder)
    bound = memory_bound.memory_bound()
    assert bound.enforced
    assert bound.how.startswith("a control group (version ")
    assert 1 << 30 < bound.bytes < 2 << 30
    assert groups_in(folder) == before


V1_MOUNT = "32 31 0:29 {root} {folder} rw,relatime - cgroup cgroup rw,memory"
V2_MOUNT = "41 31 0:38 {root} {folder} rw,relatime - cgroup2 cgroup2 rw"


def system(tmp_path: Path, groups: str, *mounts: str) -> Path:
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/root rw\n" + "\n".join(mounts))
    return tmp_path


@pytest.mark.parametrize(
    ("group", "root", "beneath"),
    [("/", "/", ""), ("/docker/ab", "/docker/ab", ""), ("/user.slice/my app", "/", "user.slice/my app")],
)
def test_group_of_this_process_is_found(tmp_path: Path, group: str, root: str, beneath: str) -> None:
    one = tmp_path / "cg roup"
    one.mkdir()
    files = system(one, f"4:cpu,memory:{group}\n0::/other", V1_MOUNT.format(root=root, folder="/sys/fs/cgroup/memory"))
    assert find("memory", files).folder == Path("/sys/fs/cgroup/memory", beneath)
    two = tmp_path / "two"
    (two / "mo unt" / beneath).mkdir(parents=True)
    for name, content in (("cgroup.controllers", "cpu memory pids\n"), ("cgroup.type", "domain\n")):
        (two / "mo unt" / beneath / name).write_text(content)
    folder = str(two / "mo unt").replace(" ", r"\040")
    found = find("memory", system(two, f"0::{group}", V2_MOUNT.format(root=root, folder=folder)))
    assert (found.folder, found.version, found.is_root) == (two / "mo unt" / beneath, 2, False)


@pytest.mark.parametrize(
    ("groups", "mounts"),
    [
        ("", []),
        ("0::/", [V2_MOUNT.format(root="/", folder="/nowhere")]),
        ("4:memory:/a", [V2_MOUNT.format(root="/", folder="/nowhere")]),
        ("4:memory:/../a", [V1_MOUNT.format(root="/", folder="/nowhere")]),
        ("4:memory:/a", [V1_MOUNT.format(root="/b", folder="/nowhere")]),
    ],
)
def test_machine_without_the_controller_is_reported(tmp_path: Path, groups: str, mounts: list[str]) -> None:
    with pytest.raises(CgroupError, match="the controller for memory is not available to this process"):
        find("memory", system(tmp_path, groups, *mounts))
    with pytest.raises(CgroupError, match=r"cannot read .*: No such file or directory"):
        find("memory", tmp_path / "missing")


def test_process_that_cannot_be_started_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    place()
    try:
        find("pids")
    except CgroupError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(client, "sandbox_tasks", lambda _: 1)
    with Judge(LIMITS) as judge:
        with pytest.raises(SandboxError, match="the fork server failed 3 times in a row"):
            judge.judge("print(input())", ECHO)
        monkeypatch.undo()
        assert judge.judge("print(input())", ECHO).passed


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    """A folder with the files of a group of version 2."""
    for name, content in (("cgroup.procs", ""), ("cgroup.subtree_control", "cpu"), ("cgroup.type", "domain")):
        (tmp_path / name).write_text(content)
    return tmp_path


def test_group_that_was_not_delegated_is_left_alone(version_2: Path) -> None:
    (version_2 / "cgroup").write_text("0::/system.slice/x.service\n")
    before = sorted(version_2.iterdir())
    with pytest.raises(CgroupError, match=f"{version_2} was not delegated to this process"):
        prepare(Place(version_2, 2, is_root=False), version_2)
    assert sorted(version_2.iterdir()) == before
    with pytest.raises(CgroupError, match="missing is not writable for this process"):
        prepare(Place(version_2 / "missing", 1, is_root=False))


def test_group_to_which_processes_were_moved_creates_groups_beside_itself(version_2: Path) -> None:
    (version_2 / "cgroup.subtree_control").write_text("cpu memory pids")
    (version_2 / "codeplan-callers").mkdir()
    assert prepare(Place(version_2 / "codeplan-callers", 2, is_root=False)) == version_2
    assert prepare(Place(version_2, 2, is_root=False)) == version_2
