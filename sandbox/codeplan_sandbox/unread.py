"""Bounds how much of the results is in memory: the judge frees what it has read, and the server waits for it."""

from __future__ import annotations

import os
import select
import socket
import time

from codeplan_sandbox import linux
from codeplan_sandbox.wire import WireError

UNREAD_BYTES = 32 << 20
"""How much of the results may be in memory because the judge has not read it yet, beside those of one test."""
_FREE_AT_ONCE_BYTES = 1 << 20
_POLL_S = 0.002
_BLOCK_BYTES = 512  # the unit of st_blocks


def wait_for_judge(results: int, judge: socket.socket, deadline: float) -> None:
    """Wait while the judge has more than `UNREAD_BYTES` left to read; not after it has sent something, or in vain.

    Args:
        results: the file with the results of a request.
        judge: the socket to the judge.
        deadline: in terms of `time.monotonic`.
    """
    while os.fstat(results).st_blocks * _BLOCK_BYTES > UNREAD_BYTES and time.monotonic() < deadline:
        if select.select([judge], [], [], _POLL_S)[0]:
            return


class ResultReader:
    """The judge's side: reads the results in order, and frees their memory."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._position = self._freed = 0

    def read(self, length: int) -> bytes:
        """The next bytes; raises WireError if the file ends before."""
        if length > os.fstat(self._file).st_size - self._position:
            raise WireError("the results are shorter than they should be")
        data = os.pread(self._file, length, self._position)
        self._position += length
        if self._position - self._freed >= _FREE_AT_ONCE_BYTES:
            linux.free_memory(self._file, self._freed, self._position - self._freed)
            self._freed = self._position
        return data
