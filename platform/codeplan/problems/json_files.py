"""Files of JSON rows: one object per line, or one array of objects; plain or gzipped, whatever the file's name."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from codeplan.problems.json_values import parse
from codeplan.problems.rows import ProblemError, Row

_EXPECTED = "expected JSON lines (.jsonl or .jsonl.gz)"
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 512
_CONVERT = f"{_EXPECTED}; write one with pandas: read_{{}}(...).to_json('rows.jsonl', orient='records', lines=True)"
_OTHER_FORMATS = {
    # Leading bytes: the format, and what to do.
    b"PAR1": ("a Parquet file", _CONVERT.format("parquet")),
    b"ARROW1": ("an Arrow file", _CONVERT.format("feather")),
    b"\xff\xff\xff\xff": ("an Arrow file", "write JSON lines with datasets: load_from_disk(...).to_json('rows.jsonl')"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", f"{_EXPECTED}; decompress it first: zstd -d"),
    b"\xfd7zXZ": ("compressed by xz", f"{_EXPECTED}; decompress it first: xz -dk"),
    b"BZh": ("compressed by bzip2", f"{_EXPECTED}; decompress it first: bzip2 -dk"),
    b"PK\x03\x04": ("a zip archive", f"{_EXPECTED}; unpack it first"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", f"{_EXPECTED}; unpack it first"),
    _GZIP: ("compressed twice by gzip", f"{_EXPECTED}; decompress it first: gzip -d"),
    b"SQLite format 3": ("an SQLite database", _EXPECTED),
    b"\x80\x04\x95": ("a pickle, which is never loaded", _EXPECTED),
    b"\xff\xfe": ("UTF-16 text", f"{_EXPECTED} in UTF-8; convert it first: iconv -f UTF-16 -t UTF-8"),
    b"\xfe\xff": ("UTF-16 text", f"{_EXPECTED} in UTF-8; convert it first: iconv -f UTF-16 -t UTF-8"),
    b"version https://git-lfs": ("a Git LFS pointer, not the data", "fetch the data first: git lfs pull"),
    b"<!DOCTYPE": ("a web page", f"{_EXPECTED}; download the file itself"),
    b"<html": ("a web page", f"{_EXPECTED}; download the file itself"),
}


def json_rows(path: Path) -> Iterator[Row]:
    """The rows of a file: one per non-blank line, or one per item where the file is an array.

    Raises:
        ProblemError: the file is missing, not a regular file, in another format, or cannot be decompressed.
    """
    require_regular_file(path, _EXPECTED)
    try:
        with path.open("rb") as raw:
            opened = cast(io.BufferedReader, gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw)
            _reject_other_formats(path, opened.peek(_HEAD_BYTES)[:_HEAD_BYTES])
            yield from _rows(path, opened)
    except (OSError, EOFError, zlib.error) as error:
        raise ProblemError(f"{path}: cannot be read: {error_reason(error)}; {_EXPECTED}") from error


def require_regular_file(path: Path, expected: str, *, folder: bool = False) -> None:
    """Make sure that a path is a regular file, or a folder where one is allowed.

    Raises:
        ProblemError: it is neither or cannot be checked; reading anything else may block forever.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ProblemError(f"{path}: there is no such file{' or folder' if folder else ''}; {expected}") from error
    except (OSError, ValueError) as error:
        raise ProblemError(f"{path}: cannot be read: {error_reason(error)}; {expected}") from error
    if stat.S_ISDIR(mode) and not folder:
        raise ProblemError(f"{path}: is a folder; name the file in it; {expected}")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ProblemError(f"{path}: is a pipe, socket or device, which cannot be read twice; {expected}")


def error_reason(error: BaseException) -> str:
    """The reason of an error by the system or a decoder, without the path, which the message already names."""
    if isinstance(error, OSError) and error.errno is not None:
        return "too many symbolic links" if error.errno == errno.ELOOP else os.strerror(error.errno)
    return str(error) or type(error).__name__


def _reject_other_formats(path: Path, head: bytes) -> None:
    for magic, (what, advice) in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise ProblemError(f"{path}: is {what}; {advice}")
    if head[257:262] == b"ustar":
        raise ProblemError(f"{path}: is a tar archive; {_EXPECTED}; unpack it first")
    if b"\0" in head[:4]:
        raise ProblemError(f"{path}: is not UTF-8 text (UTF-16 or UTF-32, or binary data); {_EXPECTED} in UTF-8")


def _rows(path: Path, file: BinaryIO) -> Iterator[Row]:
    lines = ((number, line.removeprefix(_BOM)) for number, line in enumerate(file, start=1))
    numbered: Iterator[tuple[int, bytes]] = ((number, line) for number, line in lines if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    if first[1].lstrip().startswith(b"["):
        rest = list(numbered)
        items = _items(first[1], [line for _, line in rest])
        if isinstance(items, list):
            yield from (
                Row(f"{path}, item {number}", partial(_unchanged, item)) for number, item in enumerate(items, 1)
            )
            return
        yield Row(f"{path}, line {first[0]}", partial(_raise, items))
        numbered = iter(rest)
    else:
        numbered = chain([first], numbered)
    for number, line in numbered:
        yield Row(f"{path}, line {number}", partial(_parse, line))


def _items(first: bytes, rest: list[bytes]) -> list[Any] | ValueError:
    """The items of a file that is one array, or the error of its first line where it is something else."""
    if rest:
        try:
            _parse(first)
        except ValueError:
            pass
        else:
            return ValueError("a row must be a JSON object, not list")
    try:
        items = _parse(b"".join([first, *rest]))
    except ValueError as error:
        return ValueError(f"the JSON array that begins here cannot be read: {error}")
    return cast(list[Any], items)


def _parse(line: bytes) -> Any:
    try:
        return parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8 ({error.reason})") from error


def _unchanged(item: Any) -> Any:
    return item


def _raise(error: ValueError) -> Any:
    raise error
