"""Reading what a server sent: bytes to text, text to JSON, tolerant where nothing is lost by it."""

from __future__ import annotations

import codecs
import json
import zlib
from contextlib import suppress
from typing import Any

LONGEST_BODY = 64 * 2**20
"""Bytes of a body that is compressed without saying so; more is cut off."""

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def body_text(body: bytes) -> str:
    """A body as text: compressed by gzip without saying so or not, with a byte order mark or not, always something."""
    if body.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):  # where it is no gzip after all, it is no text either
            body = zlib.decompressobj(wbits=31).decompress(body, LONGEST_BODY)
    encoding = next((name for mark, name in _MARKS.items() if body.startswith(mark)), "utf-8")
    return body.decode(encoding, "replace")


def parse_json(body: bytes) -> Any:
    """A body as JSON. Numbers without end, control characters in texts and what stands after the value are borne.

    Raises:
        ValueError: it is none, or is nested too deeply.
    """
    text = body_text(body).lstrip("\ufeff \t\r\n")
    try:
        return _DECODER.raw_decode(text)[0]
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _whole_number(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits; as a count of anything they mean nothing.
    return int(digits) if len(digits) <= 1000 else float("inf")


def _last_that_says_something(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A key may stand twice, as some gateways append their own; a null never takes the place of a value.
    made: dict[str, Any] = {}
    for key, value in pairs:
        if value is not None or key not in made:
            made[key] = value
    return made


_DECODER = json.JSONDecoder(strict=False, parse_int=_whole_number, object_pairs_hook=_last_that_says_something)
