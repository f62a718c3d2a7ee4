"""What can go wrong between this machine and a cluster's dashboard, in one message each."""

from __future__ import annotations

from requests import HTTPError

from codeplan.errors import UserError, one_line

_UNAVAILABLE = (502, 503, 504)
"""HTTP status codes of a proxy in front of a server that is away."""


class SubmissionError(UserError):
    """A job cannot be submitted, found or followed."""


class UnreachableError(SubmissionError):
    """No answer came: the cluster may be starting, restarting, gone, or elsewhere."""


class UnknownJobError(SubmissionError):
    """The cluster does not know the job."""


class NotReadyError(SubmissionError):
    """The dashboard answers, but the agent that starts jobs does not yet."""


def unreachable(address: str, reason: object) -> UnreachableError:
    """No connection, or no answer in time."""
    return UnreachableError(
        f"no Ray dashboard answers at {address}: {one_line(reason, 200)}; --address or RAY_API_SERVER_ADDRESS must be "
        "that of the dashboard, port 8265 by default"
    )


def no_http(address: str) -> SubmissionError:
    """What answers speaks another protocol."""
    return SubmissionError(
        f"what answers at {address} does not speak HTTP, as Ray's GCS (6379 by default); --address or "
        "RAY_API_SERVER_ADDRESS must be that of the dashboard, port 8265 by default"
    )


def not_a_dashboard(address: str) -> SubmissionError:
    """Something else answers."""
    return SubmissionError(
        f"what answers at {address} is not a Ray dashboard; --address or RAY_API_SERVER_ADDRESS must be that of the "
        "dashboard, port 8265 by default"
    )


def of_version_request(address: str, error: HTTPError) -> SubmissionError:
    """The first request of all, for Ray's version, failed."""
    status = error.response.status_code if error.response is not None else 0
    return of_response(address, status, "") if status in _UNAVAILABLE else not_a_dashboard(address)


def refused(address: str, status: int, token_from: str) -> SubmissionError:
    """The token is missing or wrong.

    Args:
        address: of the dashboard.
        status: 401 or 403.
        token_from: where the token came from; empty where there is none.
    """
    if token_from:
        return SubmissionError(
            f"the cluster at {address} does not accept the token from {token_from} (HTTP {status}); it must be the one "
            "that the cluster was started with"
        )
    return SubmissionError(
        f"the cluster at {address} requires a token (HTTP {status}); set RAY_AUTH_TOKEN_PATH to a file with the "
        "cluster's token, or RAY_AUTH_TOKEN to the token, or store it in ~/.ray/auth_token, and leave RAY_AUTH_MODE "
        "unset or set it to token"
    )


def no_token(mode: str) -> SubmissionError:
    """``RAY_AUTH_MODE`` says that there is a token, and there is none; nothing was sent."""
    return SubmissionError(
        f"RAY_AUTH_MODE is {one_line(mode, 40)} here, but no token was found; set RAY_AUTH_TOKEN_PATH to "
        "a file with the cluster's token, or RAY_AUTH_TOKEN to the token, or store it in "
        "~/.ray/auth_token; for a cluster without a token, unset RAY_AUTH_MODE"
    )


def of_response(address: str, status: int, text: str) -> SubmissionError:
    """Any other answer that is not a success."""
    if "No available agent" in text or "Failed to get head node agent" in text:
        return NotReadyError(
            f"the dashboard at {address} answers, but its agent on the head node, which starts jobs, does not; the "
            "cluster may still be starting: try again in a minute, or look into dashboard_agent.log on the head node"
        )
    if status in _UNAVAILABLE:
        return UnreachableError(f"the cluster at {address} is not available (HTTP {status})")
    # Ray's own answer to a failure is a traceback, whose last line says what it was.
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    if status == 404 and "does not exist" in last:
        return UnknownJobError(one_line(last))
    return SubmissionError(f"the cluster at {address} refused a request (HTTP {status}): {one_line(last)}")


def not_submitted(address: str, job: str) -> SubmissionError:
    """The id is a driver's: of a program that joined the cluster by itself."""
    return SubmissionError(
        f"{job} is a program that joined the cluster at {address} by itself, and was not submitted; it has no log, "
        "and is stopped where it was started. codeplan jobs lists the jobs that were submitted"
    )


def other_version(address: str, there: str, here: str) -> SubmissionError:
    """The cluster runs another minor version of Ray."""
    return SubmissionError(
        f"the cluster at {address} runs Ray {there}, and this version of codeplan needs Ray {minor(here)}; install "
        f"ray=={here} on the cluster's nodes, or here the version of codeplan that was made for Ray {minor(there)}"
    )


def minor(version: str) -> str:
    """``2.60`` of ``2.60.1``."""
    return ".".join(version.split(".")[:2])
