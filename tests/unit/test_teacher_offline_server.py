"""The offline teacher behind the OpenAI protocol, as any client sees it."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from codeplan.records import Problem
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.offline import MODEL, write_plan
from codeplan.teacher.offline.server import offline_host, offline_teacher
from codeplan.teacher.prompts import render

SOLUTION = "n = int(input())\nprint(n * 2)"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with offline_teacher() as running:
        yield running


def body(**changes) -> dict:
    problem = Problem(problem_id="p", dataset="d", split="s", level="l", question="Double it.")
    return {"model": MODEL, "messages": render("backward", problem, SOLUTION), **changes}


def call(endpoint: Endpoint, path: str, sent: object = None, key: str | None = None) -> tuple[int, dict]:
    headers = {"authorization": f"Bearer {key or endpoint.api_key.get_secret_value()}"}
    data = None if sent is None else sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    request = urllib.request.Request(f"{endpoint.base_url}{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_it_writes_the_plan_of_the_solution_in_the_prompt(endpoint):
    status, said = call(endpoint, "/chat/completions", body(n=2))
    assert status == 200
    assert [choice["message"]["content"] for choice in said["choices"]] == [write_plan(SOLUTION)] * 2
    assert [choice["index"] for choice in said["choices"]] == [0, 1]
    assert said["model"] == MODEL
    assert said["usage"]["completion_tokens"] % 2 == 0
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]


def test_it_respects_max_tokens(endpoint):
    _, said = call(endpoint, "/chat/completions", body(max_tokens=4))
    assert said["choices"][0]["message"]["content"] == "1. Read one"
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == 4


def test_it_lists_its_model(endpoint):
    status, said = call(endpoint, "/models")
    assert (status, [model["id"] for model in said["data"]]) == (200, [MODEL])


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        ([], 400, "invalid_messages"),
        (body(messages=[]), 400, "invalid_messages"),
        (body(messages=["x"]), 400, "invalid_messages"),
        (body(messages=[{"role": "user", "content": "no solution here"}]), 400, "no_solution"),
        (body(model="other"), 404, "model_not_found"),
        (body(n=-1), 400, "invalid_value"),
        (body(max_tokens="x"), 400, "invalid_value"),
    ],
)
def test_errors_have_the_form_of_the_openai_protocol(endpoint, sent, status, code):
    got, said = call(endpoint, "/chat/completions", sent)
    assert (got, said["error"]["code"]) == (status, code)
    assert set(said["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/models", "/chat/completions"])
def test_a_wrong_key_is_refused(endpoint, path):
    status, said = call(endpoint, path, body() if path != "/models" else None, key="wrong")
    assert (status, said["error"]["code"]) == (401, "invalid_api_key")


def test_its_host_in_request_keys_does_not_depend_on_its_port(endpoint):
    assert endpoint.host == offline_host()
    assert MODEL in endpoint.host


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_it_ends_with_the_block():
    with offline_teacher() as running:
        assert listens(running.base_url)
    assert not listens(running.base_url)


def test_it_ends_with_a_killed_parent():
    script = (
        "import time\nfrom codeplan.teacher.offline.server import offline_teacher\n"
        "with offline_teacher() as running:\n    print(running.base_url, flush=True)\n    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        address = parent.stdout.readline().strip()
        assert listens(address)
        parent.kill()
        parent.stderr.read()  # the server inherited it: it ends when both have ended
    assert not listens(address)
