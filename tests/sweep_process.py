"""A small sweep in a process of its own, which can be killed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from small_pipeline import changed

CODEPLAN = Path(sys.executable).with_name("codeplan")
CONFIG = changed(
    ("name", "toy"),
    ("problems.test.count", 8),
    ("sampling.plans", 2),
    ("report", {"resamples": 50}),
    ("execution.sample_actors", 1),
    ("execution.judge_actors", 1),
    ("execution.checkpoint_every", 4),
    (
        "sweep.axes",
        {
            "training.mixing": {"grid": [{"code": 1, "plan": 1}, {"code": 1, "plan": 1, "plan_code": 1}]},
            "sampling.plans": {"grid": [1, 2]},
        },
    ),
)
"""Two trainings, two trials of each."""


class SweepProcess:
    """`codeplan sweep` in a process of its own, on a home."""

    def __init__(self, folder: Path, home: Path, *settings: str) -> None:
        self.home = home
        self._config = folder / "sweep.yaml"
        self._config.write_text(yaml.safe_dump(CONFIG))
        options = [part for setting in (f"execution.home={home}", *settings) for part in ("-s", setting)]
        self._command = [str(CODEPLAN), "sweep", str(self._config), *options]
        self._log = folder / f"{home.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def trials(self) -> Path:
        """The folder of its trials' files."""
        return self.home / "sweeps" / CONFIG["name"] / "trials"

    @property
    def results(self) -> list[dict[str, str]]:
        """Its table, without how fast the machine was and which trial did the work that others share."""
        with (self.home / "sweeps" / CONFIG["name"] / "table.csv").open(encoding="utf-8", newline="") as file:
            return [
                {key: value for key, value in row.items() if not key.endswith("_per_s") and ".new" not in key}
                for row in csv.DictReader(file)
            ]

    def start(self) -> None:
        """Start it, or resume it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def interrupt_when(self, moment: Callable[[], bool], timeout_s: float) -> int:
        """Press Ctrl-C once the moment has come; its exit code."""
        assert self._process is not None
        if self._end_when(moment, timeout_s, signal.SIGINT):
            return self._process.returncode
        raise RuntimeError(f"it ended before: {self.said()}")

    def kill_when(self, moment: Callable[[], bool], timeout_s: float) -> bool:
        """Kill it once the moment has come; false where it ended before."""
        return self._end_when(moment, timeout_s, signal.SIGKILL)

    def _end_when(self, moment: Callable[[], bool], timeout_s: float, how: signal.Signals) -> bool:
        assert self._process is not None
        until = time.monotonic() + timeout_s
        while not moment() and self._process.poll() is None:
            if time.monotonic() > until:
                self._process.kill()
                raise TimeoutError(self.said())
            time.sleep(0.02)
        if self._process.poll() is not None:
            return False
        self._process.send_signal(how)
        self._process.wait(timeout_s)
        return True

    def ended(self) -> bool:
        """Whether it has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    def finish(self, timeout_s: float) -> None:
        """Wait for its end, which must be a good one."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        if code != 0:
            raise RuntimeError(f"code {code}: {self.said()}")

    def finished_stages(self) -> dict[str, int]:
        """When each stage was finished, in nanoseconds, by its folder."""
        return {str(marker.parent): marker.stat().st_mtime_ns for marker in self.home.glob("stages/*/*/done.json")}

    def states(self) -> list[str]:
        """The states of its trials."""
        return [json.loads(path.read_text())["state"] for path in sorted(self.trials.glob("[!.]*.json"))]

    def said(self) -> str:
        """The end of its output."""
        return self._log.read_text(errors="replace")[-2000:]
