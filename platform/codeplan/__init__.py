"""CodePLAN on Ray: distil an LLM's plans into a small code model, and measure what they are worth.

From Python, a job on a cluster takes three lines:

    from codeplan import submit
    job = submit("run", "demo.yaml", address="http://10.0.0.1:8265", settings=["execution.home=/shared/runs"])
    code = job.wait()

and the results of a run are tables:

    from codeplan import load_run
    load_run("demo", home="runs").rates().to_pandas()
"""

import sys
from importlib import import_module
from typing import Any

if sys.version_info < (3, 11):  # noqa: UP036  # a cluster's Python is not the one that installed this
    raise SystemExit(
        f"codeplan: this is Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}), and codeplan needs "
        "3.11 or newer; in a Ray job, use nodes or an image with a newer Python"
    )

__version__ = "0.1.0"

_LAZY = {
    "Job": "codeplan.submission",
    "LoadedRun": "codeplan.past_runs.loaded_run",
    "SubmissionError": "codeplan.submission",
    "load_run": "codeplan.past_runs.loaded_run",
    "submit": "codeplan.submission",
}
"""Imported when they are first used, because Ray and Arrow take seconds."""

__all__ = ["Job", "LoadedRun", "SubmissionError", "load_run", "submit"]  # see __getattr__


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
