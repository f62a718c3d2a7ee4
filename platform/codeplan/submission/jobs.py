"""A job on a cluster: submit it, follow it, stop it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.job_submission import JobDetails, JobStatus

from codeplan.config import Config
from codeplan.errors import one_line
from codeplan.submission.api import JobApi
from codeplan.submission.credentials import travels_openly
from codeplan.submission.errors import NotReadyError, SubmissionError, UnknownJobError, UnreachableError
from codeplan.submission.log_stream import follow
from codeplan.submission.request import JobRequest, new_job_id, teacher_key_note, terminal_variables
from codeplan.submission.secrets import require_no_secret_names, require_no_secrets, require_no_secrets_in_files
from codeplan.submission.staging import STOP_WAIT_S, Staged, staged

_RETRY_S = 45.0
"""How long the agent that starts jobs is waited for."""
_STOP_POLL_S = 0.5

Notify = Callable[[str], object]


def notify_on_stderr(sentence: str) -> None:
    """Say something that is not part of the job's output."""
    sys.stdout.flush()
    print(f"codeplan: {sentence}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes:
        code: the exit code that the command would have had here.
        message: why, where the log does not say it; else empty.
    """

    code: int
    message: str


class Job:
    """A job on a cluster."""

    def __init__(self, api: JobApi, details: JobDetails, notify: Notify = notify_on_stderr) -> None:
        self._api = api
        self._notify = notify
        self.details = details
        """Ray's record of the job, as it was last seen."""

    @property
    def job_id(self) -> str:
        """The job's id, Ray's submission id."""
        return str(self.details.submission_id)

    @property
    def is_over(self) -> bool:
        """Whether the job had ended when it was last seen."""
        return bool(self.details.status.is_terminal())

    def refresh(self) -> str:
        """Ask the cluster for the job's state: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``."""
        self.details = self._api.get_job_info(self.job_id)
        return str(self.details.status.value)

    def logs(self) -> str:
        """The log so far, Ray's own lines included."""
        return str(self._api.get_job_logs(self.job_id))

    def wait(self, write: Callable[[str], object] | None = None) -> int:
        """Show the log until the job ends; Ctrl-C ends only the waiting.

        Args:
            write: gets the log, part by part; None writes it to standard output.

        Returns:
            The exit code that the command would have had on this machine.

        Raises:
            SubmissionError: the cluster has been away for too long, or does not know the job any more.
        """
        coloured = write is not None or sys.stdout.isatty()
        self.details = follow(self._api, self.details, write or _write, self._notify, coloured=coloured)
        end = end_of(self.details)
        if end.message:
            self._notify(end.message)
        return end.code

    def stop(self) -> bool:
        """Ask the job to end, and wait for it: its run is closed, and the same command resumes it.

        Returns:
            Whether it was running.

        Raises:
            SubmissionError: it has not ended in time.
        """
        self.refresh()
        if self.is_over:
            return False
        self._api.stop_job(self.job_id)
        until = time.monotonic() + STOP_WAIT_S + _RETRY_S
        while self.refresh() and not self.is_over:
            if time.monotonic() > until:
                raise SubmissionError(
                    f"{self.job_id} was told to stop and has not; its state is {self.details.status.value}. A job that "
                    "has not started yet stops once it does"
                )
            time.sleep(_STOP_POLL_S)
        return True


def submit(
    command: str,
    config: str | Path,
    *,
    address: str = "",
    settings: Sequence[str] = (),
    skip_bad: bool = False,
    runtime_env: str | Path | None = None,
    driver_cpus: float = 0.0,
    terminal_width: int = 0,
    notify: Notify = notify_on_stderr,
) -> Job:
    """Submit a command of `codeplan` as a job.

    Args:
        command: run, sweep, problems, distill, finetune, sample, judge, check or status.
        config: a YAML file on this machine; it travels with the job.
        address: of the cluster's dashboard; empty takes it from ``RAY_API_SERVER_ADDRESS`` or ``RAY_ADDRESS``, else
            that of this machine.
        settings: overrides, ``key=value``.
        skip_bad: drop broken rows of data files, and count them.
        runtime_env: a YAML file that says what else travels; None takes ``cluster/runtime_env.yaml`` if it exists.
        driver_cpus: CPUs that Ray reserves for the command's own process, on any node; 0 runs it on the head.
        terminal_width: columns of the terminal that the output is for; 0 for plain output.
        notify: gets sentences about what takes long or needs attention.

    Returns:
        The job, which may not have started yet.

    Raises:
        UserError: the configuration is not valid or cannot work in a job, the cluster cannot be reached or does not
            accept the job, or the package is too large.
    """
    request = JobRequest(command, Path(config), tuple(settings), skip_bad)
    loaded = request.validated()
    api = JobApi(address)
    api.require_same_ray()
    if api.token.value and travels_openly(api.address):
        notify(f"{api.address} is plain HTTP: the cluster's token can be read on the way; use https or an SSH tunnel")
    if note := teacher_key_note(command, loaded):
        notify(note)
    job_id = new_job_id(command, loaded.name)
    terminal = terminal_variables(terminal_width) if terminal_width else {}
    with staged(request.config, Path(runtime_env) if runtime_env else None) as stage:
        sent = _content(request, loaded, job_id, stage, terminal)
        _require_no_secrets(request, loaded, sent, stage, api.token.value)
        # With 0 instead of None, Ray takes any node.
        details = _send(api, job_id, {**sent, "entrypoint_num_cpus": driver_cpus or None}, notify)
    return Job(api, details, notify)


def _content(
    request: JobRequest, config: Config, job_id: str, stage: Staged, terminal: Mapping[str, str]
) -> dict[str, Any]:
    """What Ray gets, but for the code."""
    return {
        "entrypoint": request.entrypoint(stage.config, terminal),
        "metadata": request.metadata(config, job_id, stage.code),
        "runtime_env": stage.runtime_env,
    }


def _require_no_secrets(
    request: JobRequest, config: Config, sent: Mapping[str, Any], stage: Staged, token: str
) -> None:
    named = [config.teacher.api_key_env]
    require_no_secret_names(stage.runtime_env["env_vars"], named)
    # Settings as they are given: the entrypoint has them quoted.
    text = request.config.read_text(encoding="utf-8", errors="replace")
    require_no_secrets([text, request.settings, sent], named=named, token=token)
    require_no_secrets_in_files(stage.files, named=named, token=token)


def _send(api: JobApi, job_id: str, sent: dict[str, Any], notify: Notify) -> JobDetails:
    """Submit it, as soon as the cluster can take it; an answer that was lost is no reason to submit it twice."""
    until = time.monotonic() + _RETRY_S
    waiting = False
    while True:
        try:
            api.submit(job_id, sent)
        except NotReadyError as error:
            if time.monotonic() > until:
                raise
            if not waiting:
                notify(f"{error}; trying again for {_RETRY_S:.0f} s")
                waiting = True
            time.sleep(1.0)
        except UnreachableError as error:
            return _submitted(api, job_id, error)
        else:
            return _submitted(api, job_id)


def _submitted(api: JobApi, job_id: str, lost: UnreachableError | None = None) -> JobDetails:
    """The job that was sent; ``lost`` is what came instead of an answer."""
    try:
        return api.get_job_info(job_id)
    except UnknownJobError as error:
        if lost is None:
            raise
        raise UnreachableError(f"{lost}; the cluster does not know {job_id}: submit it again") from error
    except SubmissionError as error:
        has, otherwise = ("was", "") if lost is None else ("may have been", ", or says that there is none")
        raise UnreachableError(
            f"{error}; {job_id} {has} submitted: once the cluster answers, codeplan logs -f {job_id} follows the "
            f"job{otherwise}"
        ) from error


def end_of(job: JobDetails) -> JobEnd:
    """The exit code of a job that has ended, as the command would have had it on this machine, and why."""
    job_id, code = job.submission_id, job.driver_exit_code
    if job.status == JobStatus.SUCCEEDED:
        return JobEnd(0, "")
    if job.status == JobStatus.STOPPED:
        return JobEnd(128 + signal.SIGTERM, f"{job_id} was stopped; submit it again to resume")
    if code is None:
        return JobEnd(1, f"{job_id} failed before or beside its command: {one_line(job.message or 'no reason', 600)}")
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals) and number != signal.SIGINT:
        name = signal.Signals(number).name
        hint = ", perhaps for want of memory" if number == signal.SIGKILL else ""
        return JobEnd(128 + number, f"{job_id} was ended by {name} on its node{hint}; submit it again to resume")
    return JobEnd(code, "")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
