"""Ray's job API over HTTP, with a limit on every wait and a message for every failure."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import ray
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient
from requests.utils import get_environ_proxies, select_proxy

from codeplan.errors import one_line
from codeplan.submission import errors
from codeplan.submission.credentials import dashboard_address, find_token

_CONNECT_S = 10.0
_ANSWER_S = 30.0
"""Ray's own client waits forever."""
_ID = re.compile("[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""What a submission id may consist of."""
_SERVER_ADDRESS = "RAY_API_SERVER_ADDRESS"
_CHATTY = (
    "ray._private.runtime_env.packaging",
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
)


class JobApi(JobSubmissionClient):
    """A connection to a cluster's dashboard; raises `SubmissionError` and nothing else."""

    def __init__(self, address: str = "") -> None:
        """Connect.

        Args:
            address: of the dashboard; empty takes it from the environment, else this machine's.

        Raises:
            SubmissionError: no Ray dashboard answers there, or it does not accept the token.
        """
        self.address = dashboard_address(address)
        self.token = find_token()
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        # In its own header, because Ray reads RAY_AUTH_MODE once per process and ignores the token where it is unset.
        headers = {"Authorization": f"Bearer {self.token.value}"} if self.token.value else None
        with _overriding(_SERVER_ADDRESS, self.address):  # Ray prefers its variables to the argument
            try:
                super().__init__(self.address, headers=headers)
            except AuthenticationError as error:  # before the first request; those of an answer are `_do_request`'s
                raise errors.no_token(os.environ.get("RAY_AUTH_MODE", "")) from error
            except requests.HTTPError as error:
                raise errors.of_version_request(self.address, error) from error
            except (ValueError, KeyError, TypeError, RuntimeError) as error:
                raise errors.not_a_dashboard(self.address) from error

    def require_same_ray(self) -> None:
        """Refuse a cluster with another minor version of Ray.

        Raises:
            SubmissionError: naming both versions.
        """
        there, here = str(self._server_ray_version), ray.__version__
        if errors.minor(there) != errors.minor(here):
            raise errors.other_version(self.address, there, here)

    def submit(self, job_id: str, sent: Mapping[str, Any]) -> None:
        """Upload the code, and submit the job.

        Args:
            job_id: the job's id.
            sent: further arguments of Ray's ``submit_job``.

        Raises:
            SubmissionError: the cluster, or Ray here, does not accept it.
        """
        try:
            self.submit_job(submission_id=job_id, **sent)
        except requests.RequestException as error:  # an answer that is not JSON
            raise errors.not_a_dashboard(self.address) from error
        except (TypeError, ValueError) as error:
            raise errors.SubmissionError(f"Ray does not accept the runtime environment: {one_line(error)}") from error

    def websocket(self, session: aiohttp.ClientSession, path: str) -> Any:
        """A connection to a path of the dashboard: an asynchronous context manager.

        It takes the same proxy and trusts the same certificates as the requests do.
        """
        url = f"{self.address}{path}"
        proxy = select_proxy(url, get_environ_proxies(url))
        # Without a heartbeat: the dashboard never reads, and so never answers a ping.
        return session.ws_connect(url, headers=self._headers, proxy=proxy, ssl=_certificates())

    def find(self, job: str) -> JobDetails:
        """The job of this submission id, or of the only one that starts with it.

        Raises:
            SubmissionError: there is none, or more than one.
        """
        with suppress(errors.UnknownJobError):
            if _ID.fullmatch(job):  # anything else would be another path of Ray's API
                found = self.get_job_info(job)
                if not found.submission_id:
                    raise errors.not_submitted(self.address, job)
                return found
        submitted = self.submitted()
        matches = [found for found in submitted if job and str(found.submission_id).startswith(job)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(str(found.submission_id) for found in matches[:5])
            raise errors.SubmissionError(f"{job!r} starts the ids of several jobs: {names}")
        newest = ", ".join(str(found.submission_id) for found in submitted[:3])
        raise errors.UnknownJobError(
            f"the cluster at {self.address} knows no job {job!r}; "
            + (f"its newest are {newest}, and codeplan jobs lists them all" if newest else "it has none")
            + ". A cluster forgets its jobs when its head restarts without GCS fault tolerance"
        )

    def submitted(self) -> list[JobDetails]:
        """All jobs that were submitted, newest first."""
        found = [job for job in self.list_jobs() if job.submission_id]
        return sorted(found, key=lambda job: -(job.start_time or 0))

    def _do_request(self, method: str, endpoint: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", (_CONNECT_S, _ANSWER_S))
        try:
            response: requests.Response = super()._do_request(method, endpoint, **options)
        except AuthenticationError as error:
            status = 401 if "required" in str(error).partition(":")[0] else 403
            raise errors.refused(self.address, status, self.token.source) from error
        except requests.Timeout as error:
            raise errors.unreachable(self.address, f"no answer within {_ANSWER_S:.0f} s") from error
        except requests.RequestException as error:
            if "BadStatusLine" in repr(error):
                raise errors.no_http(self.address) from error
            raise errors.unreachable(self.address, _innermost(error)) from error
        except OSError as error:  # a bundle of certificates that is not there
            raise errors.unreachable(self.address, error) from error
        return response

    def _raise_error(self, r: requests.Response) -> None:
        raise errors.of_response(self.address, r.status_code, r.text)


def _certificates() -> ssl.SSLContext | bool:
    """The certificate authorities that requests trusts; True for the usual ones."""
    bundle = Path(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or "")
    if bundle == Path():
        return True
    folder = bundle.is_dir()
    return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)


def _innermost(error: BaseException) -> str:
    """What the network said, without what each library in between wraps around it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
    return str(error).rpartition(": ")[2] or type(error).__name__


@contextmanager
def _overriding(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
