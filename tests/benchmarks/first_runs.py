"""Print how many first runs succeed that start at the same moment on new homes, several on each.

    python tests/benchmarks/first_runs.py --rounds 10                            nine runs a round, of three homes
    python tests/benchmarks/first_runs.py --command run --homes 1 --timeout 600  the whole pipeline, three times at once

All of them make the same MLflow database, experiment and token, and want the same stages. Ends with code 1 if one
fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from small_pipeline import changed

CODEPLAN = Path(sys.executable).with_name("codeplan")
CONFIG = changed(("name", "first-runs"), ("training.steps", 4), ("training.warmup_steps", 1))


def one_round(folder: Path, command: str, homes: int, runs: int, timeout: float) -> list[str]:
    """Start all runs, wait for them, and return the output of those that failed."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    started = []
    for home in range(homes):
        for run in range(runs):
            log = folder / f"{home}-{run}.log"
            arguments = [str(CODEPLAN), command, str(config), "-s", f"execution.home={folder / str(home)}"]
            with log.open("w") as output:
                process = subprocess.Popen(arguments, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            started.append((process, log))
    until = time.monotonic() + timeout
    failed = []
    for process, log in started:
        try:
            code: int | str = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = f"none within {timeout:.0f} s"
        if code != 0:
            failed.append(f"exit code {code}: {log.read_text().strip()[-2000:]}")
    return failed


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--command", default="problems", help="a command of codeplan: problems, distill ... run")
    parser.add_argument("--homes", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3, help="runs on each home")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for a round")
    asked = parser.parse_args()
    total = failures = 0
    for number in range(asked.rounds):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            failed = one_round(Path(folder), asked.command, asked.homes, asked.runs, asked.timeout)
        total += asked.homes * asked.runs
        failures += len(failed)
        here = asked.homes * asked.runs
        print(
            f"round {number + 1}: {here - len(failed)} of {here} succeeded, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        for text in failed:
            print(f"  {text}", flush=True)
    print(f"{total - failures} of {total} first runs succeeded")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
