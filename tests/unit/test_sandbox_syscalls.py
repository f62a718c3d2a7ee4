"""The system call numbers are the kernel's, and machines whose numbers the sandbox does not have are refused."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from record_system_calls import CHECKED, kernel_numbers

from codeplan_sandbox import MINIMUM_TIER, TIERS, SandboxError, client, seccomp, syscalls


@pytest.mark.parametrize("machine", syscalls.ARCHITECTURES)
def test_numbers_are_those_of_the_kernel(machine: str) -> None:
    architecture = syscalls.ARCHITECTURES[machine]
    kernel = kernel_numbers(machine)
    assert len(kernel) > 300
    assert {name: kernel.get(name) for name in architecture.numbers} == architecture.numbers
    needed = {*seccomp.FILE_CALLS, *seccomp.PROGRAM_CALLS, *seccomp.SERVER_CALLS, *CHECKED, "clone3"}
    needed |= {"seccomp", "capset", "pivot_root", "mount_setattr", "landlock_create_ruleset"}
    needed |= {"landlock_add_rule", "landlock_restrict_self"}
    assert set(architecture.numbers) == needed & set(kernel), "a call that the kernel has is missing from the table"


def test_lists_of_calls_are_disjoint_and_name_calls() -> None:
    lists = [seccomp.FILE_CALLS, seccomp.PROGRAM_CALLS, seccomp.SERVER_CALLS, tuple(CHECKED)]
    names = list(itertools.chain(*lists))
    assert len(names) == len(set(names))
    assert set(names) <= set().union(*map(kernel_numbers, syscalls.ARCHITECTURES))


def test_kernel_ignores_the_high_halves_that_the_filters_do_not_check() -> None:
    program = """
import ctypes, fcntl, os, resource, socket, struct, sys
numbers = {name: int(number) for name, number in (word.split("=") for word in sys.argv[1:])}
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    passed = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    return libc.syscall(ctypes.c_long(numbers[name]), *passed)
HIGH = 1 << 32
limits = ctypes.create_string_buffer(16)
assert call("prlimit64", HIGH, resource.RLIMIT_NOFILE, 0, limits) == 0
assert struct.unpack("QQ", limits) == resource.getrlimit(resource.RLIMIT_NOFILE)
pair = (ctypes.c_int * 2)()
assert call("socketpair", HIGH | socket.AF_UNIX, socket.SOCK_DGRAM, 0, pair) == 0
assert call("fcntl", pair[0], HIGH | fcntl.F_GETFD, 0) == 0
waiting = ctypes.c_int(5)
assert call("ioctl", pair[1], HIGH | 0x541B, ctypes.byref(waiting)) == 0 and waiting.value == 0
# With an address that is not one: the kernel reads none of its bytes.
assert call("sendto", pair[0], b"x", 1, 0, b"address", HIGH) == 1
assert os.read(pair[1], 9) == b"x"
# Flags that only clone3 has (CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP), and SIGCHLD.
child = call("clone", HIGH | HIGH << 1 | 17, 0, 0, 0, 0)
if child == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    numbers = kernel_numbers(os.uname().machine)
    words = [f"{name}={numbers[name]}" for name in CHECKED]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("machine", ["riscv64", "i686", "armv8l", "aarch64_be", "s390x"])
def test_other_machines_are_refused(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_START", START_ON.format(machine=machine, maxsize=sys.maxsize))
    refusals_name(f"not 64-bit programs on {machine}")


def test_32_bit_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_START", START_ON.format(machine="x86_64", maxsize=(1 << 31) - 1))
    refusals_name("not 32-bit programs on x86_64")


START_ON = """
import os, sys
os.read(int(sys.argv[2]), 1)
sys.path.insert(0, sys.argv.pop(1))
from types import SimpleNamespace
from codeplan_sandbox import server, syscalls
syscalls.os = SimpleNamespace(uname=lambda: SimpleNamespace(machine={machine!r}))
syscalls.sys = SimpleNamespace(maxsize={maxsize})
server.start()
"""


def refusals_name(reason: str) -> None:
    for tier in TIERS[: TIERS.index(MINIMUM_TIER) + 1]:
        with pytest.raises(SandboxError, match=reason):
            client.Server(tier)
