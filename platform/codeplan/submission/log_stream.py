"""A job's log, followed to its end over connections that may break, without a line twice and without a gap."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
from ray.job_submission import JobDetails, JobStatus

from codeplan.errors import one_line
from codeplan.submission.api import JobApi
from codeplan.submission.errors import NotReadyError, SubmissionError, UnknownJobError, UnreachableError

QUIET_S = 45.0
"""Without a word for this long the connection counts as broken: a lost one looks like a quiet job."""
OUTAGE_S = 45.0
"""How long a cluster may be away before following it is given up."""
PENDING_S = 30.0
"""After how long a job that has not started is said to be waiting."""
_POLL_S = 0.5
_LOG_POLL_S = 5.0
"""How often the log is asked for where no connection brings it; each answer is the whole log."""
_MAX_FAILURES = 3
"""Connections in a row that bring nothing until the log is asked for instead."""
_CONNECT_AGAIN_S = 120.0
"""After how long a connection is tried again: a proxy may have been replaced, or the head restarted."""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UNFINISHED_ESCAPE = re.compile(r"\x1b(\[[0-9;?]*)?$")

Write = Callable[[str], object]


class LogView:
    """What has been shown of a log that is read from its start again after every break.

    Ray's own lines before the command's first are left out, unless the command never runs.
    """

    def __init__(self, job: JobDetails, write: Write, *, coloured: bool) -> None:
        self._marker = f"Running entrypoint for job {job.submission_id}: {job.entrypoint}\n"
        self._write = write
        self._coloured = coloured
        self._preface: str | None = ""
        self._seen = 0
        self._position = 0
        self._held = ""

    def restart(self) -> None:
        """The log is read from its start again."""
        self._position = 0

    def feed(self, chunk: str) -> None:
        """The next part of the log; what was shown before is not shown again."""
        new = chunk[max(0, self._seen - self._position) :]
        self._position += len(chunk)
        self._seen = max(self._seen, self._position)
        if self._preface is not None:
            self._preface += new
            _, found, new = self._preface.partition(self._marker)
            if not found:
                return
            self._preface = None
        self._show(new)

    def finish(self) -> None:
        """The log is complete."""
        if self._preface:
            self._show(self._preface)
        self._preface = None
        self._write(self._held)
        self._held = ""

    def _show(self, text: str) -> None:
        if self._coloured:
            self._write(text)
            return
        text = _ESCAPE.sub("", self._held + text)
        unfinished = _UNFINISHED_ESCAPE.search(text)
        self._held = unfinished.group() if unfinished else ""
        self._write(text.removesuffix(self._held))


def follow(
    api: JobApi, job: JobDetails, write: Write, notify: Callable[[str], object], *, coloured: bool
) -> JobDetails:
    """Show a job's log until the job ends.

    Args:
        api: the cluster.
        job: the job.
        write: gets the log, part by part.
        notify: gets a sentence where something takes long.
        coloured: whether terminal colours in the log are shown, or left out.

    Returns:
        The job as it ended.

    Raises:
        SubmissionError: the cluster has been away for too long, or forgot the job.
    """
    job_id = str(job.submission_id)
    view = LogView(job, write, coloured=coloured)
    outage = _Outage(api.address, job_id, notify)
    source = _LogSource(api, job_id, view, notify)
    pending_since = time.monotonic()
    said_pending = False
    while True:
        try:
            job = _state(api, job_id)
            outage.over()
            if job.status.is_terminal():
                _show_rest(api, job_id, view, notify)
                return job
        except (UnreachableError, NotReadyError) as error:
            outage.wait(error)
            continue
        if job.status == JobStatus.PENDING:
            if not said_pending and time.monotonic() - pending_since > PENDING_S:
                notify(f"{job_id} has not started for {PENDING_S:.0f} s: {' '.join(str(job.message).split())}")
                said_pending = True
            time.sleep(_POLL_S)
            continue
        source.show()


def _state(api: JobApi, job_id: str) -> JobDetails:
    try:
        return api.get_job_info(job_id)
    except UnknownJobError as error:
        raise UnknownJobError(
            f"the cluster at {api.address} no longer knows {job_id}: its head was restarted without GCS fault "
            "tolerance, or the job was deleted; submit it again: finished stages are reused"
        ) from error


def _show_rest(api: JobApi, job_id: str, view: LogView, notify: Callable[[str], object]) -> None:
    """Show what the connection did not bring before the job ended."""
    try:
        whole = api.get_job_logs(job_id)
    except UnreachableError:
        raise
    except SubmissionError as error:  # the node that has the log is gone
        notify(f"the end of the log cannot be read: {error}")
    else:
        view.restart()
        view.feed(whole)
    view.finish()


class _Outage:
    """Time during which the cluster did not answer."""

    def __init__(self, address: str, job_id: str, notify: Callable[[str], object]) -> None:
        self._address = address
        self._job_id = job_id
        self._notify = notify
        self._since: float | None = None

    def over(self) -> None:
        """It answers."""
        if self._since is not None:
            self._notify("the cluster answers again")
        self._since = None

    def wait(self, error: SubmissionError) -> None:
        """It does not; wait a moment.

        Raises:
            SubmissionError: it has been away for too long.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._notify(f"{error}; trying again for {OUTAGE_S:.0f} s")
        elif now - self._since > OUTAGE_S:
            raise UnreachableError(
                f"the cluster at {self._address} has been away for {OUTAGE_S:.0f} s ({error}); if it comes back with "
                f"the job, codeplan logs -f {self._job_id} follows it again; if not, submit it again: finished stages "
                "are reused"
            ) from error
        time.sleep(_POLL_S)


