"""Where the client finds a cluster's address and token, and what must not leave this machine."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from codeplan.submission.errors import SubmissionError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
_MIN_SECRET = 8
"""Characters: shorter values are found in ordinary text."""


@dataclass(frozen=True)
class Token:
    """A cluster's token.

    Attributes:
        value: the token; empty where there is none.
        source: where it came from, for messages.
    """

    value: str = field(repr=False)
    source: str


def dashboard_address(address: str) -> str:
    """The address of the dashboard, from the argument, else the environment, else this machine's.

    Raises:
        SubmissionError: it is not the address of a dashboard.
    """
    source = "--address"
    for name in _ADDRESSES:
        if not address:
            address, source = os.environ.get(name, ""), name
    address = (address or DEFAULT_ADDRESS).rstrip("/")
    if "://" not in address:
        address = f"http://{address}"
    example = "the dashboard's is needed, for example http://10.0.0.1:8265"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SubmissionError(f"{source} has no valid host and port; {example}") from error
    if parts.scheme not in {"http", "https"}:
        kind = "Ray Client's" if parts.scheme == "ray" else "an unknown kind of"
        raise SubmissionError(f"{source} is {kind} address ({parts.scheme}://); {example}")
    if not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise SubmissionError(f"{source} must be http:// or https://, a host, a port and nothing else; {example}")
    if host in {"auto", "local"}:
        raise SubmissionError(f"{source} is {host}; {example}")
    return address


def find_token() -> Token:
    """The token that Ray would use, whether or not ``RAY_AUTH_MODE`` is set: a cluster without one ignores it.

    Raises:
        SubmissionError: the file that ``RAY_AUTH_TOKEN_PATH`` names cannot be read, or is empty.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").strip().lower() not in {"", "token"}:
        return Token("", "")
    if value := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return Token(_sendable(value, "RAY_AUTH_TOKEN"), "RAY_AUTH_TOKEN")
    if named := os.environ.get("RAY_AUTH_TOKEN_PATH", ""):
        return Token(_read(Path(named).expanduser(), "the file that RAY_AUTH_TOKEN_PATH names"), named)
    usual = Path("~/.ray/auth_token").expanduser()
    return Token(_read(usual, "the token's usual file"), str(usual)) if usual.is_file() else Token("", "")


def _read(path: Path, what: str) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{what} cannot be read: {path}: {getattr(error, 'strerror', None) or error}") from error
    if not value:
        raise SubmissionError(f"{what} is empty: {path}")
    return _sendable(value, str(path))


def _sendable(value: str, source: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SubmissionError(f"the token from {source} contains characters that no token has")
    return value


def travels_openly(address: str) -> bool:
    """Whether what is sent there can be read on the way: plain HTTP to another machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname != "localhost"


_SECRET = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_(?!PATH$|FILE$)|\d*$)|(^|_)(PASS|PAT)(_|$)", re.IGNORECASE
)
"""Names of variables that hold secrets, not of those that name a file with one."""


def require_no_secrets(sent: Iterable[Any], named: Iterable[str] = (), token: str = "") -> None:
    """Refuse to send what holds the cluster's token or the value of a variable that is a secret by its name.

    Args:
        sent: all that is sent, but for the code: texts, and mappings and sequences of them, none of them quoted for a
            shell or as JSON, which would change a secret.
        named: further variables that hold secrets.
        token: the cluster's.

    Raises:
        SubmissionError: naming the variable, never its value.
    """
    whole = "\n".join(_texts(sent))
    if len(token) >= _MIN_SECRET and token in whole:
        raise SubmissionError("the job would contain the cluster's token, where everybody could read it; leave it out")
    for name, value in os.environ.items():
        secret = bool(_SECRET.search(name)) or name in set(named)
        if secret and len(value.strip()) >= _MIN_SECRET and value.strip() in whole:
            raise SubmissionError(
                f"the job would contain the value of the environment variable {name}, where everybody on the cluster "
                "could read it; leave it out, and set the variable in the environment of the cluster's nodes"
            )


def _texts(sent: Any) -> Iterator[str]:
    if isinstance(sent, Mapping):
        for key, value in sent.items():
            yield from (*_texts(key), *_texts(value))
    elif isinstance(sent, Iterable) and not isinstance(sent, str | bytes):
        for value in sent:
            yield from _texts(value)
    else:
        yield str(sent)
