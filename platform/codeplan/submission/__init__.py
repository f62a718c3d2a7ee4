"""Jobs of the `codeplan` command on a Ray cluster, over Ray's job API: submit, follow, list and stop them.

request, runtime_env  what is asked for
staging               what travels
credentials, secrets  the cluster's address and token, and what must not leave this machine
api, errors           Ray's client with limits on every wait, and a message for every failure
log_stream            a log that survives broken connections
jobs, listing         the jobs themselves
"""

from ray.job_submission import JobDetails

from codeplan.submission.errors import SubmissionError, UnknownJobError, UnreachableError
from codeplan.submission.jobs import Job, end_of, submit
from codeplan.submission.listing import find, newest, unfinished
from codeplan.submission.request import COMMANDS

__all__ = [
    "COMMANDS",
    "Job",
    "JobDetails",
    "SubmissionError",
    "UnknownJobError",
    "UnreachableError",
    "end_of",
    "find",
    "newest",
    "submit",
    "unfinished",
]
