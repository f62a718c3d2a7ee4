"""Names and values as MLflow accepts them. Valid ones are left as they are.

A name that had to be changed ends with a short hash of the original, so that two names never collide. The limits are
those of `mlflow.utils.validation`.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

KEY_LENGTH = 250
RUN_NAME_LENGTH = 250
DATASET_NAME_LENGTH = 500
EXPERIMENT_NAME_LENGTH = 500
PARAM_LENGTH = 6000
TAG_LENGTH = 5000  # MLflow accepts 8,000, and its UI shows less

_NOT_IN_KEYS = re.compile(r"[^/\w.\- :]+")  # \w includes the letters of all scripts
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def key(name: str) -> str:
    """The name of a metric, parameter or tag."""
    valid = _NOT_IN_KEYS.sub("_", name)
    # MLflow may use a key as a path, and rejects one that is not in normal form.
    parts = [f"_{part}" if part in {".", ".."} else part for part in valid.split("/") if part]
    return _distinct("/".join(parts), name, KEY_LENGTH)


def file_name(name: str) -> str:
    """The name of an artifact, or of a folder of artifacts; ``/`` separates folders."""
    parts = [re.sub(r"[^\w.\- ]+", "_", part) for part in name.split("/") if part]
    safe = "/".join(f"_{part}" if part.strip(". ") == "" else part for part in parts)
    if safe == name and all(len(part.encode()) <= 200 for part in parts):
        return name
    stem, suffix = posixpath.splitext(safe)
    return _distinct(stem[-100:], name, 120) + suffix[:20]  # the UI selects a viewer by the suffix


def label(name: str, length: int) -> str:
    """A display name, such as that of an experiment, a run or a data set."""
    return _distinct(_CONTROL.sub(" ", text(name)).strip(), name, length)


def text(value: str, length: int | None = None) -> str:
    """Text that every database accepts: no NUL, no unpaired surrogate, and at most ``length`` characters."""
    valid = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return valid if length is None or len(valid) <= length else valid[: length - 1] + "…"


def plain(value: Any) -> str:
    """A parameter's value as text: a string as it is, anything else as JSON (``true``, ``null``, ``[1, 3]``)."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def flatten(plain: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested sections as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{above}{name}."))
        else:
            flat[f"{above}{name}"] = value
    return flat


def _distinct(valid: str, name: str, length: int) -> str:
    if valid == name and 0 < len(valid) <= length:
        return valid
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{valid[: length - len(digest) - 1]}-{digest}" if valid else f"unnamed-{digest}"
