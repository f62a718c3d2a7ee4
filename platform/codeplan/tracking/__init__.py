"""The only door to MLflow: a run per sweep, per pipeline or trial, and per stage, nested."""

from codeplan.tracking.database import TrackingError, database_uri, redacted, uri
from codeplan.tracking.models import StudentModel
from codeplan.tracking.names import flatten
from codeplan.tracking.run_names import run_name
from codeplan.tracking.runs import Run
from codeplan.tracking.system_metrics import system_metrics
from codeplan.tracking.traces import TeacherCall
from codeplan.tracking.tracker import PARENT, Kind, Tracker
from codeplan.tracking.writes import BATCH

__all__ = [
    "BATCH",
    "PARENT",
    "Kind",
    "Run",
    "StudentModel",
    "TeacherCall",
    "Tracker",
    "TrackingError",
    "database_uri",
    "flatten",
    "redacted",
    "run_name",
    "system_metrics",
    "uri",
]
