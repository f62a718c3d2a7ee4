"""`codeplan track`: what MLflow does not have yet, and sending it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeplan.cli.terminal import console, fail, plain_errors


def track(
    home: Annotated[Path, typer.Option(help="The runs' home: execution.home of the configuration.")] = Path("runs"),
    push: Annotated[bool, typer.Option("--push", help="Send it to MLflow.")] = False,
    uri: Annotated[
        str, typer.Option(help="tracking.uri of the runs, if it has a password: passwords are not kept.")
    ] = "",
) -> None:
    """Show, or send, what MLflow did not take while it was away: of runs that ended, and of killed ones."""
    with plain_errors():
        from codeplan.environment import prepare
        from codeplan.tracking import left_behind, outbox

        if not home.is_dir():
            fail(f"no runs in {home}: the folder does not exist; name another with --home")
        terminal = console()
        waiting = left_behind.waiting_writes(home)
        total = sum(waiting.values())
        rejected = outbox.rejected_path(home)
        if not push:
            for address, count in waiting.items():
                terminal.print(f"{count:,} writes wait for MLflow at {address or home / 'mlflow.db'}", highlight=False)
            if not total:
                terminal.print("MLflow has every write of this home", highlight=False)
            if rejected.exists():
                terminal.print(f"{_lines(rejected):,} rejected writes are kept in {rejected}", highlight=False)
            return
        prepare()
        from codeplan.progress import Bar

        with Bar(terminal, "MLflow", total, "writes").shown() as bar:
            sent = left_behind.push(home, uri, bar.advance)
        terminal.print(f"{sent.writes:,} writes sent", highlight=False)
        if sent.busy:
            terminal.print(f"{sent.busy} running processes send their own writes", highlight=False)
        if sent.rejected:
            fail(f"MLflow rejected {len(sent.rejected):,} writes, kept in {rejected}: {sent.rejected[0]}")
        if sent.left:
            fail(f"{sent.left:,} writes are for another MLflow: codeplan track --home {home} names it")


def _lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
