"""Chromium without a window, driven through its debugging pipe: no port, no driver program, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = "no Chromium on this machine: apt-get install chromium"
_KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""), "ArrowRight": (39, "")}


class Tab:
    """A tab; frames of other origins are sessions of their own, and `sessions` names them all."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number = 0
        self._buffer = b""
        self._answers: dict[int, dict[str, Any]] = {}
        self.sessions: list[str] = []
        self.faults: list[str] = []
        """What scripts threw, what a policy refused, and dialogs, which were closed."""
        made = self._send("Target.createTarget", {"url": "about:blank"})
        self._send("Target.attachToTarget", {"targetId": made["targetId"], "flatten": True})
        self.page = self.sessions[0]

    def call(self, method: str, session: str = "", **arguments: Any) -> dict[str, Any]:
        """A method of the debugging protocol, of the page's session where none is named."""
        return self._send(method, arguments, session or self.page)

    def open(self, address: str) -> None:
        """Go to an address; returns at once."""
        self.call("Page.navigate", url=address)

    def value(self, script: str, session: str = "") -> Any:
        """The value of an expression in the page, or in a frame; promises are waited for."""
        found = self.call("Runtime.evaluate", session, expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script: str, session: str = "", seconds: float = 60) -> Any:
        """Wait until an expression is true in the page, or in a frame, and return it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.value(script, session):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{script} did not become true; faults: {self.faults}")

    def session_where(self, script: str, seconds: float = 60) -> str:
        """Wait until an expression is true in the page or in one of its frames, and return the session of that one.

        A sandboxed frame has a session of its own, which the browser attaches at some time after the frame is there.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for session in tuple(self.sessions):
                with suppress(AssertionError):  # the session of a frame that has gone
                    if self.value(script, session):
                        return session
            time.sleep(0.02)
        raise AssertionError(f"{script} did not become true anywhere; faults: {self.faults}")

    def press(self, key: str, session: str = "") -> None:
        """Press and release a key."""
        code, text = _KEYS[key] if key in _KEYS else (ord(key.upper()), key)
        options = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", session, type="keyDown", text=text, **options)
        self.call("Input.dispatchKeyEvent", session, type="keyUp", **options)

    def write(self, text: str, session: str = "") -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", session, text=text)

    def picture(self, path: Path) -> None:
        """Save what the tab shows as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def resize(self, width: int, height: int) -> None:
        """Set the size of the tab in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, on: bool) -> None:
        """Set what the user prefers."""
        value = "dark" if on else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def _send(self, method: str, arguments: dict[str, Any], session: str = "") -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": arguments} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while number not in self._answers:
            found = self._receive()
            if "id" in found:  # perhaps of a call that waits while this one is made
                self._answers[found["id"]] = found
            else:
                self._note(found)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], 120)[0]:
                raise AssertionError("the browser does not answer")
            data = os.read(self._from, 1 << 20)
            if not data:
                raise AssertionError("the browser has ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        method, found, session = event.get("method"), event.get("params", {}), event.get("sessionId", "")
        if method == "Target.attachedToTarget":
            child = found["sessionId"]
            self.sessions.append(child)
            options = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
            self._send("Target.setAutoAttach", options, child)
            for domain in ("Runtime", "Log", "Page"):
                self._send(f"{domain}.enable", {}, child)
        elif method == "Target.detachedFromTarget":
            self.sessions.remove(found["sessionId"])
        elif method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(found["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.faults.append(found["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.faults.append(f"dialog: {found['message']}")
            self._send("Page.handleJavaScriptDialog", {"accept": True}, session)


@contextmanager
def tab(profile: Path, *, network: bool = False) -> Iterator[Tab]:
    """A tab of a browser that ends with the block; without the network it can reach nothing."""
    assert PROGRAM is not None, MISSING
    to_browser, from_browser = os.pipe(), os.pipe()
    # The browser reads its commands from descriptor 3 and answers on 4.
    wrapped = f'exec "$0" "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
    options += [f"--user-data-dir={profile}", *([] if network else ["--proxy-server=127.0.0.1:9"])]
    browser = subprocess.Popen(
        ["bash", "-c", wrapped, PROGRAM, *options],
        pass_fds=(to_browser[0], from_browser[1]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        yield Tab(to_browser[1], from_browser[0])
    finally:
        browser.terminate()
        browser.wait()
        os.close(to_browser[1])
        os.close(from_browser[0])
