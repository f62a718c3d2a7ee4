"""Response bodies: bytes to text, text to JSON, as tolerant as is safe."""

from __future__ import annotations

import codecs
import json
import zlib
from contextlib import suppress
from typing import Any

MAX_BODY_BYTES = 64 * 2**20
"""Decompressed size, in bytes, beyond which a body that is compressed without a header is cut off."""

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def body_text(body: bytes) -> str:
    """A body as text, also where it is gzip without a header that says so, or has a byte order mark; never fails."""
    if body.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):  # what is not gzip after all is not text either
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_BODY_BYTES)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if body.startswith(mark)), "utf-8")
    return body.decode(encoding, "replace")


def parse_json(body: bytes) -> Any:
    """A body as JSON. Infinite numbers, control characters in strings and text after the value are accepted.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    text = body_text(body).lstrip("\ufeff \t\r\n")
    try:
        return _DECODER.raw_decode(text)[0]
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _parse_int(digits: str) -> int | float:
    # Python refuses to parse integers of thousands of digits; they count nothing.
    return int(digits) if len(digits) <= 1000 else float("inf")


def _last_non_null(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A key may appear twice, as some gateways append their own; a null never replaces a value.
    made: dict[str, Any] = {}
    for key, value in pairs:
        if value is not None or key not in made:
            made[key] = value
    return made


_DECODER = json.JSONDecoder(strict=False, parse_int=_parse_int, object_pairs_hook=_last_non_null)
