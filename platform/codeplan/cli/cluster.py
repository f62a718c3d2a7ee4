"""`codeplan cluster`: a Ray cluster of several nodes on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from codeplan.cli.terminal import console, fail, plain_errors

if TYPE_CHECKING:
    from codeplan.on_ray.cluster_here import ClusterHere


def cluster(
    workers: Annotated[int, typer.Option(min=0, help="Nodes beside the head.")] = 2,
    cpus: Annotated[int, typer.Option(min=0, help="CPUs of each node; 0 shares this machine's CPUs among them.")] = 0,
    home: Annotated[Path, typer.Option(help="The runs' home: execution.home of the configuration.")] = Path("runs"),
) -> None:
    """Run a Ray cluster of several nodes on this machine, with dashboard and token, until Ctrl-C."""
    with plain_errors():
        from codeplan.environment import prepare
        from codeplan.on_ray.cluster_here import cluster_here

        prepare()
        terminal = console()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        shared = cpus or max(1, (os.cpu_count() or 1) // (1 + workers))
        with suppress(KeyboardInterrupt), ExitStack() as stack:
            with terminal.status(f"starting a head and {workers} worker nodes"):
                here = stack.enter_context(cluster_here(home, workers, shared))
            variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in here.variables.items())
            for line in (
                f"{1 + workers} nodes of {shared} CPUs each; Ctrl-C ends them",
                f"to connect    export {variables}",
                f"to run on it  codeplan run CONFIG -s execution.ray_address={here.address}",
                f"dashboard     {here.dashboard}",
            ):
                terminal.print(line, highlight=False, markup=False, soft_wrap=True)
            try:
                while not (why := here.ended()):
                    time.sleep(0.5)
            except KeyboardInterrupt:
                _stop_jobs(here, terminal)
                raise
            fail(why)


def _stop_jobs(here: ClusterHere, terminal: Console) -> None:
    """Stop the jobs that have not ended: without the nodes they would go on for a minute or so before they notice."""
    from codeplan.submission import SubmissionError, unfinished

    os.environ.update(here.variables)  # the client's token
    try:
        for job in unfinished(here.dashboard):
            with terminal.status(f"stopping {job.job_id}; Ctrl-C ends the cluster at once"):
                job.stop()
            terminal.print(f"stopped {job.job_id}; submit it again to resume", highlight=False, markup=False)
    except SubmissionError as error:
        terminal.print(f"jobs may go on for a minute: {error}", highlight=False, markup=False, soft_wrap=True)
