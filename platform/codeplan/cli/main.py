"""The `codeplan` command. Everything heavy is imported after parsing, so that --help answers at once."""

from __future__ import annotations

import atexit
import gc
import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from codeplan.config import Config

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


@app.command()
def run(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Travel the whole road: problems, plans, student, samples, verdicts, report."""
    travel(config, settings, "report", skip_bad=skip_bad)


@app.command()
def check(
    config: ConfigPath,
    settings: Overrides = None,
    skip_bad: SkipBad = False,
    every: Annotated[bool, typer.Option("--all", help="Judge all reference solutions, not a sample of them.")] = False,
) -> None:
    """Check all that can be known before money or hours are spent; every run begins with this."""
    with plain_errors():
        loaded = _load(config, settings, skip_bad=skip_bad)
        from codeplan.preflight import check as check_all

        with ExitStack() as stack:
            check_all(loaded, "report", _console(), stack, every=every)


@app.command()
def problems(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Read the problems of both splits, and account for every row."""
    travel(config, settings, "problems", skip_bad=skip_bad)


@app.command()
def distill(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Ask the teacher for the plans behind human solutions."""
    travel(config, settings, "distill", skip_bad=skip_bad)


@app.command()
def finetune(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Fine-tune the student on code and plans."""
    travel(config, settings, "finetune", skip_bad=skip_bad)


@app.command()
def sample(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Sample plans and programs for the test problems."""
    travel(config, settings, "sample", skip_bad=skip_bad)


@app.command()
def judge(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Run the sampled programs on the hidden tests."""
    travel(config, settings, "judge", skip_bad=skip_bad)


@app.command()
def report(config: ConfigPath, settings: Overrides = None, skip_bad: SkipBad = False) -> None:
    """Count, compare and draw."""
    travel(config, settings, "report", skip_bad=skip_bad)


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
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database_uri(database)]
        command += ["--port", str(port), "--host", "127.0.0.1"]
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606  # so that Ctrl-C and signals reach the server itself


def travel(path: Path | str, settings: list[str] | None, stage: str, *, skip_bad: bool = False) -> None:
    """Run a stage and all that it reads from; every error that a person can act on ends in one line and exit code 1."""
    with plain_errors():
        config = _load(path, settings, skip_bad=skip_bad)

        from rich.text import Text

        from codeplan.pipeline import travel as go
        from codeplan.preflight import check as check_all
        from codeplan.tracking import Tracker

        console = _console()
        with ExitStack() as stack:
            check_all(config, stage, console, stack, followed=True)
            with console.status("opening MLflow"):
                tracker = Tracker(config.tracking, Path(config.execution.home))
            go(config, stage, tracker, console)
        # No markup: a home may hold brackets.
        hint = Text.assemble("\nTo compare runs: ", (_how_to_look(config), "bold"))
        console.print(hint, soft_wrap=True)


def _load(path: Path | str, settings: list[str] | None, *, skip_bad: bool) -> Config:
    from codeplan.environment import prepare
    from codeplan.loading import load, skipping_bad

    prepare()
    config = load(path, settings or [])
    return skipping_bad(config) if skip_bad else config


def _console() -> Console:
    from rich.console import Console

    # Not the terminal's width where there is none: a table in a log file must not be squeezed to 80 columns.
    return Console() if sys.stdout.isatty() else Console(width=120)


def _how_to_look(config: Config) -> str:
    from codeplan.tracking import redacted

    if config.tracking.uri:
        return f"open MLflow at {redacted(config.tracking.uri)}"
    here = Path(sys.executable).with_name("codeplan")
    with suppress(ValueError):
        here = here.relative_to(Path.cwd())
    command = "codeplan" if shutil.which("codeplan") else shlex.quote(str(here))
    home = config.execution.home
    return f"{command} ui" + (f" --home {shlex.quote(home)}" if home != "runs" else "")


def job(stage: str) -> None:
    """A Ray job's whole life, from its command line: a configuration and overrides."""
    collect_rarely()
    if len(sys.argv) < 2:
        fail(f"usage: python {sys.argv[0]} CONFIG.yaml [KEY=VALUE ...]", code=2)
    travel(sys.argv[1], sys.argv[2:], stage)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors that a person can act on into one message; anything else is a fault of ours and keeps its trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding shows a question mark
    try:
        yield
    except KeyboardInterrupt:
        fail("stopped; what was done is kept, and the same command goes on from there", code=130)
    except Exception as error:
        from codeplan.environment import named_in
        from codeplan.errors import explain

        message = explain(error) or named_in(error)
        if message is None:
            raise
        fail(message)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong on standard error, and end."""
    sys.stdout.flush()
    print(f"codeplan: {message}", file=sys.stderr)
    raise SystemExit(code)


def main() -> None:
    """Entry point of the `codeplan` command."""
    collect_rarely()
    app()


def collect_rarely() -> None:
    """Have the garbage collector look less often: what is imported here makes a million objects, and all of them stay.

    With Python's own threshold of 700, a sixth of the time of importing them goes into looking at them again and again,
    and a second into a last look at the end.
    """
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
