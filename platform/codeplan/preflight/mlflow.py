"""MLflow: the store can be opened and written to."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.findings import Finding, ok, skipped
from codeplan.preflight.subject import Subject
from codeplan.tracking import Tracker, redacted


def check(subject: Subject) -> Iterator[Finding]:
    """Open the store as a run does, which makes it where it is missing."""
    tracking = subject.config.tracking
    if not subject.home_usable and not tracking.uri:
        yield skipped("not tried, as its file lies in the home")
        return
    Tracker(tracking, subject.home)
    where = redacted(tracking.uri) or "a SQLite file in the home"
    yield ok(f"{where}, experiment {tracking.experiment}")
