"""Print how much faster a sweep is than its trials one by one, each as a pipeline of its own in an empty home.

    python tests/benchmarks/sweep_demo.py                       half an hour on two cores
    python tests/benchmarks/sweep_demo.py --config CONFIG --keep FOLDER

Also prints the distinct stages that the sweep computed, and ends with code 1 if a pipeline of its own gives other
numbers than the trial of the sweep.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from codeplan.config.loading import load
from codeplan.sweeps.sweep import Sweep

ROOT = Path(__file__).resolve().parents[2]
CODEPLAN = Path(sys.executable).with_name("codeplan")


def timed(arguments: list[str], log: Path) -> float:
    """Run `codeplan` to its end; seconds."""
    began = time.monotonic()
    with log.open("w") as output:
        code = subprocess.run([str(CODEPLAN), *arguments], stdout=output, stderr=output, check=False).returncode
    if code != 0:
        sys.exit(f"codeplan {' '.join(arguments)} ended with code {code}: {log.read_text().strip()[-2000:]}")
    return time.monotonic() - began


def table(report: Path) -> bytes:
    """The table of a report."""
    return (report / "table.csv").read_bytes()


def main() -> None:
    """Run the sweep, then its trials one by one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "jobs/configs/sweep_demo.yaml")
    parser.add_argument("--keep", type=Path, help="an empty folder for the homes, which is not removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(asked.config, asked.keep or Path(temporary))


def measure(path: Path, folder: Path) -> None:
    """Time both ways and compare their numbers."""
    folder.mkdir(exist_ok=True)
    home = folder / "sweep"
    together = timed(["sweep", str(path), "-s", f"execution.home={home}"], folder / "sweep.log")
    stages = {stage.name: sum(1 for _ in stage.iterdir()) for stage in sorted((home / "stages").iterdir())}
    print(f"sweep: {together:.0f} s; stages computed: {stages}", flush=True)

    sweep = Sweep.of(load(path, [f"execution.home={home}"]))
    alone = 0.0
    different = []
    for trial in sweep.trials.all():
        own = folder / trial.trial_id
        config = trial.point.config(sweep.base, trial.repeat).model_dump(mode="json")
        config["execution"]["home"] = str(own)
        (folder / f"{trial.trial_id}.yaml").write_text(yaml.safe_dump(config))
        seconds = timed(["run", str(folder / f"{trial.trial_id}.yaml")], folder / f"{trial.trial_id}.log")
        alone += seconds
        print(f"{trial.label}: {seconds:.0f} s", flush=True)
        if table(own / trial.report) != table(home / trial.report):
            different.append(trial.label)
    print(f"{sweep.total} pipelines one by one: {alone:.0f} s; the sweep is {alone / together:.2f} times as fast")
    if different:
        sys.exit(f"other numbers than in the sweep: {', '.join(different)}")


if __name__ == "__main__":
    main()
