"""The only door to MLflow: one parent run per experiment, one child run per stage."""

from codeplan.tracking.database import TrackingError, database_uri, redacted, uri
from codeplan.tracking.names import flatten
from codeplan.tracking.runs import Run
from codeplan.tracking.tracker import PARENT, Tracker
from codeplan.tracking.writes import BATCH

__all__ = ["BATCH", "PARENT", "Run", "Tracker", "TrackingError", "database_uri", "flatten", "redacted", "uri"]
