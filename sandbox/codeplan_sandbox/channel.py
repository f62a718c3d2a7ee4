"""Messages between the two processes of an assert test: ASCII text, prefixed with its length."""

from __future__ import annotations

import os

PEER = 9
"""The descriptor of the socket to the other process."""

_LENGTH_BYTES = 8
_MAX_MESSAGE = 1 << 30


def send(text: str) -> None:
    """Send a message; raises OSError if the other process has ended."""
    data = text.encode("ascii")
    data = len(data).to_bytes(_LENGTH_BYTES, "little") + data
    while data:
        data = data[os.write(PEER, data) :]


def receive() -> str | None:
    """The next message from the other process; None if it closed the socket."""
    head = _read(_LENGTH_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "little")
    if length > _MAX_MESSAGE:
        raise ValueError(f"a message of {length} bytes; at most {_MAX_MESSAGE} are accepted")
    data = _read(length)
    return None if data is None else data.decode("ascii")


def _read(length: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < length:
        part = os.read(PEER, min(length - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
