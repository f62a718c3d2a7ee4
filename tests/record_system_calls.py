"""Records the system calls that the fork server and its test processes make, where no filter stops them.

    python record_system_calls.py x86_64 /usr/bin/strace -f -e raw=all -o LOG /usr/bin/python3
    python record_system_calls.py aarch64 /usr/bin/qemu-aarch64-static -L ROOT -strace -D LOG ROOT/usr/bin/python3

The first argument is the architecture; the others are a command that starts a Python and writes its calls to a file,
in the place of which LOG stands. ROOT: unpacked packages of Debian for that architecture. The output is one line per
call: the architecture, the process (server or test), the call's name, and the argument that the filters check, if any.

The programs are the ones below. They run in the tier `limits`, so that every call is made: run this in a jail.
"""

from __future__ import annotations

import fcntl
import re
import sys
import tempfile
import termios
from functools import cache
from pathlib import Path

from codeplan_sandbox import Case, Judge, Limits, Suite, client

TABLES = Path(__file__).with_name("unit") / "system_calls"
CHECKED = {"clone": 0, "prlimit64": 0, "fcntl": 1, "ioctl": 1, "sendto": 5, "socketpair": 0}
"""The position of the argument that the filters check, by call."""
_CLONE_FLAGS = {
    "CLONE_VM": 0x100,
    "CLONE_FS": 0x200,
    "CLONE_FILES": 0x400,
    "CLONE_SIGHAND": 0x800,
    "CLONE_THREAD": 0x10000,
    "CLONE_SYSVSEM": 0x40000,
    "CLONE_SETTLS": 0x80000,
    "CLONE_PARENT_SETTID": 0x100000,
    "CLONE_CHILD_CLEARTID": 0x200000,
    "CLONE_CHILD_SETTID": 0x1000000,
}
_SYMBOLS = {**vars(fcntl), **vars(termios), **_CLONE_FLAGS}
_CALL = re.compile(r"(?:^|(?<=\)))(\d+) +(?:([a-z_0-9]+)\(([^)\n]*)|Unknown syscall (\d+))", re.MULTILINE)
_NO_NEW_PRIVILEGES, _ADDRESS_SPACE = 38, 9
# QEMU writes its log to the first free descriptor, among those of the emulated process: keep it out of their way.
_LOG_DESCRIPTOR = 200
_WRAPPER = """#!{interpreter}
import os, sys
null = os.open("/dev/null", os.O_RDWR)
for number in range(3, {first}):
    try:
        os.fstat(number)
    except OSError:
        os.dup2(null, number)
os.set_inheritable(null, True)
os.execv({command[0]!r}, {command!r} + sys.argv[1:])
"""
_START = f"""
import os, sys
os.read(int(sys.argv[2]), 1)
sys.path.insert(0, sys.argv.pop(1))
from codeplan_sandbox import linux, server
linux.close_from = lambda first: os.closerange(first, {_LOG_DESCRIPTOR})
server.start()
"""

PROGRAMS = r"""
print(int(input()) + 1)
---
import sys
print(sum(map(int, sys.stdin.buffer.read().split())) + 1, flush=True)
---
import os
os.write(1, b'%d' % (int(open(0).readline()) + 1))
---
import asyncio
async def main():
    await asyncio.sleep(0.01)
    print(int(input()) + 1)
asyncio.run(main())
---
import threading
t = threading.Thread(target=lambda: print(int(input()) + 1))
t.start()
t.join()
---
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    print(sum(pool.map(int, [input(), 1])))
---
import sys, threading
sys.setrecursionlimit(10**6)
threading.stack_size(1 << 26)
def f(n): return n and 1 + f(n - 1)
t = threading.Thread(target=lambda: print(f(20000) - 20000 + int(input()) + 1))
t.start()
t.join()
---
import random, time, datetime, uuid, secrets, tempfile, resource, socket, select, signal, mmap, os
random.seed()
uuid.uuid4()
secrets.token_hex()
datetime.datetime.now()
time.sleep(0.001)
time.process_time()
time.thread_time()
os.times()
os.getcwd()
os.cpu_count()
os.getpid(), os.getppid(), os.getuid()
os.getgroups()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.alarm(9)
signal.setitimer(signal.ITIMER_REAL, 0)
a, b = socket.socketpair()
a.send(b'x')
b.setblocking(False)
select.select([b], [], [], 1)
b.recv(1)
p = select.poll()
p.register(b)
p.poll(0)
e = select.epoll()
e.register(b)
e.poll(0)
m = mmap.mmap(-1, 1 << 20)
m.resize(1 << 21)
r, w = os.pipe()
os.dup2(w, 20)
os.set_inheritable(20, False)
os.isatty(0)
os.fstat(0)
os.lseek(0, 0, 0)
os.listdir('/')
os.path.exists('/usr')
os.scandir('/').close()
resource.getrusage(resource.RUSAGE_SELF)
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 24))
print(int(input()) + 1)
---
import decimal, json, zlib, hashlib, numbers, itertools, colorsys
hashlib.sha256(b'').digest()
xs = [bytearray(1 << 20) for _ in range(50)]
del xs
print(int(input()) + 1)
""".split("---\n")  # noqa: SIM905 - more readable as text


