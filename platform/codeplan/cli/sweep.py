"""The sweep command."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from codeplan.cli.loading import load
from codeplan.cli.terminal import console, fail, how_to_look, plain_errors


def run_sweep(path: Path, settings: list[str] | None, *, skip_bad: bool, dry_run: bool) -> None:
    """Run a sweep, or show what it would do; exit code 1 where a trial failed, 130 where it was stopped."""
    with plain_errors():
        config = load(path, settings, skip_bad=skip_bad)

        from codeplan.sweeps.sweep import Sweep

        sweep = Sweep.of(config)
        terminal = console()
        if dry_run:
            from codeplan.sweeps.outlook import as_table, room

            terminal.print(as_table(sweep), highlight=False)
            terminal.print(room(sweep), highlight=False, markup=False)
            return

        from codeplan.preflight import check as check_all
        from codeplan.sweeps.run import SweepStoppedError, run
        from codeplan.tracking import Tracker

        with ExitStack() as stack:
            for sample in sweep.samples():
                check_all(sample, sweep.goal, terminal, stack, before_run=True)
            with terminal.status("opening MLflow"):
                tracker = Tracker(config.tracking, sweep.home)
            try:
                trials = run(sweep, tracker, terminal, stack)
            except SweepStoppedError as error:
                fail(str(error), code=130)
        failed = [trial for trial in trials if trial.state == "failed"]
        terminal.print(f"\nTo compare trials: {how_to_look(config)}", highlight=False, markup=False, soft_wrap=True)
        if failed:
            first = failed[0]
            fail(
                f"{len(failed)} of {sweep.total} trials failed, the others are done; {first.label}: {first.error}; "
                "run the same command to try them again"
            )
