"""Whether a tokenizer reproduces texts: a student can only write what its tokenizer can.

T5's own tokenizer drops line breaks and indentation and has no token for ``{``, ``<`` and ``~``; others lower the case,
put spaces around punctuation, or normalise Unicode. A student with such a tokenizer trains without an error and
solves nothing.
"""

from __future__ import annotations

import ast
import string
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from codeplan.student.tasks import TokenLimits, clean, decode_target, encode_target

_NO_LIMIT = TokenLimits(source=2**31, plan_source=2**31, target=2**31)
_SHAPES = {
    "line breaks": "a\nb",
    "empty lines": "a\n\nb",
    "indentation": "if a:\n    b",
    "tabs": "a\tb",
    "runs of spaces": "a   b",
}


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What became of texts that were encoded and decoded again.

    Attributes:
        count: how many there were.
        changed: how many came back changed in any way, but for blank lines around them.
        broken: how many of these mean something else: another program, or a plan with other words.
        example: the first broken (or else changed) text where it differs, and what came back; empty where none did.
    """

    count: int
    changed: int
    broken: int
    example: str


def round_trip(texts: Iterable[str], tokenizer: Any, same: Callable[[str, str], bool]) -> RoundTrip:
    """Encode and decode texts as targets without a length limit.

    Args:
        texts: programs or plans.
        tokenizer: the student's tokenizer.
        same: whether two different texts mean the same; `same_program` or `same_words`.
    """
    count = changed = broken = 0
    example = ""
    for text in texts:
        before, after = clean(text), _back(text, tokenizer)
        count += 1
        if before == after:
            continue
        changed += 1
        harmful = not same(before, after)
        if (harmful and not broken) or not example:
            example = _first_difference(before, after)
        broken += harmful
    return RoundTrip(count, changed, broken, example)


def same_program(one: str, other: str) -> bool:
    """Whether two texts are the same Python program but for comments and layout; texts that do not parse are not."""
    first = _tree(one)
    return first is not None and first == _tree(other)


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in whitespace alone."""
    return one.split() == other.split()


def unwritable_text(tokenizer: Any) -> list[str]:
    """What the tokenizer cannot write, by name: kinds of whitespace, capital letters, and ASCII characters."""
    start = _back("a", tokenizer).removesuffix("a")
    missing = [f"the start of a text (adds {start!r})"] if start else []
    missing += [name for name, text in _SHAPES.items() if _back(text, tokenizer).removeprefix(start) != text]
    letters = [c for c in string.ascii_letters + string.digits if c not in _back(f"a{c}b", tokenizer)]
    capitals = [c for c in letters if c.isupper()]
    punctuation = [c for c in string.punctuation if c not in _back(f"a {c} b", tokenizer)]
    spaced = [
        c
        for c in string.punctuation
        if c not in punctuation and _back(f"a{c}b", tokenizer).removeprefix(start) != f"a{c}b"
    ]
    if len(capitals) > 13:
        missing.append("capital letters")
        letters = [c for c in letters if c not in capitals]
    if len(spaced) > 8:
        missing.append("text without spaces around punctuation")
    return missing + [repr(c) for c in [*letters, *punctuation]]


def _back(text: str, tokenizer: Any) -> str:
    ids = encode_target(text, tokenizer, _NO_LIMIT).ids
    return clean(decode_target(ids, tokenizer))


def _first_difference(before: str, after: str) -> str:
    """The two texts around the first position where they differ."""
    pairs = enumerate(zip(before, after, strict=False))
    position = next((number for number, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = max(0, position - 16)
    return f"{before[start : start + 40]!r} comes back as {after[start : start + 40]!r}"


def _tree(text: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
