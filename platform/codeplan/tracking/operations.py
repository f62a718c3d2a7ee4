"""What a run writes by more than one call of MLflow's client.

Each operation takes plain data, reads what it needs from MLflow itself, and adds nothing when it is repeated; so a
write can be kept on disk and sent later, like that of a single call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from codeplan.tracking import models, traces

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

OPERATIONS: Mapping[str, Callable[..., None]] = {
    "log_student": models.log_student,
    "use_student": models.use_student,
    "score_student": models.score_student,
    "register_student": models.register_student,
    "log_trace": traces.log_trace,
}
"""By the name that `call` takes; none is a method of MLflow's client."""


def call(client: MlflowClient, method: str, run_id: str, *arguments: Any, **options: Any) -> None:
    """Call an operation, or the client's method of that name."""
    if method in OPERATIONS:
        OPERATIONS[method](client, run_id, *arguments, **options)
    else:
        getattr(client, method)(run_id, *arguments, **options)
