"""The seccomp filters of every architecture decide as a plain reference does, and the kernel as the interpreter.

The reference says again, as a function of a call's name and arguments, what the filters are built from.
"""

from __future__ import annotations

import errno
import itertools
import os
import struct
from collections.abc import Iterator
from functools import cache

import classic_bpf as bpf
import pytest
import seccomp_kernel
from hypothesis import given
from hypothesis import strategies as st
from record_system_calls import CHECKED, TABLES, kernel_numbers

from codeplan_sandbox import seccomp, syscalls

DENY, NO_FILE, MISSING = bpf.ERRNO | errno.EPERM, bpf.ERRNO | errno.EACCES, bpf.ERRNO | errno.ENOSYS
X32 = 0x40000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHER_AUDITS = {"i386": 0x40000003, "arm": 0x40000028, "riscv64": 0xC00000F3, "aarch64_be": 0x800000B7}
NEW_NAMESPACE = {
    "TIME": 0x80,
    "NS": 0x20000,
    "CGROUP": 0x2000000,
    "UTS": 0x4000000,
    "IPC": 0x8000000,
    "USER": 0x10000000,
    "PID": 0x20000000,
    "NET": 0x40000000,
}
THREAD = 0x10000
FILTERS = ("server", "test", "test without files")


@cache
def program(machine: str, kind: str) -> bytes:
    architecture = syscalls.ARCHITECTURES[machine]
    if kind == "server":
        return seccomp.server_filter(architecture)
    return seccomp.test_filter(architecture, files=kind == "test")


@cache
def parsed(machine: str, kind: str) -> list[bpf.Instruction]:
    return bpf.parse(program(machine, kind))


def verdict(machine: str, kind: str, number: int, arguments: tuple[int, ...] = (), audit: int = 0) -> int:
    """What a process decides: a test process has the server's filter as well, and the stricter decision counts."""
    call = bpf.data(number, audit or AUDIT[machine], arguments)
    found = [bpf.run(parsed(machine, name), call) for name in {"server", kind}]
    return min(found, key=lambda value: (value & bpf.ACTIONS) - (value >> 31 << 32))


def low(value: int) -> int:
    return value & 0xFFFFFFFF


def expected(name: str | None, kind: str, arguments: tuple[int, ...] = ()) -> int:
    """The reference: `name` is None for numbers without a call."""
    values = [*map(low, arguments), *[0] * 6][:6]
    testing = kind != "server"
    if name == "clone3":
        return MISSING
    if kind == "test without files" and name in seccomp.FILE_CALLS:
        return NO_FILE
    if name in seccomp.SERVER_CALLS:
        return DENY if testing else bpf.ALLOW
    rules = {
        "clone": not values[0] & sum(NEW_NAMESPACE.values()) and (not testing or bool(values[0] & THREAD)),
        "prlimit64": values[0] == 0,
        "fcntl": values[1] not in (8, 10, 15),
        "ioctl": values[1] not in (0x8901, 0x8902, 0x5412),
        "sendto": values[5] == 0,
        "socketpair": values[0] == 1,
    }
    allowed = rules.get(name or "", name in {*seccomp.FILE_CALLS, *seccomp.PROGRAM_CALLS})
    return bpf.ALLOW if allowed else DENY


machines = pytest.mark.parametrize("machine", syscalls.ARCHITECTURES)
kinds = pytest.mark.parametrize("kind", FILTERS)


@machines
@kinds
def test_every_number_is_decided_as_in_the_reference(machine: str, kind: str) -> None:
    names = {number: name for name, number in kernel_numbers(machine).items()}
    assert {names[number] for number in range(600) if verdict(machine, kind, number) == bpf.ALLOW} >= {"read", "mmap"}
    for number in (*range(600), *(X32 | n for n in range(600)), -1, -100, 0x7FFFFFFF, 0x80000000, 1 << 32 | 1):
        name = names.get(low(number)) if number < 1 << 32 else names[1]
        assert verdict(machine, kind, number) == expected(name, kind), (number, name)


