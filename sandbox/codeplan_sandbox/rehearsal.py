"""Run a small program in the fork server the way test processes run theirs, before it forks any.

The interpreter specialises code and fills caches while code runs. What the server has run, its test processes find
done, in memory that they share; otherwise each of them would do it again, in copies of that memory.
"""

from __future__ import annotations

import os
import socket
import sys

from codeplan_sandbox import drivers, host_calls, main_module
from codeplan_sandbox.module_state import ModuleState

_MESSAGE_BYTES = 64
_ROUNDS = 20  # CPython specialises a function after 8 runs, and parts of it after some more
_INPUT = b"3\n1 2 3\nabc\n"
_PROGRAM = b"""
import sys, math
from collections import defaultdict
def solve(numbers):
    counts = defaultdict(int)
    for number in numbers:
        counts[number % 2] += 1
    return sorted(counts.items(), key=lambda pair: -pair[1])
count = int(input())
numbers = [int(part) for part in input().split()]
for index, line in enumerate(sys.stdin):
    print(index, line.strip(), f"{math.sqrt(count):.3f}")
print(*solve(numbers), sep="\\n")
print(" ".join(map(str, numbers)))
"""


def rehearse(state: ModuleState) -> None:
    """Run the program several times; the descriptors below 16 must be reserved, and are afterwards."""
    devnull = os.open("/dev/null", os.O_RDWR)
    server_end, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    files = {number: os.memfd_create("rehearsal") for number in (main_module.INPUT_COPY, main_module.OUTPUT_COPY)}
    files |= {number: os.memfd_create("rehearsal") for number in (drivers.ANSWER, drivers.PROGRAM, drivers.COMPILED)}
    files[drivers.CONTROL] = control.fileno()
    for number, file in files.items():
        os.dup2(file, number)
    os.pwrite(main_module.INPUT_COPY, _INPUT, 0)
    os.pwrite(drivers.PROGRAM, _PROGRAM, 0)
    with server_end, control:
        for _ in range(_ROUNDS):
            drivers.run_and_report(drivers.run_stdin, drivers.load_program(store=False), state)
            server_end.recv(_MESSAGE_BYTES)
            for file in (main_module.OUTPUT_COPY, drivers.ANSWER):
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
    for number, file in files.items():
        os.dup2(devnull, number)
        if number != drivers.CONTROL:
            os.close(file)
    os.dup2(devnull, 0)
    os.dup2(devnull, 1)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - as at the start
    sys.__stdin__, sys.__stdout__ = sys.stdin, sys.stdout  # type: ignore[misc]
    os.close(devnull)
    host_calls.set_program(None)
