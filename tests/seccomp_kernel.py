"""Asks the kernel what seccomp filters decide about calls, without making one of them.

The filters must let every call fail with an errno value of `ERRNO_BITS` and 11 more bits. They decide only about calls
with a mark in the high half of the last argument, which is added here. As a script it reads requests from its standard
input, runs each in a process of its own, and writes lists of errno values.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys

import classic_bpf

from codeplan_sandbox import linux, seccomp, syscalls

ERRNO_BITS = classic_bpf.ERRNO | 0x800
MARK = 0x51A5
_MARK_AT = 16 + 8 * 5 + 4
_LOAD, _EQUAL = 0x20, 0x15
_ONLY_MARKED = struct.pack("=HBBIHBBI", _LOAD, 0, 0, _MARK_AT, _EQUAL, 1, 0, MARK) + seccomp.ALLOW

UNFILTERED = {335, 336} if os.uname().machine == "x86_64" else set()
"""uretprobe and uprobe, which return from the kernel's own probes: new kernels (6.18 does) run them past all filters. A
process that makes them without a probe gets SIGILL."""

Call = tuple[int, ...]
"""A call's number and six arguments."""


def marked(call: Call) -> Call:
    """The call as the filter sees it."""
    return (*call[:6], MARK << 32 | call[6] & 0xFFFFFFFF)


def kernel_verdicts(requests: list[tuple[bytes, list[Call]]]) -> list[list[int]]:
    """What each filter decides about its calls.

    Raises:
        RuntimeError: the kernel refused a filter, or a filter let a call pass.
    """
    text = json.dumps([(program.hex(), [marked(call) for call in calls]) for program, calls in requests])
    command = [sys.executable, __file__]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [[classic_bpf.ERRNO | value for value in answer] for answer in json.loads(done.stdout)]


def available() -> bool:
    """Whether this process may load filters for this machine."""
    try:
        return syscalls.native() is not None and bool(kernel_verdicts([(seccomp._fail(0x800), [(0,) * 7])]))
    except RuntimeError:
        return False


def _ask(program: bytes, calls: list[Call]) -> list[int]:
    libc = ctypes.CDLL(None, use_errno=True)
    linux.no_new_privileges()
    seccomp.Filter(_ONLY_MARKED + program).load()
    found = []
    for call in calls:
        if libc.syscall(*map(ctypes.c_ulong, call)) != -1:
            raise RuntimeError(f"the filter let a call succeed: {call}")
        found.append(ctypes.get_errno())
    return found


def main() -> None:
    """Answer the requests."""
    answers = []
    for program, calls in json.load(sys.stdin):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                with os.fdopen(writing, "w") as pipe:
                    json.dump(_ask(bytes.fromhex(program), calls), pipe)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answers.append(json.load(pipe))
        os.waitpid(child, 0)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
