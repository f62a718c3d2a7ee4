"""Kill a real MLflow server for a minute while a sweep trains; print what it lacks afterwards, and the slowest steps.

    python tests/benchmarks/tracking_outage.py --away 60

Ends with code 1 if a report of a training, a trial or a stage is missing in MLflow, or a run has not ended well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlflow_parts import MlflowServer
from sweep_process import CONFIG, SweepProcess

from codeplan.tracking.outbox import handed_out_id

EVERY = 10
"""Steps between reports of a training."""
KEYS = ("loss", "examples_per_s", "gradient_norm")


@dataclass
class Seen:
    """A report of a training: when it was seen, and what it said."""

    when: float
    report: dict[str, float]

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        batch: int = CONFIG["training"]["batch_size"]
        return batch / self.report["examples_per_s"]


class Outage:
    """A sweep whose MLflow server is killed and started again."""

    def __init__(self, folder: Path, steps: int) -> None:
        store = f"sqlite:///{folder / 'mlflow.db'}"
        self.server = MlflowServer(store, str(folder / "artifacts"), folder / "server.log")
        settings = (f"tracking.uri={self.server.uri}", f"training.steps={steps}", "execution.checkpoint_every=100")
        self.sweep = SweepProcess(folder, folder / "home", *settings)
        self.steps = steps
        self.seen: dict[Path, list[Seen]] = {}
        """The reports of each training; their file is removed when it ends."""

    def look(self) -> None:
        """Note the reports that came since the last look."""
        for path in sorted(self.sweep.home.glob("stages/finetune/*/train/reports.jsonl")):
            seen = self.seen.setdefault(path.parents[1], [])
            with suppress(FileNotFoundError):
                lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
                seen += [Seen(time.monotonic(), json.loads(line)) for line in lines[len(seen) :]]

    def run(self, away: float) -> tuple[float, float]:
        """Run it; when the server died, and when it was back."""
        self.server.start()
        try:
            self.sweep.start()
            died = back = 0.0
            while not self.sweep.ended():
                self.look()
                now = time.monotonic()
                if not died and any(len(seen) >= 3 for seen in self.seen.values()):
                    self.server.kill()
                    died = time.monotonic()
                    print("server killed", flush=True)
                if died and not back and now - died > away:
                    self.server.start()
                    back = time.monotonic()
                    print(f"server back after {back - died:.0f} s", flush=True)
                time.sleep(0.2)
            self.sweep.finish(10)
        except BaseException:
            self.server.kill()
            raise
        if not back:
            self.server.start()
            print("the sweep ended while the server was away; run: codeplan track --push")
        return died, back

    def missing(self) -> list[str]:
        """What MLflow lacks."""
        client = MlflowClient(self.server.uri)
        found = []
        points = 0
        for training, seen in self.seen.items():
            noted = (training / "mlflow_run").read_text().strip().rpartition("/")[2]  # experiment/run
            run_id = handed_out_id(self.sweep.home, noted) or noted
            for key in KEYS:
                there = {point.step: point.value for point in client.get_metric_history(run_id, key)}
                wanted = set(range(EVERY, self.steps + 1, EVERY))
                points += len(wanted)
                found += [f"{key} of step {step} of {training.name}" for step in sorted(wanted - set(there))]
                found += [
                    f"{key} of step {report['step']:.0f} of {training.name} is another"
                    for report in (one.report for one in seen)
                    if there.get(int(report["step"])) != report[key]
                ]
        runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1000)
        found += [f"run {run.info.run_name} is {run.info.status}" for run in runs if run.info.status != "FINISHED"]
        print(f"{points:,} points of {len(self.seen)} trainings and {len(runs)} runs were looked for in MLflow")
        return found


def main() -> int:
    """Run the sweep and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, default=60.0, help="seconds")
    parser.add_argument("--steps", type=int, default=1500, help="of each of the two trainings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        outage = Outage(Path(name), asked.steps)
        died, back = outage.run(asked.away)
        try:
            missing = outage.missing()
        finally:
            outage.server.kill()
        show(outage, died, back or time.monotonic())
    print("nothing is missing" if not missing else f"{len(missing)} missing: {', '.join(missing[:5])}")
    return int(bool(missing))


def show(outage: Outage, died: float, back: float) -> None:
    """Print how long steps took with and without the server."""
    for training, reports in outage.seen.items():
        median = statistics.median(seen.step_s for seen in reports)
        for name, inside in (("with the server", False), ("without", True)):
            steps = [seen.step_s for seen in reports if (died < seen.when < back) == inside]
            if steps:
                slow = sum(seconds > 2 * median for seconds in steps)
                print(
                    f"{training.name} {name}: {len(steps)} reports, {1000 * statistics.median(steps):.1f} ms a step, "
                    f"max {max(steps) / median:.2f} x the median; above 2 x: {slow}"
                )


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    raise SystemExit(main())
