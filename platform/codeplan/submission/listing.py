"""Jobs that a cluster knows: find one, list them, with their MLflow runs."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import aiohttp
from ray.job_submission import JobDetails, JobStatus

from codeplan.submission.api import JobApi
from codeplan.submission.jobs import Job, Notify, notify_on_stderr
from codeplan.submission.log_stream import log_chunks

_RUN = re.compile(r"^MLflow run ([0-9a-f]{32})\b", re.MULTILINE)
_RUN_WITHIN_S = 3.0
_RUN_WITHIN = 200_000
"""Characters of a job's log in which its MLflow run is looked for."""


def find(job: str, address: str = "", notify: Notify = notify_on_stderr) -> Job:
    """The job of this id, or of the only one that starts with it.

    Raises:
        SubmissionError: the cluster cannot be reached, or does not know it.
    """
    api = JobApi(address)
    return Job(api, api.find(job), notify)


def unfinished(address: str = "", notify: Notify = notify_on_stderr) -> list[Job]:
    """The submitted jobs of a cluster that have not ended, newest first.

    Raises:
        SubmissionError: the cluster cannot be reached.
    """
    api = JobApi(address)
    jobs = [Job(api, found, notify) for found in api.submitted()]
    return [job for job in jobs if not job.is_over]


def newest(limit: int, address: str = "") -> list[tuple[JobDetails, str]]:
    """The newest submitted jobs of a cluster, newest first, each with its MLflow run's id; empty where it has none yet.

    Raises:
        SubmissionError: the cluster cannot be reached.
    """
    api = JobApi(address)
    found = api.submitted()[:limit]

    async def all_runs() -> list[str]:
        return await asyncio.gather(*(_mlflow_run(api, job) for job in found))

    return list(zip(found, asyncio.run(all_runs()), strict=True))


async def _mlflow_run(api: JobApi, job: JobDetails) -> str:
    """The MLflow run that the job's log names: Ray keeps nothing that a job says about itself later.

    Jobs that ``ray job submit`` or a RayJob started have no metadata of ours, so every log is looked into.
    """
    log = ""
    if job.status == JobStatus.PENDING:
        return ""
    with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_RUN_WITHIN_S):
            async for chunk in log_chunks(api, str(job.submission_id), _RUN_WITHIN_S):
                log += chunk
                if (run := _RUN.search(log)) or len(log) > _RUN_WITHIN:
                    return run[1] if run else ""
    return ""
