"""The `codeplan` command. Everything heavy is imported after parsing, so that --help answers at once."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from codeplan.cli.cluster import cluster
from codeplan.cli.compare import compare
from codeplan.cli.loading import load
from codeplan.cli.runs import runs
from codeplan.cli.submit import jobs, logs, stop, submit
from codeplan.cli.terminal import console, fail, how_to_look, plain_errors
from codeplan.cli.track import track

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Distil an LLM's plans into a small code model, and measure what they are worth.",
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, for example jobs/configs/demo.yaml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a setting, for example -s sampling.plans=5."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave broken rows of data files out, and count them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and what it costs, and do nothing.")]

GOALS = {
    "run": ("report", "Run the whole pipeline: problems, plans, student, samples, verdicts, report."),
    "problems": ("problems", "Read the problems of both splits, and account for every row."),
    "distill": ("distill", "Ask the teacher for the plans behind human solutions."),
    "finetune": ("finetune", "Fine-tune the student on code and plans."),
    "sample": ("sample", "Sample plans and programs for the test problems."),
    "judge": ("judge", "Run the sampled programs on the hidden tests."),
}
"""The commands that work: each runs the stages that lead to its goal, and reuses those that are done."""


def _add_command(name: str, goal: str, about: str) -> None:
    def command(
        config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False, dry_run: DryRun = False
    ) -> None:
        if dry_run:
            show_status(config, settings, goal, skip_bad=skip_bad)
        else:
            run_until(config, settings, goal, skip_bad=skip_bad)

    app.command(name, help=about)(command)


for _name, (_goal, _about) in GOALS.items():
    _add_command(_name, _goal, _about)


@app.command()
def sweep(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False, dry_run: DryRun = False) -> None:
    """Run the pipeline for every point of the configuration's sweep; trials share the stages that are the same."""
    from codeplan.cli.sweep import run_sweep

    run_sweep(config, settings, skip_bad=skip_bad, dry_run=dry_run)


@app.command()
def check(
    config: ConfigPath,
    settings: Overrides = None,
    skip_bad: SkipBad = False,
    every: Annotated[bool, typer.Option("--all", help="Judge all reference solutions, not a sample of them.")] = False,
) -> None:
    """Check all that can be known before money or hours are spent; every run begins with this."""
    with plain_errors():
        loaded = load(config, settings, skip_bad=skip_bad)
        from codeplan.preflight import check as check_all

        with ExitStack() as stack:
            check_all(loaded, "report", console(), stack, all_solutions=every)


@app.command()
def status(
    config: ConfigPath,
    settings: Overrides = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, by role.")] = False,
) -> None:
    """Show which stages are done, and what the others would cost, without doing anything."""
    show_status(config, settings, "report", skip_bad=skip_bad, as_json=as_json)


app.command()(runs)
app.command()(compare)


@app.command()
def ui(
    home: Annotated[Path, typer.Option(help="The runs' home: execution.home of the configuration.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
) -> None:
    """Open MLflow on the runs of a home, at http://localhost:PORT."""
    with plain_errors():
        from codeplan.environment import prepare
        from codeplan.tracking import database_uri

        database = home / "mlflow.db"
        if not database.exists():
            fail(f"no runs in {home}: {database} does not exist; start with: codeplan run jobs/configs/demo.yaml")
        prepare()
        print(f"runs: http://localhost:{port}/#/experiments?workflowType=machine_learning (in a minute)")
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database_uri(database)]
        command += ["--port", str(port), "--host", "127.0.0.1"]
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606  # so that Ctrl-C and signals reach the server itself


app.command()(track)
app.command()(cluster)
app.command()(submit)
app.command()(jobs)
app.command()(logs)
app.command()(stop)


def run_until(path: Path, settings: list[str] | None, goal: str, *, skip_bad: bool) -> None:
    """Run the stages that lead to a goal; every error that a user can act on ends in one line and exit code 1."""
    with plain_errors():
        config = load(path, settings, skip_bad=skip_bad)

        from rich.text import Text

        from codeplan import pipeline
        from codeplan.config.loading import overridden
        from codeplan.preflight import check as check_all
        from codeplan.tracking import Tracker

        terminal = console()
        with ExitStack() as stack:
            check_all(config, goal, terminal, stack, before_run=True)
            with terminal.status("opening MLflow"):
                tracker = Tracker(config.tracking, Path(config.execution.home))
            pipeline.run(config, goal, tracker, terminal, differs=overridden(config, settings or []))
        # No markup: a home may hold brackets.
        hint = Text.assemble("\nTo compare runs: ", (how_to_look(config), "bold"))
        terminal.print(hint, soft_wrap=True)


def show_status(path: Path, settings: list[str] | None, goal: str, *, skip_bad: bool, as_json: bool = False) -> None:
    """Show the state of the stages that lead to a goal."""
    with plain_errors():
        config = load(path, settings, skip_bad=skip_bad)
        from codeplan.status import as_table, status_of, to_json

        found = status_of(config, goal)
        if as_json:
            print(to_json(found))
        else:
            console().print(as_table(config.name, found))


def main() -> None:
    """Entry point of the `codeplan` command, and of a Ray job."""
    collect_rarely()
    app()


def collect_rarely() -> None:
    """Have the garbage collector look less often: what is imported here makes a million objects, and all of them stay.

    With Python's own threshold of 700, a sixth of the time of importing them goes into looking at them again and again,
    and a second into a last look at the end.
    """
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
