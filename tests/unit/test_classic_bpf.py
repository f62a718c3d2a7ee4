"""The interpreter with which filters are checked decides as the kernel does, and refuses what the kernel refuses."""

from __future__ import annotations

import random
import struct

import classic_bpf as bpf
import pytest
from classic_bpf import InvalidProgramError
from seccomp_kernel import ERRNO_BITS, UNFILTERED, available, kernel_verdicts, marked

from codeplan_sandbox import syscalls

RETURN_0 = (bpf.RETURN, 0, 0, 0)


def packed(*instructions: bpf.Instruction) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


@pytest.mark.parametrize(
    "program",
    [
        b"",
        packed(RETURN_0)[:-1],
        packed(*[RETURN_0] * 4097),
        packed((bpf.LOAD, 0, 0, 64), RETURN_0),
        packed((bpf.LOAD, 0, 0, 2), RETURN_0),
        packed((0x28, 0, 0, 0), RETURN_0),  # half a word
        packed((0x94, 0, 0, 3), RETURN_0),  # modulo
        packed((bpf.DIVIDE, 0, 0, 0), RETURN_0),
        packed((bpf.SHIFT_LEFT, 0, 0, 32), RETURN_0),
        packed((bpf.JUMP, 0, 0, 1), RETURN_0),
        packed((bpf.JUMP, 0, 0, 0xFFFFFFFF), RETURN_0),
        packed((0x15, 1, 0, 0), RETURN_0),
        packed((0x15, 0, 1, 0), RETURN_0),
        packed((bpf.STORE, 0, 0, 16), RETURN_0),
        packed((bpf.LOAD_CELL, 0, 0, 0), RETURN_0),
        packed((0x15, 0, 1, 0), (bpf.STORE, 0, 0, 0), (bpf.LOAD_CELL, 0, 0, 0), RETURN_0),
        packed((bpf.LOAD, 0, 0, 0)),
        packed(RETURN_0, (bpf.JUMP, 0, 0, 0)),
    ],
)
def test_invalid_programs_are_refused(program: bytes) -> None:
    with pytest.raises(InvalidProgramError):
        bpf.parse(program)


def returned(*instructions: bpf.Instruction, call: bytes = bpf.data(5, 7, range(1, 7), 9)) -> int:
    return bpf.run(bpf.parse(packed(*instructions, (bpf.RETURN_A, 0, 0, 0))), call)


def test_instructions_do_what_the_kernel_documents() -> None:
    numbers = {0: 5, 4: 7, 8: 9, 12: 0, 16: 1, 20: 0, 56: 6}
    assert {at: returned((bpf.LOAD, 0, 0, at)) for at in numbers} == numbers
    assert returned((bpf.LOAD, 0, 0, 20), call=bpf.data(0, 0, [-1])) == 0xFFFFFFFF
    load = (bpf.LOAD_NUMBER, 0, 0, 0x80000001)
    assert returned() == 0
    assert returned((bpf.LOAD_LENGTH, 0, 0, 0)) == 64
    assert returned((bpf.LOAD_X_LENGTH, 0, 0, 0), (bpf.X_TO_A, 0, 0, 0)) == 64
    assert returned(load, (bpf.NEGATE, 0, 0, 0)) == 0x7FFFFFFF
    assert returned(load, (0x04, 0, 0, 0x80000000)) == 1
    assert returned(load, (0x14, 0, 0, 0x80000002)) == 0xFFFFFFFF
    assert returned(load, (0x24, 0, 0, 3)) == 0x80000003
    assert returned(load, (bpf.DIVIDE, 0, 0, 2)) == 0x40000000
    assert returned(load, (bpf.SHIFT_LEFT, 0, 0, 1)) == 2
    assert returned(load, (bpf.SHIFT_RIGHT, 0, 0, 31)) == 1
    assert returned(load, (0x44, 0, 0, 2), (0x54, 0, 0, 3), (0xA4, 0, 0, 5)) == 6
    assert returned(load, (bpf.DIVIDE | bpf.OPERAND_IS_X, 0, 0, 0), (0x04, 0, 0, 1)) == 0
    moved = ((bpf.A_TO_X, 0, 0, 0), (bpf.LOAD_NUMBER, 0, 0, 1), (bpf.STORE_X, 0, 0, 15), (bpf.LOAD_CELL, 0, 0, 15))
    assert returned(load, *moved) == 0x80000001


