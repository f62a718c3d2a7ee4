"""Proxies, certificates and OPENAI_* variables of the environment, and addresses that cannot be used."""

import asyncio
import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.config.loading import ConfigError, parse
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.configured_endpoint import endpoint_of
from codeplan.teacher.endpoint import Endpoint, EndpointError, is_loopback, proxy_for
from codeplan.teacher.plan_requests import build_plan_requests

KEY = "sk-secret-1234567890"
GOOD = {"choices": [{"message": {"content": "1. Read."}}]}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(base_url: str, folder) -> Reply:
    problem = Problem(problem_id="p", dataset="d", split="s", level="l", question="Q", solutions=("print(1)",))
    (asked,) = build_plan_requests([problem], TeacherConfig(model="m"), "host")

    async def once() -> Reply:
        settings = ExecutionConfig(request_attempts=1, request_timeout_s=10)
        async with CachedTeacher(TeacherSetup(Endpoint(base_url, SecretStr(KEY)), settings, folder)) as teacher:
            return await teacher.ask(asked.request)

    return asyncio.run(once())


@pytest.mark.parametrize("value", ["http://user:word@127.0.0.1:9", "socks5://127.0.0.1:9", "socks://x", "nonsense:::"])
@pytest.mark.parametrize("upper", [False, True])
def test_loopback_ignores_proxies_and_certificates(scripted_teacher, tmp_path, monkeypatch, value, upper):
    for name in PROXIES[:3]:
        monkeypatch.setenv(name.upper() if upper else name, value)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "/nowhere")
    teacher = scripted_teacher(lambda sent: (200, GOOD, {}))
    for host in ("127.0.0.1", "localhost"):
        assert ask(f"http://{host}:{teacher.port}/v1", tmp_path / host).status == "answered"


def test_other_hosts_are_reached_through_the_proxy(scripted_teacher, tmp_path, monkeypatch):
    proxy = scripted_teacher(lambda sent: (200, GOOD, {}))
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")  # it does not matter where the scheme has a proxy
    assert ask("http://teacher.invalid/v1", tmp_path).status == "answered"
    assert proxy.paths == ["http://teacher.invalid/v1/chat/completions"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks5://user:word@127.0.0.1:9", "socksio"),
        ("all_proxy", "socks5h://user:word@127.0.0.1:9", "socksio"),
        ("HTTP_PROXY", "socks4://user:word@127.0.0.1:9", "scheme"),
        ("http_proxy", "ftp://user:word@127.0.0.1:9", "scheme"),
        ("http_proxy", "http://user:word@", "http://host:port"),
        ("http_proxy", "http://user:word@host:port", "http://host:port"),
        ("http_proxy", "http://user:word@ho st:99999", "http://host:port"),
        ("http_proxy", "http://user:word@[::1", "http://host:port"),
    ],
)
def test_an_unusable_proxy_is_one_line_that_names_the_variable(tmp_path, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(EndpointError, match=name) as refused:
        ask("http://teacher.invalid/v1", tmp_path)
    assert words in str(refused.value)
    assert "word" not in str(refused.value).replace("password", "")
    assert "\n" not in str(refused.value)


def test_unreachable_proxy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@127.0.0.1:9")
    reply = ask("https://teacher.invalid/v1", tmp_path)
    assert reply.status == "stopped"
    assert "HTTPS_PROXY" in reply.message
    assert "user" not in reply.message


@pytest.mark.parametrize(
    ("no_proxy", "proxied"),
    [
        ("", True),
        ("*", False),
        ("example.com", False),
        (".example.com", False),
        ("*.example.com", False),
        ("other.com, teacher.example.com", False),
        ("TEACHER.example.com:8443", False),
        ("teacher.example.com:1", True),
        ("https://teacher.example.com", False),
        ("ample.com", True),
        ("[::1], ,::1,10.0.0.0/8,]x[,", True),
    ],
)
def test_no_proxy_is_parsed_in_all_its_forms(monkeypatch, no_proxy, proxied):
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for("https://teacher.example.com:8443/v1") is not None) is proxied


