"""The extra list that many APPS problems put around the expected value of a call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_RETURNS_LIST = re.compile(r"->\s*(List|list)\b")


def unwrapped(expected: Sequence[Any], starter_code: str) -> list[Any]:
    """The expected values of a problem's hidden tests, without the list around each of them where there is one.

    It is taken to be there where every value is a list of one item, unless the signature says that the function
    returns a list and not every item is a list.
    """
    values = list(expected)
    if not all(isinstance(value, list) and len(value) == 1 for value in values):
        return values
    if _RETURNS_LIST.search(starter_code) and not all(isinstance(value[0], list) for value in values):
        return values
    return [value[0] for value in values]
