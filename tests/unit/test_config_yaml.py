"""YAML of configurations: scalars of YAML 1.2, no duplicate keys, errors in one line."""

from __future__ import annotations

import math
from typing import Any

import pytest

from codeplan.config.yaml_reader import YamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1e3", 1000.0),
        ("5E-5", 5e-5),
        (".5e1", 5.0),
        ("1.", 1.0),
        ("-1.5e+3", -1500.0),
        ("0o17", 15),
        ("0x1F", 31),
        ("08", 8),
        ("017", 17),
        ("+3", 3),
        ("-.inf", -math.inf),
        ("1e999", math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("# nothing", None),
        ("'1e-6'", "1e-6"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars_of_the_core_schema(text: str, value: Any) -> None:
    got = read_yaml(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "Yes",
        "on",
        "OFF",
        "y",
        "1:30",
        "190:20:30",
        "2024-01-01",
        "1_000",
        "0b11",
        "=",
        ".",
        "e5",
        "1e",
        "nan",
        "inf",
    ],
)
def test_other_plain_scalars_are_strings(text: str) -> None:
    assert read_yaml(text) == text


def test_nan() -> None:
    assert math.isnan(read_yaml(".nan"))


def test_keys_that_yaml_1_1_reads_as_booleans_stay_strings() -> None:
    assert read_yaml("{on: 1, no: 2, y: 3}") == {"on": 1, "no": 2, "y": 3}


def test_anchors_are_copied_and_own_keys_override_merge_keys() -> None:
    text = "base: &b {x: 1, y: [1]}\none: {<<: *b, x: 2}\ntwo: {x: 3, <<: [{z: 1}, *b]}\n"
    read = read_yaml(text)
    assert read["one"] == {"x": 2, "y": [1]}
    assert read["two"] == {"x": 3, "y": [1], "z": 1}
    assert read["one"]["y"] is not read["base"]["y"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf_8_and_utf_16_with_and_without_byte_order_mark(encoding: str) -> None:
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    assert read_yaml((mark + "naïve: 漢字 😀\r\nb: 1\r\n").encode(encoding)) == {"naïve": "漢字 😀", "b": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", r"duplicate key b\.c in lines 3 and 5"),
        ("training: {}\nx: 1\ntraining: {}", r"duplicate key training in lines 1 and 3"),
        ("a: {b: 1, 'b': 2}", r"duplicate key a\.b in line 1"),
        ("a: [{b: 1}, {b: 1, b: 2}]", r"duplicate key a\.1\.b"),
        ("{<<: {a: 1}, <<: {b: 1}}", r"duplicate key <<"),
        ("1: x", r"line 1, column 1: top level: key '1' is not a string; quote it"),
        ("a: {true: x}", r"key 'true' is not a string"),
        ("a: {null: x}", r"key 'null' is not a string"),
        ("? [a]\n: 1", r"a key must be a string"),
        ("a: !!python/object/apply:os.system [ls]", r"a: tag !!python/object/apply:os\.system is not supported"),
        ("a: !!binary aGk=", r"tag !!binary is not supported"),
        ("a: !!set {b}", r"tag !!set"),
        ("a: !mine 3", r"tag !mine"),
        ("a: !!int x", r"'x': not a value of type int"),
        ("a: !!bool no", r"'no': not a value of type bool"),
        ("a: 9223372036854775808", r"a: '9223372036854775808': integers must fit into 64 bits"),
        (f"a: {'9' * 5000}", r"integers must fit into 64 bits"),
        ("a: 1\n---\nb: 2", r"line 2.*another document"),
        ("a:\n\tb: 1", r"line 2.*cannot start any token"),
        ("a: b: c", r"line 1.*mapping values are not allowed"),
        ("a: *nowhere", r"undefined alias"),
        ("<<: 3", r"<< must be a mapping"),
        ("a: &a [*a]", r"nested more than 32 levels"),
        ("[" * 200, r"nested more than 32 levels|expected the node"),
        ("[" * 50_000, r"nested more than 32 levels"),
        ('a: "\\ud83d"', r"contains an unpaired surrogate"),
        ('a: "\\0"', r"contains a NUL"),
        ("a: \0", r"save the file as UTF-8"),
        (b"a: \xff", r"save the file as UTF-8"),
        ("a: 1".encode("utf-16-le"), r"save the file as UTF-8"),
        (b"\xff\xfea", r"UTF-8|utf-16"),
    ],
)
def test_unreadable_yaml_is_explained_in_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(YamlError, match=message) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_billion_laughs_is_rejected() -> None:
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    with pytest.raises(YamlError, match="more than 100,000 values"):
        read_yaml(bomb)
