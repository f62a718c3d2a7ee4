"""Where the client finds a cluster's address and token."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from codeplan.submission.errors import SubmissionError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


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