def random_program(rng: random.Random) -> bytes:
    """A valid program with all instructions, which ends every call with an errno value."""
    length = rng.randint(1, 60)
    words = [rng.choice([0, 1, 2, 31, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32)]) for _ in range(8)]
    # A is not 0 at the start, as the mark has been loaded.
    program = [(bpf.LOAD_NUMBER, 0, 0, rng.choice(words)), *((bpf.STORE, 0, 0, cell) for cell in range(bpf.CELLS))]
    simple = [bpf.LOAD_LENGTH, bpf.LOAD_X_LENGTH, bpf.NEGATE, bpf.A_TO_X, bpf.X_TO_A]
    for at in range(length):
        left = length - at - 1
        kind = rng.randrange(8)
        if kind == 0:
            program.append((bpf.LOAD, 0, 0, rng.choice([0, 4, *range(16, 64, 4)])))
        elif kind == 1:
            program.append((rng.choice([bpf.LOAD_NUMBER, bpf.LOAD_X_NUMBER]), 0, 0, rng.choice(words)))
        elif kind == 2:
            cell = rng.choice([bpf.LOAD_CELL, bpf.LOAD_X_CELL, bpf.STORE, bpf.STORE_X])
            program.append((cell, 0, 0, rng.randrange(bpf.CELLS)))
        elif kind == 3:
            program.append((rng.choice(simple), 0, 0, 0))
        elif kind == 4 and left:
            program.append((bpf.JUMP, 0, 0, rng.randint(0, min(left, 4))))
        elif kind == 5:
            code = rng.choice(list(bpf.CONDITIONS)) | rng.choice([0, bpf.OPERAND_IS_X])
            program.append((code, rng.randint(0, min(left, 9)), rng.randint(0, min(left, 9)), rng.choice(words)))
        elif kind == 6 and rng.random() < 0.1:
            program.append((bpf.RETURN, 0, 0, ERRNO_BITS | rng.getrandbits(11)))
        else:
            program.append(random_arithmetic(rng, words))
    # Fold the 32 bits of A into 11, so that all of them show in the errno value.
    for shift in (11, 22):
        program += [(bpf.A_TO_X, 0, 0, 0), (bpf.SHIFT_RIGHT, 0, 0, shift), (0xA4 | bpf.OPERAND_IS_X, 0, 0, 0)]
    end = [(0x54, 0, 0, 0x7FF), (0x44, 0, 0, ERRNO_BITS), (bpf.RETURN_A, 0, 0, 0)]
    return packed(*program, *end)


def random_arithmetic(rng: random.Random, words: list[int]) -> bpf.Instruction:
    code = rng.choice(list(bpf.ARITHMETIC))
    if code in (bpf.SHIFT_LEFT, bpf.SHIFT_RIGHT):
        return (code, 0, 0, rng.randrange(32))
    by_x = bpf.OPERAND_IS_X if rng.random() < 0.5 else 0
    # Division by an X of 0 ends the program, and with it the thread; shifts by X are not tried beyond 31 either.
    return (code, 0, 0, rng.choice(words) or 1) if code == bpf.DIVIDE else (code | by_x, 0, 0, rng.choice(words))


def test_interpreter_agrees_with_the_kernel_on_random_programs() -> None:
    if not available():
        pytest.skip("this process cannot load seccomp filters")
    architecture = syscalls.native()
    assert architecture is not None
    rng = random.Random(11)
    numbers = sorted(set(range(500)) - UNFILTERED)
    requests = []
    for _ in range(150):
        calls = [
            (rng.choice(numbers), *(rng.choice([0, 1, rng.getrandbits(64), rng.getrandbits(32)]) for _ in range(6)))
            for _ in range(8)
        ]
        requests.append((random_program(rng), calls))
    answers = kernel_verdicts(requests)
    assert len({value for answer in answers for value in answer}) > 100
    for (program, calls), answer in zip(requests, answers, strict=True):
        parsed = bpf.parse(program)
        seen = [bpf.data(number, architecture.audit, arguments) for number, *arguments in map(marked, calls)]
        assert [bpf.run(parsed, call) for call in seen] == answer
