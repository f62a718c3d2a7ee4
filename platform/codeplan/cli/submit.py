"""`codeplan submit`, `jobs`, `logs` and `stop`: the command as a job on a Ray cluster."""

from __future__ import annotations

import json
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codeplan.cli.runs import SHORT, AsJson, duration
from codeplan.cli.terminal import console, plain_errors

if TYPE_CHECKING:
    from codeplan.submission import Job, JobDetails

Address = Annotated[
    str,
    typer.Option(help="The dashboard's, for example http://10.0.0.1:8265. Empty: RAY_API_SERVER_ADDRESS, or this one."),
]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or the start of it.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a setting, for example -s sampling.plans=5."),
]
_COLOURS = {"SUCCEEDED": "green", "RUNNING": "cyan", "PENDING": "cyan", "FAILED": "red", "STOPPED": "yellow"}


def submit(  # noqa: PLR0917  # a command line
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="run, sweep, check, status, or a stage's name.")],
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file on this machine; it travels.")],
    address: Address = "",
    settings: Overrides = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave broken rows of data files out, and count them.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the job's id, and do not follow it.")] = False,
    runtime_env: Annotated[
        Path | None,
        typer.Option(help="What else travels. By default cluster/runtime_env.yaml, where the current folder has it."),
    ] = None,
    driver_cpus: Annotated[
        float,
        typer.Option(min=0, help="CPUs for the command's own process, which then runs on any node; 0: on the head."),
    ] = 0.0,
) -> None:
    """Run a command as a job on a Ray cluster, with its output and exit code here; Ctrl-C leaves it running."""
    with plain_errors():
        from codeplan.environment import prepare

        prepare()
        from codeplan.submission import submit as submit_job

        job = submit_job(
            command,
            config,
            address=address,
            settings=settings or (),
            skip_bad=skip_bad,
            runtime_env=runtime_env,
            driver_cpus=driver_cpus,
            terminal_width=console().width,
        )
        if detach:
            print(job.job_id)
            print(_how_to_come_back(job.job_id, address), file=sys.stderr)
            return
        print(f"job {job.job_id}", file=sys.stderr)
        _follow(job, address)


def logs(
    job: JobName,
    address: Address = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Follow the job to its end.")] = False,
) -> None:
    """Print a job's output; with -f until it ends, and with its exit code."""
    with plain_errors():
        found = _find(job, address)
        if follow:
            _follow(found, address)
        else:
            sys.stdout.write(found.logs())


def stop(job: JobName, address: Address = "") -> None:
    """End a job; its run is closed, finished work is kept, and submitting the same again resumes it."""
    with plain_errors():
        found = _find(job, address)
        stopped = found.stop()
        state = str(found.details.status.value).lower()
        print(f"{found.job_id} is {state}" if stopped else f"{found.job_id} was over before: {state}")


def jobs(
    address: Address = "",
    limit: Annotated[int, typer.Option(min=1, help="How many to list, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs of a cluster, newest first, with their runs in MLflow."""
    with plain_errors():
        from codeplan.environment import prepare

        prepare()
        from codeplan.submission import newest

        found = newest(limit, address)
        if as_json:
            print(json.dumps([_plain(job, run) for job, run in found], indent=1))
        elif not found:
            print("no jobs yet; start with: codeplan submit run CONFIG")
        else:
            _show(found)


def _find(job: str, address: str) -> Job:
    from codeplan.environment import prepare

    prepare()
    from codeplan.submission import find

    return find(job, address)


def _follow(job: Job, address: str) -> None:
    """Show the job's output and end with its exit code; Ctrl-C ends only this, with 130 as the job has not ended."""
    try:
        code = job.wait()
    except KeyboardInterrupt:
        sys.stdout.flush()
        print(f"\ndetached; {job.job_id} goes on\n{_how_to_come_back(job.job_id, address)}", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    if code:
        raise SystemExit(code)


def _how_to_come_back(job_id: str, address: str) -> str:
    where = f" --address {address}" if address else ""
    return f"follow it: codeplan logs -f {job_id}{where}\nend it:    codeplan stop {job_id}{where}"


def _plain(job: JobDetails, run: str) -> dict[str, Any]:
    return {
        "job": job.submission_id,
        "state": job.status.value,
        "started": job.start_time,
        "ended": job.end_time,
        "exit_code": job.driver_exit_code,
        "mlflow_run": run or None,
        "entrypoint": job.entrypoint,
        "metadata": job.metadata or {},
    }


def _show(found: list[tuple[JobDetails, str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from codeplan.errors import one_line

    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("job", "state", "user", "started", "took", "MLflow run"):
        table.add_column(name, justify="right" if name == "took" else "left", no_wrap=name != "job", overflow="fold")
    for job, run in found:
        about = job.metadata or {}
        name = (
            str(job.submission_id) if "codeplan" in about else f"{job.submission_id} ({one_line(job.entrypoint, 60)})"
        )
        started = (job.start_time or 0) / 1000
        ended = job.end_time / 1000 if job.end_time else datetime.now().timestamp()
        table.add_row(
            Text(name),
            Text(job.status.value.lower(), style=_COLOURS.get(job.status.value, "")),
            Text(one_line(about.get("user", "-"), 20)),
            datetime.fromtimestamp(started).astimezone().strftime("%d %b %H:%M"),
            duration(ended - started),
            run[:SHORT] or "-",
        )
    console().print(table)
