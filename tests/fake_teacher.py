"""A teacher for tests: a real server of the chat protocol that misbehaves as its prompts say.

A prompt may contain one directive, for example ``@@{"status": 429, "headers": {"retry-after": "1"}, "times": 2}@@``:

* ``status``, ``code``, ``param``, ``say``: answer with this error; ``say`` is its message.
* ``headers``: send these headers.
* ``raw``: send this body as it is, with status 200.
* ``delay``: seconds before the answer.
* ``text``, ``finish_reason``, ``usage``: parts of the completion.
* ``times``: misbehave only in this many requests with this prompt; then answer well.

Arguments: the address to listen on, loopback by default, and seconds before every answer.

``GET /counts`` returns what it has done since the last ``POST /reset``.
"""

import asyncio
import collections
import json
import re
import socket
import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
DELAY_S = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
"""Seconds before an answer, where the prompt says nothing else."""
DIRECTIVE = re.compile(r"@@(\{.*?\})@@", re.DOTALL)


class State:
    """What the server has done since it was last reset."""

    def __init__(self):
        self.received = collections.Counter()
        self.answered = collections.Counter()
        self.in_flight = self.max_in_flight = 0
        self.last_body = None

    def counts(self):
        return {
            "received": sum(self.received.values()),
            "answered": sum(self.answered.values()),
            "distinct": len(self.received),
            "most_times_answered": max(self.answered.values(), default=0),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "last_body": self.last_body,
        }


class Server:
    """The endpoints."""

    def __init__(self):
        self.state = State()

    async def counts(self, request):
        return JSONResponse(self.state.counts())

    async def reset(self, request):
        self.state = State()  # requests in flight count in the old one
        return JSONResponse({})

    async def completions(self, request):
        state = self.state
        state.in_flight += 1
        state.max_in_flight = max(state.max_in_flight, state.in_flight)
        try:
            state.last_body = await request.json()
            return await respond(state, state.last_body, request.headers["authorization"].removeprefix("Bearer "))
        finally:
            state.in_flight -= 1


async def respond(state, body, key):
    prompt = body["messages"][-1]["content"]
    identity = json.dumps([prompt, body.get("seed")])
    state.received[identity] += 1
    found = DIRECTIVE.search(prompt)
    directive = json.loads(found[1]) if found else {}
    if state.received[identity] > directive.get("times", 10**9):
        directive = {}
    await asyncio.sleep(directive.get("delay", DELAY_S))
    headers = directive.get("headers", {})
    if "status" in directive:
        message = directive.get("say", "no").replace("{key}", key)
        error = {"message": message, "code": directive.get("code"), "param": directive.get("param")}
        return JSONResponse({"error": error}, directive["status"], headers)
    if "raw" in directive:
        return Response(directive["raw"], media_type=directive.get("type", "application/json"), headers=headers)
    state.answered[identity] += 1
    return JSONResponse(completion(body, directive), headers=headers)


def completion(body, directive):
    message = {"role": "assistant", "content": directive.get("text", f"1. Answer with seed {body.get('seed')}.")}
    choice = {"index": 0, "message": message, "finish_reason": directive.get("finish_reason", "stop")}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": f"{body['model']}-dated",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": directive.get("usage", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}),
    }


def main():
    fake = Server()
    routes = [
        Route("/v1/chat/completions", fake.completions, methods=["POST"]),
        Route("/counts", fake.counts),
        Route("/reset", fake.reset, methods=["POST"]),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning", timeout_graceful_shutdown=1))

    def end_with_parent():
        sys.stdin.buffer.read()
        server.should_exit = True

    with socket.create_server((HOST, 0), backlog=512) as listening:
        threading.Thread(target=end_with_parent, daemon=True).start()
        print(f"http://{HOST}:{listening.getsockname()[1]}", flush=True)
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
