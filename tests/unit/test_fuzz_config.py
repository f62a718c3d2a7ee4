"""Random text as a configuration or an override: loads, or raises a one-line ConfigError that says where."""

from __future__ import annotations

import copy
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codeplan.config import Config
from codeplan.config.loading import ConfigError, load, parse

pytestmark = pytest.mark.fuzz
EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 60

ROOT = Path(__file__).parents[2]
SHIPPED = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "jobs" / "configs").glob("*.yaml"))]
MAX_MESSAGE = 1500

PLAIN = "1e-6 1e3 5E-5 .5e1 1_000 0o17 08 no on 1:30 2024-01-01 .nan -.inf 1e999 true ~ '' -1 0 << | %TAG @ ` *a"
SCALARS = st.sampled_from(
    [
        *PLAIN.split(),
        *(
            "9" * 30,
            "9" * 5000,
            "!!binary aGk=",
            "!!python/name:os.system",
            "&a [*a]",
            "!x y",
            "[[[[]]]]",
            "{a: 1, a: 2}",
        ),
        *("{<<: 3}", "'\\x00'", '"\\ud800"', '"\\0"', "\t"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def loaded(content: bytes, overrides: list[str], name: str = "config.yaml") -> Config | str:
    """The configuration, or the message of its error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return load(path, overrides)
        except ConfigError as error:
            return str(error)


def check(outcome: Config | str) -> None:
    if isinstance(outcome, Config):
        outcome.model_dump_json()
        assert all(math.isfinite(number) for number in numbers(outcome.model_dump()))
        return
    assert outcome.isprintable(), "one line, without control characters or unpaired surrogates"
    assert len(outcome) < MAX_MESSAGE
    assert re.match(r"configuration |cannot read configuration |override |.*config\.yaml: ", outcome)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"\xff\xfe")
@example(b"a: \x00")
@example(b"[" * 10_000)
@example(b"? " * 10_000)
@example(b"- " * 10_000)
@example(b"a: &a [*a, *a]")
@example(b"\xef\xbb\xbf")
def test_random_bytes_load_or_raise_a_config_error(content: bytes) -> None:
    check(loaded(content, []))


@st.composite
def edited_text(draw: st.DrawFn) -> bytes:
    """A shipped configuration with a few pieces deleted, duplicated or overwritten."""
    text = draw(st.sampled_from(SHIPPED))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(
            SCALARS | st.text(max_size=5) | st.just(text[start:end] * 2) | st.sampled_from(["\n", ":", " - ", "{"])
        )
        text = text[:start] + piece + text[end:]
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=EXAMPLES, deadline=None)
@given(edited_text())
def test_edited_configuration_loads_or_raises_a_config_error(content: bytes) -> None:
    check(loaded(content, []))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A shipped configuration with a value replaced, removed or added at any depth."""
    plain = yaml.safe_load(draw(st.sampled_from(SHIPPED)))
    for _ in range(draw(st.integers(1, 3))):
        section = plain
        while True:
            key = draw(st.sampled_from(sorted(section)) if section else st.text(max_size=5))
            if not isinstance(section.get(key), dict) or draw(st.booleans()):
                break
            section = section[key]
        if draw(st.integers(0, 3)) == 0:
            section.pop(key, None)
        else:
            section[draw(st.just(key) | st.text(max_size=5))] = draw(VALUES)
    return plain


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated())
def test_mutated_configuration_parses_or_raises_a_config_error(plain: dict[str, Any]) -> None:
    before = copy.deepcopy(plain)
    try:
        check(parse(plain, where="config.yaml"))
    except ConfigError as error:
        check(str(error))
    assert repr(plain) == repr(before), "the input is not modified"


KEY_NAMES = (
    "training.learning_rate student.architecture student.architecture.d_model problems.train problems.test.path "
    "report.pass_k report.pass_k.0 training.mixing name execution teacher.seed a..b . <<"
)
KEYS = st.sampled_from([*KEY_NAMES.split(), ""])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(
        st.builds(lambda key, equals, value: f"{key}{equals}{value}", KEYS, st.sampled_from(["=", "", " = "]), SCALARS)
        | st.builds(lambda key, value: f"{key}={value!r}", KEYS, VALUES)
        | st.text(max_size=30),
        max_size=3,
    )
)
@example(["training.steps=\udcff"])
@example(["student.architecture=" + "[" * 5000])
@example(["a" * 5000 + "=1"])
def test_random_overrides_apply_or_raise_a_config_error(overrides: list[str]) -> None:
    check(loaded(SHIPPED[2].encode(), overrides))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.binary(min_size=1, max_size=40).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"").replace(b"/", b"") or b"x"))
)
@example("a\nb")
@example("\udcff.yaml")
@example("[bold]")
@example(" ")
def test_configuration_with_any_file_name(name: str) -> None:
    if name in {".", ".."}:
        name = "dots"
    assert isinstance(loaded(SHIPPED[2].encode(), [], name), Config)
    broken = loaded(b"a: [", [], name)
    assert isinstance(broken, str)
    assert broken.isprintable()