@pytest.mark.parametrize(("host", "exempt"), [("10.1.2.3", True), ("11.1.2.3", False), ("[fd00::1]", True)])
def test_no_proxy_knows_networks(monkeypatch, host, exempt):
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8,fd00::/8")
    assert (proxy_for(f"http://{host}/v1") is None) is exempt


def test_loopback_has_many_names():
    assert all(map(is_loopback, ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"]))
    assert not any(map(is_loopback, ["localhost.example", "128.0.0.1", "teacher", "", "::2"]))


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_unusable_certificates_are_one_line_that_names_the_variable(tmp_path, monkeypatch, name):
    empty = tmp_path / "no.pem"
    empty.write_text("nothing")
    for value in (tmp_path / "missing.pem", empty):
        monkeypatch.setenv(name, str(value))
        with pytest.raises(EndpointError, match=name):
            ask("https://teacher.invalid/v1", tmp_path)


def test_certificates_of_the_environment_are_used(tmp_path, monkeypatch):
    trusted = ssl.get_default_verify_paths().openssl_cafile
    if not Path(trusted).exists():
        pytest.skip("this system has no file of certificates")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    assert ask("https://127.0.0.1:9/v1", tmp_path).status == "stopped"  # it came as far as to connect


def test_a_missing_key_is_named_with_the_nodes_that_need_it(monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    teacher = TeacherConfig(model="m", base_url="https://127.0.0.1:9/v1", api_key_env="A_KEY")
    with pytest.raises(StageError, match=r"A_KEY, .*is empty or not set; set it to the teacher's key \(any word"):
        endpoint_of(teacher)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"metadata": {"job_submission_id": "run-a-1"}}')
    nodes = "key in the environment of the cluster's nodes that run the command and, in a sweep, its trials"
    with pytest.raises(StageError, match=nodes):
        endpoint_of(teacher)


def test_openai_environment_variables_never_replace_the_key(scripted_teacher, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "another")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "prój")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer another\nX-Extra: ü")
    teacher = scripted_teacher(lambda sent: (200, GOOD, {}))
    assert ask(teacher.base_url, tmp_path).status == "answered"
    (headers,) = teacher.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert not {"openai-organization", "openai-project", "x-extra"} & set(headers)


def test_an_organization_that_cannot_be_a_header_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "örg")
    with pytest.raises(EndpointError, match="OPENAI_ORG_ID"):
        ask("https://api.openai.com/v1", tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "api.example.com/v1",
        "localhost:8000/v1",
        "ftp://host/v1",
        "https://",
        "https:///v1",
        "https://host/v1 ",
        "https://ho st/v1",
        "https://host:port/v1",
        "https://host:99999/v1",
        "https://[::1/v1",
        "https://user:word@host/v1",
        "https://word@host/v1",
        "https://host/v1?key=word",
        "https://host/v1#word",
        "https://host/\n/v1",
    ],
)
def test_an_invalid_base_url_is_refused_by_the_configuration(address):
    source = {"reader": "miniapps", "split": "train", "count": 1}
    plain = {
        "problems": {"train": source, "test": source},
        "student": {},
        "teacher": {"base_url": address, "model": "m"},
    }
    with pytest.raises(ConfigError, match="base_url") as refused:
        parse(plain)
    assert "word@" not in str(refused.value)
    assert "key=word" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_displayed_url_has_no_credentials_and_no_query():
    assert Endpoint("https://user:word@host:1/v1?key=word", SecretStr(KEY)).display_url == "https://host:1/v1"


def test_an_endpoint_hides_its_key_and_names_its_host_without_credentials():
    endpoint = Endpoint("https://user:word@teacher.example:8443/v1", SecretStr(KEY))
    assert KEY not in repr(endpoint) + str(endpoint)
    assert endpoint.host == "teacher.example:8443"
