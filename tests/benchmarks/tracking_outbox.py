"""Print how much slower a loop's slowest steps are when it reports each step to MLflow, with the server up and away.

    python tests/benchmarks/tracking_outbox.py --steps 1500 --step-ms 20 --away 10

Three loops of the same steps, in turns of 50 steps so that other work on the machine meets all alike: one that reports
nothing, one to a real `mlflow server` that stays, one to a server that is killed and started again in the middle. A
step is matrix products. Prints the maximum and the 99th percentile over the median of each, and ends with code 1 if a
point is missing. On a machine that does other things, the first loop's ratio says how much of it is theirs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mlflow import MlflowClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlflow_parts import MlflowServer

from codeplan.config import TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import Tracker

TURN = 50
SOURCE = {"reader": "miniapps", "split": "train", "count": 1}
CONFIG = parse({"name": "outbox", "problems": {"train": SOURCE, "test": SOURCE}, "student": {"model": "m"}})


def work(step_ms: float) -> Callable[[], None]:
    """A step of about that many milliseconds, which releases Python's lock as training does."""
    matrix = torch.rand(256, 256)
    started = time.perf_counter()
    for _ in range(50):
        matrix @ matrix
    count = max(1, round(step_ms / 1000 / ((time.perf_counter() - started) / 50)))

    def step() -> None:
        for _ in range(count):
            matrix @ matrix

    return step


class Times:
    """Of each step with its report: seconds, and seconds on a CPU, which other processes do not lengthen."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.report: list[float] = []


def timed_turn(step: Callable[[], None], report: Callable[[int], None], first: int, times: Times) -> None:
    """Add the times of a turn."""
    for number in range(first, first + TURN):
        started, cpu = time.perf_counter(), time.thread_time()
        step()
        worked = time.thread_time()
        report(number)
        times.cpu.append(time.thread_time() - cpu)
        times.report.append(time.thread_time() - worked)
        times.wall.append(time.perf_counter() - started)


def show(name: str, times: Times) -> None:
    print(f"{name}: a report takes {1e6 * statistics.median(times.report):.0f} us of CPU time")
    for kind, values in (("wall", times.wall), ("CPU", times.cpu)):
        median = statistics.median(values)
        tail = statistics.quantiles(values, n=100)[-1]
        slow = sum(seconds > 2 * median for seconds in values)
        print(
            f"  {kind:<4} median {1000 * median:6.2f} ms   p99 / median {tail / median:5.2f}   max / median "
            f"{max(values) / median:5.2f}   steps over 2 x median: {slow} of {len(values)}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--step-ms", type=float, default=20.0)
    parser.add_argument("--away", type=float, default=10.0, help="seconds for which the second server is away")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = ("no reports", "server up", "server killed for a while")
    times = {name: Times() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder) / name.replace(" ", "-") for name in names[1:]]
        servers = []
        for home in homes:
            home.mkdir()
            servers.append(MlflowServer(f"sqlite:///{home / 'mlflow.db'}", str(home / "a"), home / "log"))
            servers[-1].start()
        trackers = [Tracker(TrackingConfig(uri=server.uri), home) for server, home in zip(servers, homes, strict=True)]
        step = work(arguments.step_ms)
        try:
            with trackers[0].experiment(CONFIG, {}) as up, trackers[1].experiment(CONFIG, {}) as killed:
                reports: list[Callable[[int], None]] = [
                    lambda number: None,
                    lambda number: up.metrics({"loss": 1 / (number + 1), "rate": number}, number),
                    lambda number: killed.metrics({"loss": 1 / (number + 1), "rate": number}, number),
                ]
                died = 0.0
                for first in range(0, arguments.steps, TURN):
                    if not died and first >= arguments.steps // 3:
                        servers[1].kill()
                        died = time.monotonic()
                    for name, report in zip(names, reports, strict=True):
                        timed_turn(step, report, first, times[name])
                time.sleep(max(0.0, died + arguments.away - time.monotonic()))
                servers[1].start()
            for name in names:
                show(name, times[name])
            steps = -(-arguments.steps // TURN) * TURN
            logged = [
                len(MlflowClient(server.uri).get_metric_history(run.run_id, "loss"))
                for server, run in zip(servers, (up, killed), strict=True)
            ]
            print(f"points in MLflow: {logged} of {steps} each")
            return int(logged != [steps, steps])
        finally:
            for server in servers:
                server.kill()


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    raise SystemExit(main())
