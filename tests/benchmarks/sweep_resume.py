"""Kill a small sweep with SIGKILL at random moments, resume it each time, and compare its table with another's.

    python tests/benchmarks/sweep_resume.py --kills 5 --seed 0

Ends with code 1 if the tables differ, or if a stage that was finished before a kill was made again after it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from sweep_process import SweepProcess


def main() -> None:
    """Run the sweep undisturbed, then killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder for the homes, which is not removed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.keep or Path(name)
        undisturbed = SweepProcess(folder, folder / "undisturbed")
        began = time.monotonic()
        undisturbed.start()
        undisturbed.finish(1800)
        took = time.monotonic() - began
        print(f"undisturbed: {took:.0f} s", flush=True)
        sys.exit(0 if survives(undisturbed, took, asked.kills, random.Random(asked.seed)) else 1)


def survives(undisturbed: SweepProcess, took: float, kills: int, numbers: random.Random) -> bool:
    """Kill and resume a second sweep; whether nothing was lost. One that ends before its kill is begun anew."""
    sweeps = 1
    killed = SweepProcess(undisturbed.home.parent, undisturbed.home.with_name("killed-1"))
    finished: dict[str, int] = {}
    again: set[str] = set()
    done = 0
    same = True
    while done < kills:
        wait = numbers.uniform(0.1, 0.8) * took
        began = time.monotonic()
        killed.start()
        if not killed.kill_when(lambda began=began, wait=wait: time.monotonic() - began > wait, 1800):
            killed.finish(10)
            same &= killed.results == undisturbed.results
            sweeps += 1
            killed = SweepProcess(undisturbed.home.parent, undisturbed.home.with_name(f"killed-{sweeps}"))
            finished = {}
            continue
        done += 1
        now = killed.finished_stages()
        again |= {folder for folder, when in finished.items() if now.get(folder) != when}
        finished = now
        states = ", ".join(killed.states()) or "none"
        print(
            f"kill {done} after {wait:.0f} s of sweep {sweeps}; trials: {states}; {len(now)} stages finished",
            flush=True,
        )
    killed.start()
    killed.finish(1800)
    same &= killed.results == undisturbed.results
    print(
        f"{sweeps} sweeps were resumed to their end; the tables are {'the same' if same else 'OTHERS'}; "
        f"{len(again)} stages were made again"
    )
    for folder in sorted(again):
        print(f"  {folder}")
    return same and not again


if __name__ == "__main__":
    main()
