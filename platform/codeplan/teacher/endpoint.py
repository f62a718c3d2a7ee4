"""A teacher's endpoint, and the HTTP client for it, with the environment's proxy and certificates."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from codeplan.errors import UserError

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The first of these that is set names the trusted certificates: a file in PEM form, or a folder of them."""

CONNECT_TIMEOUT_S = 10.0
"""Seconds in which a connection must be made; the rest of a request's time is for its answer."""


class EndpointError(UserError):
    """The environment's proxy or certificates cannot be used; the message names the variable, never its value."""


@dataclass(frozen=True)
class Endpoint:
    """A teacher's address, and its key, which appears in no text form of this object.

    Attributes:
        base_url: for example ``https://teacher.example/v1``.
        api_key: the bearer key.
        host: what stands for the endpoint in the keys of requests; by default the address's host and port.
    """

    base_url: str
    api_key: SecretStr
    host: str = ""

    def __post_init__(self) -> None:
        if not self.host:
            parts = urlsplit(self.base_url)
            host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
            object.__setattr__(self, "host", host)

    @property
    def display_url(self) -> str:
        """The address as messages show it: without a user name, a password or a query."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class Proxy:
    """A proxy of the environment.

    Attributes:
        variable: the environment variable that names it.
        url: its address, which may contain a password.
    """

    variable: str
    url: str


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, 127.0.0.0/8, ``::1``, or the unspecified address."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def proxy_for(base_url: str) -> Proxy | None:
    """The environment's proxy for an address; None where it has none, or none for this host.

    Loopback never goes through a proxy, nor do the hosts in ``no_proxy``. Otherwise ``http_proxy`` or ``https_proxy``
    counts, by the address's scheme, then ``all_proxy``; all in lower or upper case.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    stated = urllib.request.getproxies_environment()
    if is_loopback(host) or _is_exempt(host, parts.port, stated.get("no", "")):
        return None
    for scheme in (parts.scheme, "all"):
        if value := stated.get(scheme, "").strip():
            names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
            variable = next((name for name in names if os.environ.get(name, "").strip() == value), names[1])
            return Proxy(variable, value if "://" in value else f"http://{value}")
    return None


def http_client(endpoint: Endpoint, timeout_s: float) -> httpx2.AsyncClient:
    """A client for one endpoint, which reads nothing else from the environment than its proxy and certificates.

    Args:
        endpoint: where it will connect.
        timeout_s: seconds for each step of a request.

    Raises:
        EndpointError: a proxy or certificate variable cannot be used.
    """
    proxy = proxy_for(endpoint.base_url)
    addresses = [endpoint.base_url, *([proxy.url] if proxy else [])]
    # Without TLS no certificate is needed; a redirect to TLS then trusts no certificate.
    with_tls = any(address.lower().startswith("https:") for address in addresses)
    verify = _trusted() if with_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if proxy and not _is_address(proxy.url):
            raise ValueError("not an address")
        return httpx2.AsyncClient(
            trust_env=False,
            verify=verify,
            proxy=proxy.url if proxy else None,
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
            follow_redirects=True,
        )
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        if proxy is None:
            raise
        raise EndpointError(
            f"the environment variable {proxy.variable} names an unusable proxy: {_proxy_problem(proxy, error)}. "
            f"Correct it, or add {urlsplit(endpoint.base_url).hostname} to NO_PROXY to connect without a proxy"
        ) from None  # the cause's text may contain the proxy's password


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, url))
    except ValueError:
        return False


def _proxy_problem(proxy: Proxy, error: Exception) -> str:
    if isinstance(error, ImportError):
        return "a SOCKS proxy needs the package socksio (pip install socksio)"
    known = proxy.url.partition("://")[0].lower() in {"http", "https", "socks5", "socks5h"}
    return "it must look like http://host:port" if known else "its scheme must be http, https or socks5"


def _trusted() -> ssl.SSLContext:
    for variable in CERTIFICATE_VARIABLES:
        if not (value := os.environ.get(variable, "").strip()):
            continue
        context, path = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Path(value)
        try:
            if path.is_dir():
                context.load_verify_locations(capath=value)
            else:
                context.load_verify_locations(cafile=value)
        except (OSError, ValueError) as error:
            problem = (
                "does not exist" if isinstance(error, FileNotFoundError) else "contains no certificates in PEM form"
            )
            problem = "cannot be read" if isinstance(error, PermissionError) else problem
            raise EndpointError(
                f"the environment variable {variable} names the trusted certificates, but {value!r} {problem}; set it "
                "to a file in PEM form or a folder of such files, or unset it to trust the system's certificates"
            ) from error
        return context
    return httpx2.create_ssl_context(trust_env=False)


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    return any(_matches(host.lower(), port, entry.strip().lower()) for entry in no_proxy.replace(" ", ",").split(","))


def _matches(host: str, port: int | None, entry: str) -> bool:
    """Whether an entry of ``no_proxy`` covers a host: ``*``, a domain, a host with a port, an address or a network."""
    entry = entry.partition("://")[2] if "://" in entry else entry
    if not entry or entry == "*":
        return entry == "*"
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # one of the two is a name, or the entry has a port
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal() and not name.endswith(":"):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
