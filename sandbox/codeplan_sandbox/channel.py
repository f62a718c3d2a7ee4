"""Messages between the two processes of assert tests: ASCII text, each after its length."""

from __future__ import annotations

import os

PEER = 9
"""The descriptor of the line to the other process."""

_LENGTH_BYTES = 8
_MAX_MESSAGE = 1 << 30


def send(text: str) -> None:
    """Send a message; raises OSError where the other side is gone."""
    data = text.encode("ascii")
    data = len(data).to_bytes(_LENGTH_BYTES, "little") + data
    while data:
        data = data[os.write(PEER, data) :]


def receive() -> str | None:
    """The other side's next message; None where it hung up."""
    head = _read(_LENGTH_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "little")
    if length > _MAX_MESSAGE:
        raise ValueError(f"a message of {length} bytes")
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
