"""What files people have: encodings, line ends, arrays, other formats, and what is no file at all."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems, records
from codeplan.config import FileSource
from codeplan.problems import ProblemError, Reading
from codeplan.records import Problem


def plain(number: int, **changes: Any) -> dict[str, Any]:
    fixed = {"problem_id": f"mine/test/{number}", "dataset": "mine", "split": "test", "level": "x", "question": "?"}
    return {**fixed, **changes}


def read(path: Path, reader: Any = "jsonl", **settings: Any) -> Reading:
    return problems.read(FileSource(reader=reader, path=str(path), **settings))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(reading: Reading) -> list[str]:
    return [problem.problem_id.rpartition("/")[2] for problem in reading.problems]


ROWS = [json.dumps(plain(number)) for number in range(3)]
READABLE = {
    "one object a line": "\n".join(ROWS),
    "CRLF line ends": "\r\n".join(ROWS) + "\r\n",
    "blank lines": "\n\n  \n" + "\n\n".join(ROWS),
    "a byte order mark": "\ufeff" + "\n".join(ROWS),
    "a byte order mark in each part": "\n".join("\ufeff" + row for row in ROWS),
    "an array on one line": f"[{', '.join(ROWS)}]",
    "an array with one object a line": "[\n" + ",\n".join(ROWS) + "\n]\n",
    "an array, pretty-printed": json.dumps([json.loads(row) for row in ROWS], indent=2),
    "a gzip under another name": gzip.compress("\n".join(ROWS).encode()),
    "two gzips behind each other": gzip.compress((ROWS[0] + "\n").encode())
    + gzip.compress("\n".join(ROWS[1:]).encode()),
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_files_of_rows_are_read(tmp_path: Path, content: str | bytes) -> None:
    reading = read(write(tmp_path / "a.jsonl", content))
    assert ids(reading) == ["0", "1", "2"]
    assert reading.account.rows_in == 3


def test_a_name_that_promises_gzip_promises_nothing(tmp_path: Path) -> None:
    assert ids(read(write(tmp_path / "a.jsonl.gz", "\n".join(ROWS)))) == ["0", "1", "2"]


def test_only_line_feeds_end_rows(tmp_path: Path) -> None:
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
        r"line 1: .*byte \d+ is no UTF-8",
    ),
    "encoded surrogates": (b'{"question": "\xed\xa0\x80"}', r"line 1: .*is no UTF-8"),
    "a table of columns, printed": (json.dumps({"question": ["?"]}, indent=1), "line 1: .*expected one JSON object"),
    "an array cut off": (
        "[\n" + ",\n".join(ROWS),
        "line 1: cannot be read: a JSON array begins here .*expected one JSON",
    ),
    "an array of texts": ('["a", "b"]', "item 1: a row must be a JSON object, not str"),
    "a key twice": ('{"question": "a", "question": "b"}', "line 1: .*key 'question' stands twice"),
    "endless nesting": ('{"question": ' + "[" * 100_000, "line 1: .*nested too deeply"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ProblemError, match=rf"a\.jsonl.*{message}") as caught:
        read(write(tmp_path / "a.jsonl", content))
    assert "\n" not in str(caught.value)


def test_a_first_row_that_is_a_list_does_not_hide_the_others(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "a.jsonl", "\n".join(["[1]", *ROWS])), skip_bad=True)
    assert (ids(reading), dict(reading.account.losses)) == (["0", "1", "2"], {"broken": 1})


def test_where_every_row_is_broken_the_first_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"and 2 broken rows; .*the first broken row: .*line 1, field text: missing"):
        read(write(tmp_path / "a.jsonl", '{"task_id": 1, "test_list": ["a"]}\n{}'), "mbpp", skip_bad=True)


@pytest.mark.parametrize("reader", ["jsonl", "apps"])
@pytest.mark.parametrize("kind", ["pipe", "loop", "gone", "long", "nul", "below"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, reader: str, kind: str) -> None:
    path = tmp_path / {"long": "x" * 400, "nul": "a\0b"}.get(kind, kind)
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "loop":
        path.symlink_to(path)
    if kind == "below":
        path = write(tmp_path / "file", "{}") / "a.jsonl"
    source = FileSource(reader=reader, path=str(path))
    for action in (problems.read, problems.identity):
        with pytest.raises(
            ProblemError, match=r"pipe|symbolic links|no such file|name too long|null byte|Not a directory"
        ):
            action(source)


def test_a_folder_is_for_apps(tmp_path: Path) -> None:
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
        ({"question": b"caf\xe9"}, r"0001: cannot be read: question\.txt: byte 4 is no UTF-8"),
        ({"metadata": b"{"}, r"0001: cannot be read: metadata\.json: Expecting"),
        ({"metadata": b"[]"}, r"metadata\.json must hold an object"),
        ({"solutions": b"{"}, "0001, field solutions: '{'; expected data, or JSON text"),
        ({"solutions": b'["\\ud83d"]'}, "0001, field solutions: holds half a character"),
        ({"input_output": b'{"inputs": ["1"]}'}, "0001, field input_output: .*two lists of one length"),
    ],
)
def test_broken_files_of_a_tree_are_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    tree(tmp_path, **files)
    with pytest.raises(ProblemError, match=message):
        read(tmp_path, "apps")


def test_a_tree_with_pipes_and_folders_for_files_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    os.mkfifo(folder / "solutions.json")
    with pytest.raises(ProblemError, match=r"solutions\.json is not a regular file"):
        read(tmp_path, "apps")
    (folder / "solutions.json").unlink()
    (folder / "question.txt").unlink()
    (folder / "question.txt").mkdir()
    with pytest.raises(ProblemError, match=r"question\.txt is not a regular file"):
        read(tmp_path, "apps")


def test_a_tree_may_begin_with_a_byte_order_mark_and_hold_odd_names(tmp_path: Path) -> None:
    folder = tree(tmp_path, question="\ufeffWhy?".encode(), solutions=b'\xef\xbb\xbf["print(1)"]')
    assert read(tmp_path, "apps").problems[0].question == "Why?"
    assert read(tmp_path, "apps").problems[0].solutions == ("print(1)",)
    folder.rename(folder.with_name(os.fsdecode(b"\xff\n1")))
    source = FileSource(reader="apps", path=str(tmp_path))
    assert problems.identity(source)["content"]
    with pytest.raises(ProblemError, match=r"\\udcff\\n1, field problem_id: holds half a character") as caught:
        problems.read(source)
    str(caught.value).encode()


# Half characters, deep nesting, long numbers

HALF = "a \ud83d b"
CASE = {"input": "1\n", "output": "2\n"}
CALL = {"kind": "call", "entry_point": "f"}


@pytest.mark.parametrize(
    "changes",
    [
        {"question": HALF},
        {"starter_code": HALF},
        {"level": HALF},
        {"problem_id": f"mine/test/{HALF}"},
        {"solutions": ["print(1)", HALF]},
        {"solutions": json.dumps([HALF])},
        {"hidden_tests": {"kind": "stdin", "cases": [{**CASE, "input": HALF}]}},
        {"hidden_tests": {"kind": "stdin", "cases": [{**CASE, "output": HALF}]}},
        {"example_tests": {**CALL, "cases": [{"args": [[{HALF: 1}]], "expected": 1}]}},
        {"example_tests": {**CALL, "cases": [{"args": [], "expected": ["\udc80"]}]}},
        {"hidden_tests": json.dumps({"kind": "assert", "tests": [HALF]})},
        {"hidden_tests": {"kind": "assert", "tests": ["f()"], "setup": HALF}},
    ],
)
def test_half_characters_are_refused_with_their_field(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", "\n".join([*ROWS, json.dumps(plain(3, **changes))]))
    field = next(iter(changes))
    with pytest.raises(ProblemError, match=rf"a\.jsonl, line 4, field {field}: holds half a character") as caught:
        read(path)
    str(caught.value).encode()
    assert ids(read(path, skip_bad=True)) == ["0", "1", "2"]


def test_pairs_of_surrogates_are_whole_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps(plain(0, question="😀")))
    assert b"\\ud83d" in path.read_bytes()
    assert read(path).problems[0].question == "😀"


def test_fields_that_nobody_reads_may_hold_anything(tmp_path: Path) -> None:
    row = {
        "task_id": 1,
        "text": "?",
        "test_list": ["assert f()"],
        "note": HALF,
        "deep": json.loads("[" * 300 + "]" * 300),
    }
    assert len(read(write(tmp_path / "a.jsonl", json.dumps(row)), "mbpp").problems) == 1


def test_what_is_nested_too_deeply_to_be_judged_is_refused(tmp_path: Path) -> None:
    deep = {**CALL, "cases": [{"args": [json.loads("[" * 190 + "]" * 190)], "expected": 1}]}
    deeper = {**CALL, "cases": [{"args": [json.loads("[" * 300 + "]" * 300)], "expected": 1}]}
    reading = read(write(tmp_path / "a.jsonl", json.dumps(plain(0, hidden_tests=deep))))
    records.write(tmp_path / "p", Problem, reading.problems)
    assert records.read(Problem, tmp_path / "p") == reading.problems
    with pytest.raises(ProblemError, match="line 1, field hidden_tests: holds lists and objects nested more than 200"):
        read(write(tmp_path / "a.jsonl", json.dumps(plain(0, hidden_tests=deeper))))


def test_long_numbers_are_kept_through_records(tmp_path: Path) -> None:
    long = "9" * 5000
    tests = f'{{"fn_name": "f", "inputs": [[{long}]], "outputs": [-{long}]}}'
    lines = {"inputs": [f"{long}\n"], "outputs": [f"{long}\n"]}
    rows = [
        f'{{"problem_id": 1, "question": "?", "input_output": {tests}}}',
        json.dumps({"problem_id": 2, "question": "?", "input_output": tests}),
        f'{{"problem_id": 3, "question": "?", "input_output": {{"inputs": [[{long}, 1]], "outputs": [{long}]}}}}',
        json.dumps({"problem_id": 4, "question": "?", "input_output": lines}),
    ]
    read_ = read(write(tmp_path / "a.jsonl", "\n".join(rows)), "apps").problems
    records.write(tmp_path / "p", Problem, read_)
    kept = [problem.hidden_tests for problem in records.read(Problem, tmp_path / "p")]
    assert [suite.to_json() for suite in kept if suite] == [p.hidden_tests.to_json() for p in read_ if p.hidden_tests]
    assert kept[0] == kept[1]
    assert kept[0] is not None
    assert kept[0].cases[0].args == (10**5000 - 1,)
    assert kept[0].cases[0].expected == 1 - 10**5000
    assert kept[2] is not None
    assert kept[2].cases[0].input == f"{long}\n1"


def test_messages_show_long_numbers_shortly(tmp_path: Path) -> None:
    row = f'{{"problem_id": 1, "question": {"7" * 5000}}}'
    with pytest.raises(ProblemError, match="field question: <an integer of 16610 bits>; expected text"):
        read(write(tmp_path / "a.jsonl", row), "apps")


def test_a_number_that_no_float_holds_is_no_line_of_a_test(tmp_path: Path) -> None:
    row = '{"problem_id": 1, "question": "?", "input_output": {"inputs": [1e400], "outputs": ["1"]}}'
    with pytest.raises(ProblemError, match=r"field input_output: .*inputs and outputs that are text"):
        read(write(tmp_path / "a.jsonl", row), "apps")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("普及+/提高", "普及+/提高"),
        (" Div. 2\n(A) ", "div. 2 (a)"),
        ("İSTANBUL ß ẞ", "İstanbul ß ẞ"),
        (1500, "1500"),
        (1500.0, "1500"),
        (2.5, "2.5"),
        (None, "mine"),
        ("", "mine"),
    ],
)
def test_levels_are_any_text_or_number(tmp_path: Path, level: Any, expected: str) -> None:
    assert read(write(tmp_path / "a.jsonl", json.dumps(plain(0, level=level)))).problems[0].level == expected