class _LogSource:
    """Where a running job's log comes from: a connection, or requests where no connection brings anything."""

    def __init__(self, api: JobApi, job_id: str, view: LogView, notify: Callable[[str], object]) -> None:
        self._api = api
        self._job_id = job_id
        self._view = view
        self._notify = notify
        self._failures = 0
        self._connect_after = 0.0
        self._said_polling = False
        self._said_unreadable = False

    def show(self) -> None:
        """Show the log from where it was left; returns after a moment, or when the connection ends or is quiet."""
        if time.monotonic() < self._connect_after:
            time.sleep(_LOG_POLL_S)
            self._poll()
            return
        reason = asyncio.run(self._attach())
        self._failures = self._failures + 1 if reason else 0
        if reason:
            self._poll()
        if self._failures >= _MAX_FAILURES:
            self._connect_after = time.monotonic() + _CONNECT_AGAIN_S
            if not self._said_polling:
                self._notify(
                    f"the log does not arrive as it is written ({reason}): WebSockets may not pass a proxy in between; "
                    f"it is asked for every {_LOG_POLL_S:.0f} s instead"
                )
                self._said_polling = True
        time.sleep(_POLL_S)

    async def _attach(self) -> str:
        """Show the log while the connection holds and is not quiet for long; why it brought nothing, else empty."""
        self._view.restart()
        brought = False
        reason = "it ended at once"
        # However it ends, the job's state says what comes next.
        try:
            async for chunk in log_chunks(self._api, self._job_id, QUIET_S):
                self._view.feed(chunk)
                brought = True
        except aiohttp.WSServerHandshakeError as error:
            reason = f"HTTP {error.status} for a WebSocket"
        except TimeoutError:
            reason = f"nothing came for {QUIET_S:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = one_line(error, 200) or type(error).__name__
        return "" if brought else reason

    def _poll(self) -> None:
        try:
            whole = self._api.get_job_logs(self._job_id)
        except (UnreachableError, NotReadyError):  # the job's state is asked for next, and says so
            return
        except SubmissionError as error:
            if not self._said_unreadable:
                self._notify(f"the log cannot be read now: {error}")
                self._said_unreadable = True
            return
        self._view.restart()
        self._view.feed(whole)


async def log_chunks(api: JobApi, job_id: str, quiet_s: float) -> AsyncIterator[str]:
    """The parts of a job's log from its start, as they are written, until the connection ends.

    Raises:
        TimeoutError: nothing came for ``quiet_s`` seconds.
        OSError, aiohttp.ClientError: there is no connection.
        ValueError: it would need a proxy of a kind that cannot be used, such as SOCKS.
    """
    async with aiohttp.ClientSession() as session, api.websocket(session, f"/api/jobs/{job_id}/logs/tail") as log:
        while True:
            async with asyncio.timeout(quiet_s):
                message = await log.receive()
            if message.type != aiohttp.WSMsgType.TEXT:
                return
            yield message.data
