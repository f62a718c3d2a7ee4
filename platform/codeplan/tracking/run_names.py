"""Names that tell runs apart at a glance: the configuration's name, and what differs from its base."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from codeplan.config import TASKS
from codeplan.tracking import names

READABLE = 100
"""Characters of a run's name that a list of runs shows."""
_VALUE = 24
_CANNOT_DIFFER = frozenset({"execution", "tracking", "name"})
"""Sections that change no result, and the name itself."""


def run_name(name: str, differs: Mapping[str, Any]) -> str:
    """For example ``demo plans=3 mixing=1:1:1``; the same settings give the same name.

    Args:
        name: the configuration's name.
        differs: the settings in which the run differs from its base, by ``section.key``.
    """
    shown = {key: value for key, value in differs.items() if key.partition(".")[0] not in _CANNOT_DIFFER}
    parts = [f"{short}={_short(value)}" for short, value in zip(short_keys(shown), shown.values(), strict=True)]
    fitting = len(parts)
    while fitting > 1 and len(" ".join([name, *parts[:fitting]])) > READABLE:
        fitting -= 1
    more = [f"+{len(parts) - fitting}"] if fitting < len(parts) else []
    return names.label(" ".join([name, *parts[:fitting], *more]), names.RUN_NAME_LENGTH)


def short_keys(keys: Iterable[str]) -> list[str]:
    """Keys by their last part where that is enough, else by their last two: ``plans``, but ``train.path``."""
    keys = list(keys)
    uses = Counter(key.rpartition(".")[2] for key in keys)
    lasts = [key.rpartition(".")[2] for key in keys]
    return [
        last if uses[last] == 1 and last not in TASKS else ".".join(key.split(".")[-2:])
        for key, last in zip(keys, lasts, strict=True)
    ]


def _short(value: Any) -> str:
    """A value in a name: a ratio over tasks as ``1:1:0``, a path by its last part."""
    if isinstance(value, Mapping):
        if value and set(value) <= set(TASKS):
            return ":".join(_short(value.get(task, 0)) for task in TASKS)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace('"', "")[:_VALUE]
    if isinstance(value, list | tuple):
        return ",".join(map(_short, value))[:_VALUE]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return str(value).rstrip("/").rpartition("/")[2][:_VALUE]