@machines
@kinds
def test_calls_of_other_interfaces_end_the_process(machine: str, kind: str) -> None:
    foreign = {*OTHER_AUDITS.values(), *AUDIT.values(), 0, 0xFFFFFFFF} - {AUDIT[machine]}
    for audit, number in itertools.product(foreign, (*range(600), X32, -1)):
        assert bpf.run(parsed(machine, "server"), bpf.data(number, audit)) == bpf.KILL_PROCESS


@machines
def test_threads_start_and_processes_and_namespaces_do_not(machine: str) -> None:
    clone = kernel_numbers(machine)["clone"]
    # pthread_create() and fork() of glibc: see recorded.txt. The flags are the first argument on both architectures.
    thread, fork = 0x3D0F00, 0x1200011
    for kind in FILTERS[1:]:
        assert verdict(machine, kind, clone, (thread,)) == bpf.ALLOW
        assert verdict(machine, kind, clone, (fork,)) == DENY
    assert verdict(machine, "server", clone, (fork,)) == bpf.ALLOW
    for bit in NEW_NAMESPACE.values():
        for flags, kind in itertools.product((thread, fork), FILTERS):
            assert verdict(machine, kind, clone, (flags | bit,)) == DENY


@machines
@kinds
def test_calls_with_which_programs_escape_are_denied(machine: str, kind: str) -> None:
    names = """
        accept accept4 bind bpf chmod chroot connect execve execveat fanotify_init fchmod fchmodat fchownat fsopen
        init_module io_uring_enter io_uring_setup ioperm kcmp kexec_load keyctl linkat listen mkdirat mknodat modify_ldt
        mount mount_setattr move_mount open_by_handle_at open_tree openat2 perf_event_open personality pidfd_getfd
        pidfd_send_signal pivot_root process_vm_readv process_vm_writev ptrace renameat2 rt_sigqueueinfo
        rt_tgsigqueueinfo sendmmsg setns setpriority setuid shmat shmget socket symlinkat tgkill tkill truncate unlink
        unlinkat unshare userfaultfd utimensat vfork
    """
    numbers = kernel_numbers(machine)
    assert {
        name for name in names.split() if name in numbers and verdict(machine, kind, numbers[name]) != DENY
    } == set()


def recorded(machine: str) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    for line in (TABLES / "recorded.txt").read_text().splitlines():
        architecture, kind, name, *value = line.split()
        if architecture == machine:
            yield kind, name, (0,) * CHECKED.get(name, 0) + tuple(int(text, 16) for text in value)


@machines
def test_recorded_calls_are_allowed(machine: str) -> None:
    calls = list(recorded(machine))
    assert len(calls) > 70
    numbers = kernel_numbers(machine)
    found = {(kind, name): verdict(machine, kind, numbers[name], arguments) for kind, name, arguments in calls}
    refused = {key: value for key, value in found.items() if value != bpf.ALLOW}
    # CPython asks for the peer of a socket that is not closed, for a warning that nobody sees.
    harmless = {("server", "getpeername"): DENY, ("test", "getpeername"): DENY, ("test", "clone3"): MISSING}
    assert refused == harmless


MARKED = (0, 1, 2, 8, 10, 15, 0x11, 0x5412, 0x8901, 0x8902, 0x3D0F00, 0xFFFFFFFF, *NEW_NAMESPACE.values())
"""Values that some rule distinguishes."""
HIGHS = (0, 1 << 32, 0xFFFFFFFF << 32)
VALUES = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.builds(lambda high, value: high | value, st.sampled_from(HIGHS), st.sampled_from(MARKED)),
)


@machines
@kinds
def test_arguments_are_checked_as_in_the_reference(machine: str, kind: str) -> None:
    for name, position, value, high in itertools.product(CHECKED, range(6), MARKED, HIGHS):
        arguments = [0, 3, 0, 0, 0, 0]
        arguments[position] = high | value
        found = verdict(machine, kind, kernel_numbers(machine)[name], tuple(arguments))
        assert found == expected(name, kind, tuple(arguments)), (name, arguments)


