"""Progress on long work: a live bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codeplan.errors import StopRequested

SECONDS_BETWEEN_LINES = 10.0


class Bar:
    """Progress of one stage: finished rows, rate, time left and the cost of the teacher's answers so far."""

    def __init__(
        self, console: Console, title: str, total: int, unit: str, stop_requested: Callable[[], bool] = lambda: False
    ) -> None:
        """Start counting.

        Args:
            console: where it is shown.
            title: of the stage.
            total: rows in all.
            unit: what the rows are.
            stop_requested: asked whenever rows are counted.
        """
        self._stop_requested = stop_requested
        self._console = console
        self._title = title
        self._unit = unit
        self._total = total
        self._rows = 0
        self._already = 0
        self._cost_usd = 0.0
        self._note = ""
        self._started = self._printed = time.monotonic()
        self._live: Progress | None = None

    @property
    def rows(self) -> int:
        """Rows that are finished, by earlier runs too."""
        return self._rows

    def skip(self, rows: int) -> None:
        """Count rows that an earlier run finished; they do not enter the rate."""
        if self._rows == self._already:
            self._started = time.monotonic()
        self._already += rows
        self.advance(rows)

    def advance(self, rows: int = 0, cost_usd: float = 0.0, note: str = "") -> None:
        """Count finished rows and their cost; a note, such as the training loss, stays until the next.

        Raises:
            StopRequested: the work should stop.
        """
        if self._stop_requested():
            raise StopRequested(f"{self._title} was stopped")
        self._rows += rows
        self._cost_usd += cost_usd
        self._note = note or self._note
        if self._live is not None:
            self._live.update(self._live.task_ids[0], completed=self._rows, tail=self._tail())
        elif time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def _tail(self) -> str:
        parts = [f"{self._rate():.3g} {self._unit}/s"]
        if self._cost_usd:
            parts.append(f"${self._cost_usd:.2f}")
        if self._note:
            parts.append(self._note)
        return "  ".join(parts)

    def _rate(self) -> float:
        return (self._rows - self._already) / max(time.monotonic() - self._started, 1e-9)

    def _print_line(self) -> None:
        self._printed = time.monotonic()
        seconds = (self._total - self._rows) / self._rate() if self._rate() > 0 else float("inf")
        remaining = f"{seconds:.0f} s left" if seconds < float("inf") else "time left unknown"
        self._console.print(
            f"  {self._title}: {self._rows}/{self._total} {self._unit}, {self._tail()}, {remaining}", highlight=False
        )

    @contextmanager
    def shown(self) -> Iterator[Bar]:
        """Show the bar while the block runs."""
        if not self._console.is_interactive:
            yield self
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[tail]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as self._live:
            self._live.add_task(self._title, total=self._total, tail="")
            yield self
        self._live = None
