"""Files of rows: encodings, line ends, arrays, other formats, and paths that are not regular files."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems
from codeplan.config import FileSource
from codeplan.problems import ProblemError, ReadProblems


def plain(number: int, **changes: Any) -> dict[str, Any]:
    fixed = {"problem_id": f"mine/test/{number}", "dataset": "mine", "split": "test", "level": "x", "question": "?"}
    return {**fixed, **changes}


def read(path: Path, reader: Any = "jsonl", **settings: Any) -> ReadProblems:
    return problems.read(FileSource(reader=reader, path=str(path), **settings))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(found: ReadProblems) -> list[str]:
    return [problem.problem_id.rpartition("/")[2] for problem in found.problems]


ROWS = [json.dumps(plain(number)) for number in range(3)]
READABLE = {
    "one object per line": "\n".join(ROWS),
    "CRLF line ends": "\r\n".join(ROWS) + "\r\n",
    "blank lines": "\n\n  \n" + "\n\n".join(ROWS),
    "a byte order mark": "\ufeff" + "\n".join(ROWS),
    "a byte order mark on every line": "\n".join("\ufeff" + row for row in ROWS),
    "an array on one line": f"[{', '.join(ROWS)}]",
    "an array with one object per line": "[\n" + ",\n".join(ROWS) + "\n]\n",
    "an array, pretty-printed": json.dumps([json.loads(row) for row in ROWS], indent=2),
    "a gzip under another name": gzip.compress("\n".join(ROWS).encode()),
    "two concatenated gzips": gzip.compress((ROWS[0] + "\n").encode()) + gzip.compress("\n".join(ROWS[1:]).encode()),
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_files_of_rows_are_read(tmp_path: Path, content: str | bytes) -> None:
    found = read(write(tmp_path / "a.jsonl", content))
    assert ids(found) == ["0", "1", "2"]
    assert found.account.rows_in == 3


def test_gzip_is_detected_by_content_not_by_name(tmp_path: Path) -> None:
    assert ids(read(write(tmp_path / "a.jsonl.gz", "\n".join(ROWS)))) == ["0", "1", "2"]


def test_only_line_feeds_separate_rows(tmp_path: Path) -> None:
    question = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\0h"
    row = json.dumps(plain(0, question=question), ensure_ascii=False)
    assert read(write(tmp_path / "a.jsonl", row)).problems[0].question == question


def test_a_very_long_line_is_read(tmp_path: Path) -> None:
    assert (
        len(read(write(tmp_path / "a.jsonl", json.dumps(plain(0, question="x" * 5_000_000)))).problems[0].question)
        > 4e6
    )


UNREADABLE = {
    "Parquet": (b"PAR1\x15\x04PAR1", "is a Parquet file; expected JSON lines .*read_parquet"),
    "Arrow": (b"\xff\xff\xff\xff\x10\x00\x00\x00", "is an Arrow file; write JSON lines"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "compressed by zstd; .*zstd -d"),
    "xz": (b"\xfd7zXZ\x00", "compressed by xz"),
    "bzip2": (b"BZh91AY", "compressed by bzip2"),
    "zip": (b"PK\x03\x04\x14", "is a zip archive"),
    "tar": (b"a.jsonl" + b"\0" * 250 + b"ustar\0" + b"\0" * 249, "is a tar archive"),
    "tar.gz": (gzip.compress(b"a.jsonl" + b"\0" * 250 + b"ustar\0" + b"\0" * 249), "is a tar archive"),
    "gzip twice": (gzip.compress(gzip.compress(ROWS[0].encode())), "compressed twice by gzip"),
    "gzip cut off": (gzip.compress("\n".join(ROWS).encode())[:-20], "cannot be read: .*ended before"),
    "gzip damaged": (gzip.compress(os.urandom(500))[:200] + b"\xff" * 300, "cannot be read"),
    "UTF-16": ("\n".join(ROWS).encode("utf-16"), "is UTF-16 text; .*iconv -f UTF-16"),
    "UTF-16 unmarked": ("\n".join(ROWS).encode("utf-16-le"), "is not UTF-8 text"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer.*git lfs pull"),
    "web page": (b"<!DOCTYPE html>\n<html>", "is a web page"),
    "pickle": (b"\x80\x04\x95\x10", "a pickle, which is never loaded"),
    "Latin-1": (
        json.dumps(plain(0, question="é"), ensure_ascii=False).encode("latin-1"),
        r"line 1: .*byte \d+ is not UTF-8",
    ),
    "encoded surrogates": (b'{"question": "\xed\xa0\x80"}', r"line 1: .*is not UTF-8"),
    "a table of columns, printed": (json.dumps({"question": ["?"]}, indent=1), "line 1: .*expected one JSON object"),
    "an array cut off": (
        "[\n" + ",\n".join(ROWS),
        "line 1: cannot be read: the JSON array that begins here .*expected one JSON",
    ),
    "an array of strings": ('["a", "b"]', "item 1: a row must be a JSON object, not str"),
    "a key twice": ('{"question": "a", "question": "b"}', "line 1: .*duplicate key 'question'"),
    "endless nesting": ('{"question": ' + "[" * 100_000, "line 1: .*nested too deeply"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_other_formats_are_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ProblemError, match=rf"a\.jsonl.*{message}") as caught:
        read(write(tmp_path / "a.jsonl", content))
    assert "\n" not in str(caught.value)


def test_a_list_in_the_first_row_is_one_broken_row(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.jsonl", "\n".join(["[1]", *ROWS])), skip_bad=True)
    assert (ids(found), dict(found.account.dropped)) == (["0", "1", "2"], {"broken": 1})


def test_if_every_row_is_broken_the_first_is_shown(tmp_path: Path) -> None:
    with pytest.raises(
        ProblemError,
        match=r"no valid mbpp problem; 2 broken rows; .*the first broken row: .*line 1, field text: missing",
    ):
        read(write(tmp_path / "a.jsonl", '{"task_id": 1, "test_list": ["a"]}\n{}'), "mbpp", skip_bad=True)


@pytest.mark.parametrize("reader", ["jsonl", "apps"])
@pytest.mark.parametrize("kind", ["pipe", "loop", "gone", "long", "nul", "below"])
def test_paths_that_are_not_regular_files_are_refused(tmp_path: Path, reader: str, kind: str) -> None:
    path = tmp_path / {"long": "x" * 400, "nul": "a\0b"}.get(kind, kind)
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "loop":
        path.symlink_to(path)
    if kind == "below":
        path = write(tmp_path / "file", "{}") / "a.jsonl"
    source = FileSource(reader=reader, path=str(path))
    for action in (problems.read, problems.ReadSettings.of):
        with pytest.raises(
            ProblemError, match=r"pipe|symbolic links|no such file|name too long|null byte|Not a directory"
        ):
            action(source)


def test_only_apps_reads_folders(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="is a folder; name the file in it"):
        read(tmp_path)


def tree(root: Path, **files: bytes) -> Path:
    folder = root / "test" / "0001"
    folder.mkdir(parents=True)
    (folder / "question.txt").write_bytes(b"?")
    for name, content in files.items():
        (folder / f"{name}.{'txt' if name == 'question' else 'py' if name == 'starter_code' else 'json'}").write_bytes(
            content
        )
    return folder


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"question": b"caf\xe9"}, r"0001: cannot be read: question\.txt: byte 4 is not UTF-8"),
        ({"metadata": b"{"}, r"0001: cannot be read: metadata\.json: Expecting"),
        ({"metadata": b"[]"}, r"metadata\.json must contain an object"),
        ({"solutions": b"{"}, "0001, field solutions: '{'; expected data, or JSON text"),
        ({"solutions": b'["\\ud83d"]'}, "0001, field solutions: contains the lone surrogate"),
        ({"input_output": b'{"inputs": ["1"]}'}, "0001, field input_output: .*two lists of equal length"),
    ],
)
def test_broken_files_of_a_tree_are_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    tree(tmp_path, **files)
    with pytest.raises(ProblemError, match=message):
        read(tmp_path, "apps")


def test_pipes_and_folders_in_a_tree_are_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    os.mkfifo(folder / "solutions.json")
    with pytest.raises(ProblemError, match=r"solutions\.json is not a regular file"):
        read(tmp_path, "apps")
    (folder / "solutions.json").unlink()
    (folder / "question.txt").unlink()
    (folder / "question.txt").mkdir()
    with pytest.raises(ProblemError, match=r"question\.txt is not a regular file"):
        read(tmp_path, "apps")


def test_trees_with_byte_order_marks_and_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = tree(tmp_path, question="\ufeffWhy?".encode(), solutions=b'\xef\xbb\xbf["print(1)"]')
    assert read(tmp_path, "apps").problems[0].question == "Why?"
    assert read(tmp_path, "apps").problems[0].solutions == ("print(1)",)
    folder.rename(folder.with_name(os.fsdecode(b"\xff\n1")))
    source = FileSource(reader="apps", path=str(tmp_path))
    assert problems.ReadSettings.of(source).content
    with pytest.raises(ProblemError, match=r"\\udcff\\n1, field problem_id: contains the lone surrogate") as caught:
        problems.read(source)
    str(caught.value).encode()
