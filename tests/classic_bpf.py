"""An interpreter of classic BPF programs as seccomp runs them, to check filters of other architectures.

It follows bpf_check_classic() and seccomp_check_filter() of Linux: which instructions exist, what makes a program
invalid, and 32-bit arithmetic with registers A and X, which start as 0, and 16 cells of memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, ALLOW = 0x80000000, 0, 0x00030000, 0x00050000, 0x7FFF0000
ACTIONS = 0xFFFF0000
DATA_BYTES = 64
MAX_INSTRUCTIONS = 4096
CELLS = 16

LOAD, LOAD_NUMBER, LOAD_CELL, LOAD_LENGTH = 0x20, 0x00, 0x60, 0x80
LOAD_X_NUMBER, LOAD_X_CELL, LOAD_X_LENGTH = 0x01, 0x61, 0x81
STORE, STORE_X, NEGATE, A_TO_X, X_TO_A = 0x02, 0x03, 0x84, 0x07, 0x87
JUMP, RETURN, RETURN_A = 0x05, 0x06, 0x16
DIVIDE, SHIFT_LEFT, SHIFT_RIGHT, OPERAND_IS_X = 0x34, 0x64, 0x74, 0x08
ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x04: lambda a, b: a + b,
    0x14: lambda a, b: a - b,
    0x24: lambda a, b: a * b,
    DIVIDE: lambda a, b: a // b,
    0x44: lambda a, b: a | b,
    0x54: lambda a, b: a & b,
    SHIFT_LEFT: lambda a, b: a << (b & 31),
    SHIFT_RIGHT: lambda a, b: a >> (b & 31),
    0xA4: lambda a, b: a ^ b,
}
CONDITIONS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda a, b: a == b,
    0x25: lambda a, b: a > b,
    0x35: lambda a, b: a >= b,
    0x45: lambda a, b: a & b != 0,
}
_CELLS_USED = {LOAD_CELL, LOAD_X_CELL, STORE, STORE_X}
_OTHERS = {LOAD, LOAD_NUMBER, LOAD_LENGTH, LOAD_X_NUMBER, LOAD_X_LENGTH, NEGATE, A_TO_X, X_TO_A, JUMP, RETURN, RETURN_A}

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: struct sock_filter."""


class InvalidProgramError(ValueError):
    """The kernel would refuse the program with EINVAL."""


def data(number: int, audit: int, arguments: Sequence[int] = (), instruction_pointer: int = 0) -> bytes:
    """A struct seccomp_data; all values are cut to their width."""
    padded = [*arguments, *[0] * 6][:6]
    values = [number & 0xFFFFFFFF, audit, instruction_pointer, *(value & (1 << 64) - 1 for value in padded)]
    return struct.pack("=IIQ6Q", *values)


def parse(program: bytes) -> list[Instruction]:
    """The instructions of a program that the kernel would accept.

    Raises:
        InvalidProgramError: it would not.
    """
    if not program or len(program) % 8 or len(program) // 8 > MAX_INSTRUCTIONS:
        raise InvalidProgramError(f"{len(program)} bytes")
    instructions = list(struct.iter_unpack("=HBBI", program))
    for at, (code, if_true, if_false, operand) in enumerate(instructions):
        left = len(instructions) - at - 1
        base = code & ~OPERAND_IS_X
        if code in _CELLS_USED:
            valid = operand < CELLS
        elif code in _OTHERS:
            valid = (code != LOAD or (operand < DATA_BYTES and operand % 4 == 0)) and (code != JUMP or operand < left)
        elif base in ARITHMETIC:
            by_number = code == base
            valid = not (by_number and base == DIVIDE and operand == 0)
            valid &= not (by_number and base in (SHIFT_LEFT, SHIFT_RIGHT) and operand >= 32)
        else:
            valid = base in CONDITIONS and max(if_true, if_false) < left
        if not valid:
            raise InvalidProgramError(f"instruction {at}: {code:#x} {if_true} {if_false} {operand:#x}")
    if instructions[-1][0] not in (RETURN, RETURN_A):
        raise InvalidProgramError("the last instruction does not return")
    _check_cells(instructions)
    return instructions


def _check_cells(instructions: list[Instruction]) -> None:
    """Cells must be written before they are read, on every path."""
    everything = (1 << CELLS) - 1
    known = [everything] * len(instructions)
    written = 0
    for at, (code, if_true, if_false, operand) in enumerate(instructions):
        written &= known[at]
        if code in (STORE, STORE_X):
            written |= 1 << operand
        elif code in (LOAD_CELL, LOAD_X_CELL) and not written & 1 << operand:
            raise InvalidProgramError(f"instruction {at}: reads cell {operand}, which may not have been written")
        elif code == JUMP or code & ~OPERAND_IS_X in CONDITIONS:
            for offset in (operand,) if code == JUMP else (if_true, if_false):
                known[at + 1 + offset] &= written
            written = everything


def run(instructions: list[Instruction], call: bytes) -> int:
    """The value that a parsed program returns for a struct seccomp_data."""
    if len(call) != DATA_BYTES:
        raise ValueError(f"struct seccomp_data has {DATA_BYTES} bytes, not {len(call)}")
    a = x = at = 0
    cells = [0] * CELLS
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        value = x if code & OPERAND_IS_X else operand
        base = code & ~OPERAND_IS_X
        if code in (RETURN, RETURN_A):
            return a if code == RETURN_A else operand
        if code == JUMP:
            at += operand
        elif base in CONDITIONS:
            at += if_true if CONDITIONS[base](a, value) else if_false
        elif base in ARITHMETIC:
            if base == DIVIDE and value == 0:
                return 0
            a = ARITHMETIC[base](a, value) & 0xFFFFFFFF
        elif code in (STORE, STORE_X):
            cells[operand] = a if code == STORE else x
        elif code in (LOAD_X_NUMBER, LOAD_X_CELL, LOAD_X_LENGTH, A_TO_X):
            x = {LOAD_X_NUMBER: operand, LOAD_X_CELL: cells[operand % CELLS], LOAD_X_LENGTH: DATA_BYTES, A_TO_X: a}[
                code
            ]
        elif code == LOAD:
            a = int.from_bytes(call[operand : operand + 4], "little")
        else:
            negated = -a & 0xFFFFFFFF
            a = {
                LOAD_NUMBER: operand,
                LOAD_CELL: cells[operand % CELLS],
                LOAD_LENGTH: DATA_BYTES,
                NEGATE: negated,
                X_TO_A: x,
            }[code]