@cache
def kernel_numbers(machine: str) -> dict[str, int]:
    """All calls of an architecture, from the kernel's table."""
    lines = (TABLES / "numbers.txt").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    return {name: int(number) for architecture, name, number in entries if architecture == machine}


def judge_all(python: str) -> None:
    """Judge the programs with a fork server that this command starts."""
    cases = (Case("1\n", "2\n"), Case("5\n", "6\n"))
    sys.executable, client._START = python, _START
    with Judge(Limits(time_s=60, total_s=600), strongest_tier="limits", allow_tier="limits") as judge:
        for program in PROGRAMS:
            verdict = judge.judge(program, Suite("stdin", cases=cases))
            if not verdict.passed:
                raise RuntimeError(f"{program}: {verdict}")
        function = "def f(x): return x + 1"
        for suite in (
            Suite("call", cases=(Case(args=(1,), expected=2),), entry_point="f"),
            Suite("assert", tests=("assert f(1) == 2", "assert f(2) == 3")),
        ):
            if not judge.judge(function, suite).passed:
                raise RuntimeError(f"{function}: {suite}")
        judge.judge("raise ValueError", Suite("stdin", cases=cases))


def value(argument: str) -> int:
    """The number that an argument in a log stands for."""
    argument = argument.removesuffix(" <unfinished ...>").strip()
    return sum(int(part, 0) if part[0].isdigit() else _SYMBOLS[part] for part in argument.split("|"))


def recorded(log: str, names: dict[int, str]) -> set[str]:
    """The lines for the calls of a log that were made after the filters would have been loaded."""
    processes: dict[str, str] = {}
    lines = set()
    calls = [(pid, name or names[int(number)], text.split(",")) for pid, name, text, number in _CALL.findall(log)]
    forked = {pid for pid, name, _ in calls if name == "prctl"}
    for pid, name, arguments in calls:
        if not processes:
            if name == "prctl" and value(arguments[0]) == _NO_NEW_PRIVILEGES:
                processes[pid] = "server"
            continue
        # A process that was forked for a test is under the server's filter until it has set its limits; a thread of
        # a test process does not call prctl.
        kind = processes.setdefault(pid, "server" if pid in forked else "test")
        checked = f" {value(arguments[CHECKED[name]]):#x}" if name in CHECKED else ""
        lines.add(f"{kind} {name}{checked}")
        if name == "prlimit64" and value(arguments[1]) == _ADDRESS_SPACE and value(arguments[2]):
            processes[pid] = "test"
    return lines


def main(machine: str, command: list[str]) -> None:
    """Judge the programs, and print the calls."""
    names = {number: name for name, number in kernel_numbers(machine).items()}
    with tempfile.TemporaryDirectory() as folder:
        log, python = Path(folder) / "log", Path(folder) / "python"
        words = [str(log) if word == "LOG" else word for word in command]
        python.write_text(_WRAPPER.format(interpreter=sys.executable, first=_LOG_DESCRIPTOR, command=words))
        python.chmod(0o755)
        judge_all(str(python))
        for line in sorted(recorded(log.read_text(errors="replace"), names)):
            print(machine, line)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
