"""YAML for configurations: the scalars of YAML 1.2's core schema, no duplicate keys, and errors in one line.

PyYAML reads YAML 1.1, where ``1e-6`` is a string, ``no`` is false, ``010`` is eight and ``1:30`` is ninety. Here
numbers are numbers, only ``true`` and ``false`` are booleans, and dates are strings (YAML 1.2.2, section 10.3.2). A
duplicate key is an error, where PyYAML silently drops the first. Merge keys (``<<``) of YAML 1.1 still work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from codeplan.errors import UserError, one_line

Scalar = str | int | float | bool | None

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_CORE: tuple[tuple[str, str, str], ...] = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN", "-+."),
    ("merge", r"<<", "<"),
)
_INT_LIMIT = 2**63
_MAX_DEPTH = 32
_MAX_NODES = 100_000
"""Aliases are expanded, so a file of ten lines can contain a billion nodes."""


class YamlError(UserError, ValueError):
    """Text that is not YAML, or that no configuration may contain; the message says where, in one line."""


class _Composer(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2; only its nodes are used, never its constructors."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML keeps this table on the class


for _name, _pattern, _first in _CORE:
    _starts = [*_first, ""] if _name == "null" else list(_first)
    _Composer.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), _starts)


def read_yaml(text: str | bytes) -> Any:
    """The single document of a YAML text as plain dicts, lists, strings, numbers, booleans and None.

    Args:
        text: bytes may be UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        YamlError: the text is not YAML, or contains more than one document, a duplicate key, a key that is not a
            string, a tag, an integer beyond 64 bits, or more than 32 levels or 100,000 values.
    """
    try:
        node = yaml.compose(text, Loader=_Composer)
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"{_line(error.problem_mark)}{error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise YamlError(_encoding_error(error)) from error
    except RecursionError as error:
        raise YamlError(f"nested more than {_MAX_DEPTH} levels deep") from error
    except (yaml.YAMLError, ValueError, OverflowError, UnicodeError) as error:
        raise YamlError(one_line(error)) from error
    return _Converter().convert(node, (), 0) if node is not None else None


class _Converter:
    """Converts PyYAML's nodes to plain values, and counts them."""

    def __init__(self) -> None:
        self._nodes = 0

    def convert(self, node: yaml.Node, path: tuple[str, ...], depth: int) -> Any:
        """The plain value of a node; ``path`` names it in messages."""
        self._nodes += 1
        if depth > _MAX_DEPTH:
            raise YamlError(f"{_line(node.start_mark)}{_key(path)}: nested more than {_MAX_DEPTH} levels deep")
        if self._nodes > _MAX_NODES:
            raise YamlError(
                f"{_line(node.start_mark)}{_key(path)}: more than {_MAX_NODES:,} values after expanding aliases"
            )
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.convert(item, (*path, str(index)), depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, depth)
        raise _unsupported_tag(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...], depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, yaml.Mark] = {}
        for key_node, value_node in node.value:
            is_merge = key_node.tag == _MERGE
            key = "<<" if is_merge else _mapping_key(key_node, path)
            if key in lines:
                first, second = lines[key].line + 1, key_node.start_mark.line + 1
                where = f"in lines {first} and {second}" if first != second else f"in line {first}"
                raise YamlError(f"duplicate key {_key((*path, key))} {where}; keep one of them")
            lines[key] = key_node.start_mark
            if is_merge:
                merged = self._merged(value_node, path, depth)
            else:
                own[key] = self.convert(value_node, (*path, key), depth + 1)
        return merged | own

    def _merged(self, node: yaml.Node, path: tuple[str, ...], depth: int) -> dict[str, Any]:
        """What ``<<`` adds: of several mappings the first one wins."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise YamlError(
                    f"{_line(part.start_mark)}{_key((*path, '<<'))} must be a mapping or a list of mappings"
                )
            merged = self.convert(part, path, depth + 1) | merged
        return merged


def _scalar(node: yaml.ScalarNode, path: tuple[str, ...]) -> Scalar:
    reader = _SCALARS.get(node.tag)
    if reader is None:
        raise _unsupported_tag(node, path)
    try:
        return reader(node.value)
    except (ValueError, KeyError) as error:
        reason = str(error) if isinstance(error, _ScalarError) else f"not a value of type {node.tag.split(':')[-1]}"
        raise YamlError(f"{_line(node.start_mark)}{_key(path)}: {one_line(node.value, 40)!r}: {reason}") from error


class _ScalarError(ValueError):
    pass


def _string(value: str) -> str:
    if "\0" in value:
        raise _ScalarError("contains a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _ScalarError("contains an unpaired surrogate") from error
    return value


def _integer(value: str) -> int:
    digits = value.lstrip("+-")
    if len(digits) > 100:
        raise _ScalarError("integers must fit into 64 bits")
    base = {"0o": 8, "0x": 16}.get(digits[:2], 10)
    number = int(value, base)
    if not -_INT_LIMIT <= number < _INT_LIMIT:
        raise _ScalarError("integers must fit into 64 bits")
    return number


def _number(value: str) -> float:
    plain = value.lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Mapping[str, Callable[[str], Scalar]] = {
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda value: {"true": True, "false": False}[value.lower()],
    f"{_TAG}int": _integer,
    f"{_TAG}float": _number,
    f"{_TAG}str": _string,
    _MERGE: _string,
}


def _mapping_key(node: yaml.Node, path: tuple[str, ...]) -> str:
    if isinstance(node, yaml.ScalarNode):
        key = _scalar(node, path)
        if isinstance(key, str):
            return key
        raise YamlError(
            f"{_line(node.start_mark)}{_key(path)}: key {one_line(node.value, 40)!r} is not a string; quote it"
        )
    raise YamlError(f"{_line(node.start_mark)}{_key(path)}: a key must be a string, not a list or a mapping")


def _unsupported_tag(node: yaml.Node, path: tuple[str, ...]) -> YamlError:
    tag = one_line(node.tag.replace(_TAG, "!!"), 60)
    return YamlError(f"{_line(node.start_mark)}{_key(path)}: tag {tag} is not supported; use a plain value")


def _encoding_error(error: yaml.reader.ReaderError) -> str:
    character = error.character if isinstance(error.character, int) else ord(error.character[:1] or b"\0")
    return (
        f"character {error.position}: byte or character {character:#04x} is not allowed ({error.reason}); "
        "save the file as UTF-8"
    )


def _line(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""


def _key(path: tuple[str, ...]) -> str:
    return one_line(".".join(path), 80) if path else "top level"
