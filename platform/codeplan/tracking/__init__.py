"""The only door to MLflow: one parent run for an experiment, one child run for each stage."""

from codeplan.tracking.database import TrackingError, database_uri, redacted, uri
from codeplan.tracking.names import flatten
from codeplan.tracking.runs import BATCH, Run
from codeplan.tracking.tracker import PARENT, Tracker

__all__ = ["BATCH", "PARENT", "Run", "Tracker", "TrackingError", "database_uri", "flatten", "redacted", "uri"]
