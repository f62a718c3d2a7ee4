"""Serve the offline teacher, which is not an LLM, over the OpenAI protocol, so that the whole client is exercised.

python -m codeplan.teacher.offline.server --port 8765

Two endpoints: ``POST /v1/chat/completions`` and ``GET /v1/models``. The key is read from the environment variable
``CODEPLAN_OFFLINE_KEY``; without one, any key is accepted. It listens on the loopback interface alone.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codeplan.errors import UserError
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.offline.plan_writer import MODEL, VERSION, write_plan
from codeplan.teacher.prompts import solution_in

KEY_VARIABLE = "CODEPLAN_OFFLINE_KEY"
HOST = "127.0.0.1"
MAX_CHOICES = 128
_WORDS = re.compile(r"\w+|[^\w\s]")


class BadRequest(Exception):  # noqa: N818 - named after its HTTP status
    """A request that the endpoint rejects; carries the status, the error's code and the setting it is about."""

    def __init__(self, status: int, code: str, param: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def response(self) -> JSONResponse:
        """The error in OpenAI's JSON form."""
        kind = "authentication_error" if self.status == 401 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, status_code=self.status)


def complete(body: Any) -> dict[str, Any]:
    """The chat completion for a request's JSON body: the same body gives the same text.

    Words and punctuation characters count as tokens; a text is truncated after ``max_tokens`` of them.

    Raises:
        BadRequest: the body is not a chat request, names another model, or contains no solution.
    """
    if not isinstance(body, dict) or not isinstance(messages := body.get("messages"), list) or not messages:
        raise BadRequest(400, "invalid_messages", "messages", "messages must be a list of messages")
    contents = [message.get("content") if isinstance(message, dict) else None for message in messages]
    if not all(isinstance(content, str) for content in contents):
        raise BadRequest(400, "invalid_messages", "messages", "every message needs a string as its content")
    if body.get("model") != MODEL:
        raise BadRequest(404, "model_not_found", "model", f"there is no model {body.get('model')!r}, only {MODEL}")
    count, limit = body.get("n") or 1, body.get("max_completion_tokens") or body.get("max_tokens") or 2**31
    if not isinstance(count, int) or not 0 < count <= MAX_CHOICES:
        raise BadRequest(400, "invalid_value", "n", f"n must be an integer from 1 to {MAX_CHOICES}")
    if not isinstance(limit, int) or limit < 1:
        raise BadRequest(400, "invalid_value", "max_tokens", "max_tokens must be an integer above 0")
    solution = solution_in(str(contents[-1]))
    if solution is None:
        raise BadRequest(400, "no_solution", "messages", "the last message has no solution between its markers")
    text = write_plan(solution)
    tokens = list(_WORDS.finditer(text))
    truncated = len(tokens) > limit
    end = tokens[limit - 1].end() if truncated else len(text)
    choice = {
        "message": {"role": "assistant", "content": text[:end], "refusal": None},
        "finish_reason": "length" if truncated else "stop",
        "logprobs": None,
    }
    prompt_tokens = sum(map(_count_tokens, map(str, contents[:-1]))) + len(_WORDS.findall(str(contents[-1])))
    completion_tokens = min(len(tokens), limit) * count
    return {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": VERSION,
        "choices": [{"index": index, **choice} for index in range(count)],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


@lru_cache(maxsize=64)
def _count_tokens(text: str) -> int:
    # Of the messages before the last, which are the same in every request.
    return len(_WORDS.findall(text))


def offline_host() -> str:
    """What stands for the offline teacher in the keys of requests, as its port changes every time."""
    return f"{MODEL}/{VERSION}"


def app(key: str) -> Starlette:
    """The web application; an empty key accepts any."""

    async def completions(request: Request) -> JSONResponse:
        try:
            _check_key(request, key)
            return JSONResponse(complete(await request.json()))
        except BadRequest as error:
            return error.response()
        except (json.JSONDecodeError, UnicodeDecodeError):
            return BadRequest(400, "invalid_json", None, "the body is not valid JSON").response()

    async def models(request: Request) -> JSONResponse:
        try:
            _check_key(request, key)
        except BadRequest as error:
            return error.response()
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "codeplan"}
        return JSONResponse({"object": "list", "data": [model]})

    routes = [Route("/v1/chat/completions", completions, methods=["POST"]), Route("/v1/models", models)]
    return Starlette(routes=routes)


def _check_key(request: Request, key: str) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key and not hmac.compare_digest(given.encode(), key.encode()):
        raise BadRequest(401, "invalid_api_key", None, "the key is wrong")


@contextmanager
def offline_teacher() -> Iterator[Endpoint]:
    """Run the offline teacher in a child process on loopback, for the length of the block.

    The child ends with this process, however it ends: it watches its standard input, which closes then.

    Raises:
        UserError: it does not start.
    """
    key = secrets.token_hex(16)
    command = [sys.executable, "-m", "codeplan.teacher.offline.server", "--port", "0", "--until-stdin-closes"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, KEY_VARIABLE: key},
        start_new_session=True,  # Ctrl-C is for this process, which then ends the child
    )
    with child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()  # written once the server listens, or never
            if not address:
                raise UserError(
                    f"the offline teacher exited with status {child.wait()} before it listened; see its message above"
                )
            yield Endpoint(base_url=address, api_key=SecretStr(key), host=offline_host())
        finally:
            child.terminate()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m codeplan.teacher.offline.server",
        description="Serve the offline teacher, which is not an LLM, over the OpenAI protocol on loopback.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the address is the first line printed")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when the parent process does")
    arguments = parser.parse_args()
    config = uvicorn.Config(app(os.environ.get(KEY_VARIABLE, "")), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server((HOST, arguments.port)) as listening:
        if arguments.until_stdin_closes:
            threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
        # From here on, connections wait in the socket's queue until the server accepts them.
        print(f"http://{HOST}:{listening.getsockname()[1]}/v1", flush=True)
        server.run(sockets=[listening])


def _end_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
