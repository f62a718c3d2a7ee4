"""A teacher for tests: a real server of the chat protocol that misbehaves as the question tells it to.

A question may hold one directive, for example ``@@{"status": 429, "headers": {"retry-after": "1"}, "times": 2}@@``:

* ``status``, ``code``, ``param``, ``say``: answer with this error; ``say`` is its message.
* ``headers``: send these headers.
* ``raw``: send this body as it is, with status 200.
* ``delay``: seconds before the answer.
* ``text``, ``finish_reason``, ``usage``: parts of the completion.
* ``times``: misbehave only in so many requests with this question; then answer well.

``GET /counts`` tells what it has done since the last ``POST /reset``.
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

DIRECTIVE = re.compile(r"@@(\{.*?\})@@", re.DOTALL)


class State:
    """What the server has done since it was last reset."""

    def __init__(self):
        self.received = collections.Counter()
        self.answered = collections.Counter()
        self.under_way = self.most_under_way = 0
        self.last_body = None

    def counts(self):
        return {
            "received": sum(self.received.values()),
            "answered": sum(self.answered.values()),
            "distinct": len(self.received),
            "most_times_answered": max(self.answered.values(), default=0),
            "under_way": self.under_way,
            "most_under_way": self.most_under_way,
            "last_body": self.last_body,
        }


class Server:
    """The endpoints."""

    def __init__(self):
        self.state = State()

    async def counts(self, request):
        return JSONResponse(self.state.counts())

    async def reset(self, request):
        self.state = State()  # requests still under way count in the old one
        return JSONResponse({})

    async def completions(self, request):
        state = self.state
        state.under_way += 1
        state.most_under_way = max(state.most_under_way, state.under_way)
        try:
            state.last_body = await request.json()
            return await respond(state, state.last_body, request.headers["authorization"].removeprefix("Bearer "))
        finally:
            state.under_way -= 1


async def respond(state, body, key):
    question = body["messages"][-1]["content"]
    identity = json.dumps([question, body.get("seed")])
    state.received[identity] += 1
    found = DIRECTIVE.search(question)
    asked = json.loads(found[1]) if found else {}
    if state.received[identity] > asked.get("times", 10**9):
        asked = {}
    await asyncio.sleep(asked.get("delay", 0))
    headers = asked.get("headers", {})
    if "status" in asked:
        message = asked.get("say", "no").replace("{key}", key)
        error = {"message": message, "code": asked.get("code"), "param": asked.get("param")}
        return JSONResponse({"error": error}, asked["status"], headers)
    if "raw" in asked:
        return Response(asked["raw"], media_type=asked.get("type", "application/json"), headers=headers)
    state.answered[identity] += 1
    return JSONResponse(completion(body, asked), headers=headers)


def completion(body, asked):
    message = {"role": "assistant", "content": asked.get("text", f"1. Answer with seed {body.get('seed')}.")}
    choice = {"index": 0, "message": message, "finish_reason": asked.get("finish_reason", "stop")}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": f"{body['model']}-dated",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": asked.get("usage", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}),
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

    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        threading.Thread(target=end_with_parent, daemon=True).start()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
