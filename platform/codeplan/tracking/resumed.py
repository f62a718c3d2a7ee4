"""Runs that ended and run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from codeplan.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def running_again(
    client: MlflowClient, writer: Writer, experiment_id: str, run_id: str, tags: Mapping[str, str]
) -> str:
    """Mark a run as running once more.

    Args:
        client: of MLflow.
        writer: writes the tags.
        experiment_id: of the runs.
        run_id: the run; empty for none.
        tags: set anew.

    Returns:
        The run's id; empty where MLflow has no such run, or not in this experiment.
    """
    from mlflow.exceptions import MlflowException

    if not run_id:
        return ""
    try:
        info = client.get_run(run_id).info
        if info.lifecycle_stage != "active" or info.experiment_id != experiment_id:
            return ""
        client.update_run(run_id, status="RUNNING")
    except MlflowException:
        return ""
    for key, value in {**tags, "codeplan.error": ""}.items():
        writer.write(run_id, "set_tag", key, value)
    return run_id