@given(
    machine=st.sampled_from(sorted(AUDIT)),
    kind=st.sampled_from(FILTERS),
    number=st.one_of(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, 600), st.sampled_from([56, 220])),
    arguments=st.tuples(*[VALUES] * 6),
    audit=st.one_of(st.sampled_from([*AUDIT.values(), *OTHER_AUDITS.values()]), st.integers(0, 0xFFFFFFFF)),
)
def test_random_calls_are_decided_as_in_the_reference(
    machine: str, kind: str, number: int, arguments: tuple[int, ...], audit: int
) -> None:
    names = {value: name for name, value in kernel_numbers(machine).items()}
    call = bpf.KILL_PROCESS if audit != AUDIT[machine] else expected(names.get(number), kind, arguments)
    assert verdict(machine, kind, number, arguments, audit or 1) == call


@given(
    rules=st.dictionaries(st.one_of(st.integers(0, 40), st.integers(0, 0x7FFFFFFF)), st.integers(1, 400), max_size=60),
    default=st.integers(1, 400),
    numbers=st.lists(st.one_of(st.integers(0, 41), st.integers(0, 0xFFFFFFFF)), max_size=20),
    padding=st.integers(0, 40),
)
def test_tree_decides_as_a_dictionary(rules: dict[int, int], default: int, numbers: list[int], padding: int) -> None:
    # Long bodies: beyond 255 instructions a jump needs another form.
    bodies = {number: seccomp._argument(0) * padding + seccomp._fail(value) for number, value in rules.items()}
    tree = bpf.parse(seccomp._instruction(bpf.LOAD, 0, 0, 0) + seccomp._tree(bodies, seccomp._fail(default)))
    for number in {*numbers, *rules, *(low(n + step) for n in rules for step in (1, -1))}:
        assert bpf.run(tree, bpf.data(number, 0)) == bpf.ERRNO | rules.get(number, default)


@pytest.mark.parametrize("length", range(245, 265))
def test_tree_jumps_over_long_bodies(length: int) -> None:
    # Up to 255 instructions fit into a conditional jump.
    bodies = {0: seccomp._argument(0) * length + seccomp._fail(5), 7: seccomp._fail(6)}
    tree = bpf.parse(seccomp._instruction(bpf.LOAD, 0, 0, 0) + seccomp._tree(bodies, seccomp._fail(9)))
    assert [bpf.run(tree, bpf.data(number, 0)) & 0xFF for number in range(9)] == [5, 9, 9, 9, 9, 9, 9, 6, 9]


def with_errno_values(filter_program: bytes) -> tuple[bytes, dict[int, int]]:
    """The filter with an errno value for each decision, and the decisions by errno value."""
    parts = list(struct.iter_unpack("=HBBI", filter_program))
    decisions = sorted({operand for code, *_, operand in parts if code == bpf.RETURN})
    coded = {decision: seccomp_kernel.ERRNO_BITS | at for at, decision in enumerate(decisions)}
    changed = [(code, *jumps, coded[k] if code == bpf.RETURN else k) for code, *jumps, k in parts]
    return b"".join(struct.pack("=HBBI", *part) for part in changed), {value: key for key, value in coded.items()}


@kinds
def test_kernel_decides_as_the_interpreter(kind: str) -> None:
    if not seccomp_kernel.available():
        pytest.skip("this process cannot load seccomp filters")
    machine = os.uname().machine
    numbers = kernel_numbers(machine)
    calls = [(number, 0, 0, 0, 0, 0, 0) for number in (*range(600), *(X32 | n for n in range(600)), 0xFFFFFFFF)]
    for name, position in CHECKED.items():
        for value, high in itertools.product(MARKED, HIGHS):
            arguments = [0] * 6
            arguments[position] = high | value
            calls.append((numbers[name], *arguments))
    calls = [call for call in calls if call[0] not in seccomp_kernel.UNFILTERED]
    changed, decisions = with_errno_values(program(machine, kind))
    (answers,) = seccomp_kernel.kernel_verdicts([(changed, calls)])
    seen = [bpf.data(number, AUDIT[machine], arguments) for number, *arguments in map(seccomp_kernel.marked, calls)]
    found = [decisions[answer] for answer in answers]
    assert found == [bpf.run(parsed(machine, kind), call) for call in seen]
    assert {bpf.ALLOW, DENY} <= set(found)
