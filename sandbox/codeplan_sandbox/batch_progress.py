"""Progress of a batch on standard error: one line that is written over on a terminal, and a summary at the end."""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import BinaryIO

from codeplan_sandbox.batch import Batch, Summary

_SECONDS_BETWEEN_UPDATES = 0.2
_MAX_REPORTS = 10
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows how far a batch is.

    Args:
        source: the batch; where it is a regular file, its size says how much is left.
    """

    def __init__(self, source: BinaryIO) -> None:
        status = os.fstat(source.fileno())
        self._size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()
        self._reports = 0

    def report(self, message: str) -> None:
        """Print why a line was not judged; only the first few."""
        self._reports += 1
        if self._reports <= _MAX_REPORTS:
            self._print(message)
        if self._reports == _MAX_REPORTS:
            self._print("further lines that are not judged are in the results only")

    def advance(self, batch: Batch) -> None:
        """Show the state of a batch, on a terminal."""
        now = time.monotonic()
        if not self._terminal or now - self._shown < _SECONDS_BETWEEN_UPDATES:
            return
        self._shown = now
        judged = batch.summary.judged.total()
        parts = [f"{batch.summary.lines:,} programs", f"{judged / (now - self._started):.3g} judged/s"]
        if self._size:
            parts.append(f"{batch.position / self._size:.0%} of the batch")
        sys.stderr.write(f"{_CLEAR}{', '.join(parts)}")
        sys.stderr.flush()

    def finish(self, summary: Summary, ending: str = "") -> None:
        """Print the summary; ``ending`` says how a batch ended that is not finished."""
        parts = [f"{summary.judged.total():,} programs judged{_outcomes(summary.judged)}"]
        if kept := summary.kept.total():
            parts.append(f"{kept:,} results of an earlier run kept{_outcomes(summary.kept)}")
        if summary.bad_lines:
            parts.append(f"{summary.bad_lines:,} bad lines")
        if summary.sandbox_failures:
            parts.append(f"the sandbox failed on {summary.sandbox_failures:,} lines: run the same command to retry")
        self._print(f"{'; '.join(parts)}; {time.monotonic() - self._started:.1f} s{ending}")

    def _print(self, message: str) -> None:
        print(f"{_CLEAR if self._terminal else ''}codeplan-sandbox: {message}", file=sys.stderr, flush=True)


def _outcomes(counts: dict[str, int]) -> str:
    shown = ", ".join(
        f"{number:,} {outcome}" for outcome, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    return f" ({shown})" if shown else ""
