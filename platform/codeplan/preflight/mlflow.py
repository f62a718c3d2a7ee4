"""MLflow: the store can be opened and written to."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, ok, skipped
from codeplan.tracking import Tracker, redacted


def check(context: CheckContext) -> Iterator[Finding]:
    """Open the store as a run does, which creates it where it does not exist."""
    tracking = context.config.tracking
    if not context.home_usable and not tracking.uri:
        yield skipped("not checked, as its database would be in execution.home")
        return
    Tracker(tracking, context.home)
    where = redacted(tracking.uri) or "a SQLite file in execution.home"
    yield ok(f"{where}, experiment {tracking.experiment}")
