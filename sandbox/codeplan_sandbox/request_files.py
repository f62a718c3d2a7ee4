"""The files of one request: in memory, without names, and empty again for every test."""

from __future__ import annotations

import fcntl
import functools
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestFiles:
    """The descriptors of one request: three come from the judge, the others are for the test processes.

    `test_answer` is -1 unless the tests have a process of their own.
    """

    program: int
    inputs: int
    results: int
    compiled: int
    stdin: int
    stdout: int
    answer: int
    test_answer: int

    @classmethod
    def create(cls, program: int, inputs: int, results: int, *, test_process: bool) -> RequestFiles:
        """Add empty files for the test processes to the judge's three."""
        compiled, stdin, stdout, answer = map(os.memfd_create, ("c", "i", "o", "a"))
        test_answer = os.memfd_create("t") if test_process else -1
        return cls(program, inputs, results, compiled, stdin, stdout, answer, test_answer)

    def prepare(self) -> None:
        """Empty what an earlier process may have used."""
        for file in (self.stdin, self.stdout, self.answer):
            _empty(file)
        if self.test_answer >= 0:
            _empty(self.test_answer)

    def provide_input(self, offset: int, length: int) -> bool:
        """Copy a part of the inputs to the standard input; whether that worked.

        The process has the same file open, and may still be running after a forged report.
        """
        try:
            _empty(self.stdin)
            return copy(self.inputs, offset, length, self.stdin) == length
        except OSError:
            return False

    def collect(self, max_output: int) -> tuple[int, int, int]:
        """Append output and answer to the results, and empty them for the next test.

        Returns:
            The length of the output, and how many bytes of output and answer were copied: a program that is still
            running may shorten its files meanwhile.
        """
        written, answer = os.fstat(self.stdout).st_size, self.answer
        if self.test_answer >= 0 and os.fstat(self.test_answer).st_size:
            answer = self.test_answer
        output_bytes = copy(self.stdout, 0, min(written, max_output), self.results)
        answer_bytes = copy(answer, 0, os.fstat(answer).st_size, self.results)
        os.lseek(self.stdout, 0, os.SEEK_SET)
        if written:
            os.ftruncate(self.stdout, 0)
        if answer_bytes:
            os.ftruncate(self.answer, 0)
            if self.test_answer >= 0:
                os.ftruncate(self.test_answer, 0)
        return written, output_bytes, answer_bytes

    def close(self) -> None:
        """Close them all."""
        for name in self.__dataclass_fields__:
            if (file := getattr(self, name)) >= 0:
                os.close(file)


@functools.cache
def devnull() -> int:
    """A descriptor of /dev/null."""
    return os.open("/dev/null", os.O_RDWR)


def _empty(file: int) -> None:
    fcntl.fcntl(file, fcntl.F_SETFL, 0)  # a program may have set O_APPEND, with which sendfile fails
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)


def copy(source: int, offset: int, length: int, target: int) -> int:
    """Copy between files without reading them into this process; returns the number of bytes copied."""
    end = offset + length
    position = offset
    while position < end and (copied := os.sendfile(target, source, position, end - position)):
        position += copied
    return position - offset
