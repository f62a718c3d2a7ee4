"""The log's events of runs and stages, and the metrics that go with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codeplan.config import ExecutionConfig
from codeplan.environment import ray_job
from codeplan.errors import StopRequested, explain, one_line
from codeplan.stage import StageResult
from codeplan.watching import Watch
from codeplan.watching.log import FOLDER, JsonLines, run_log
from codeplan.watching.metrics import FAILURES, STAGES


@contextmanager
def watched_run(name: str, goal: str, run_id: str, execution: ExecutionConfig) -> Iterator[JsonLines]:
    """While the block runs, write its events to ``<home>/logs/<run_id>.jsonl``, the first and last of the run too.

    Args:
        name: of the configuration.
        goal: the stage that the run leads to.
        run_id: of its MLflow run.
        execution: names the home.

    Yields:
        The log's formatter, with the run's `Watch`; set its ``watch`` when a stage begins.
    """
    path = (Path(execution.home) / FOLDER / f"{run_id}.jsonl").resolve()
    watch = Watch(run=run_id, ray_job=ray_job().get("job_submission_id", ""), log=str(path))
    with run_log(watch) as log:
        watch.event("run_started", name=name, goal=goal)
        try:
            yield log
        except BaseException as error:
            _log_error(watch, "run", error)
            raise
        watch.event("run_finished")


def log_end(watch: Watch, result: StageResult, seconds: float, *, computed: bool) -> None:
    """Count a stage that is over, and log it with its rows."""
    watch.count(STAGES, outcome="computed" if computed else "reused")
    rows = {
        kind: {"in": account.rows_in, "out": account.rows_out, "dropped": dict(account.dropped)}
        for kind, account in result.accounts.items()
    }
    if computed:
        watch.event("stage_finished", seconds=round(seconds, 3), rows=rows)
    else:
        watch.event("stage_reused", rows=rows)


@contextmanager
def watched_stage(watch: Watch) -> Iterator[None]:
    """Log that the stage in the block begins; count and log an error that ends it."""
    watch.event("stage_started")
    try:
        yield
    except BaseException as error:
        stopped = _log_error(watch, "stage", error)
        watch.count(STAGES, outcome="stopped" if stopped else "failed")
        if not stopped:
            watch.count(FAILURES, kind="stage")
        raise


def _log_error(watch: Watch, what: str, error: BaseException) -> bool:
    """Log that a run or stage ended early; returns whether it was asked to."""
    stopped = isinstance(error, StopRequested | KeyboardInterrupt | SystemExit)
    watch.event(
        f"{what}_stopped" if stopped else f"{what}_failed",
        level=logging.WARNING if stopped else logging.ERROR,
        kind=type(error).__name__,
        message=one_line(explain(error) or ("" if stopped else "unexpected; see the traceback in the output"), 1000),
    )
    return stopped
