"""A runtime environment as it is written: a YAML file, whose fields that decide what travels are checked here.

Ray checks the others when a job is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from codeplan.errors import one_line
from codeplan.submission.errors import SubmissionError


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_variables(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, [*value, *value.values()]))


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "working_dir": (_is_text, "a folder's path, as in working_dir: ."),
    "py_modules": (_are_texts, "a list of paths, as in py_modules: [src/mine]"),
    "excludes": (_are_texts, "a list of patterns, as in excludes: ['*.csv']"),
    "env_vars": (_are_variables, "a mapping of names to texts, with numbers and true or false quoted, as in {A: '1'}"),
}
"""What a field must be, and how to say so."""


def read_runtime_env(path: Path, root: Path) -> dict[str, Any]:
    """Read a runtime environment, without its empty fields.

    Args:
        path: a YAML file.
        root: the folder that paths in it are relative to.

    Raises:
        SubmissionError: the file cannot be read, or a field is not what it must be; no value of ``env_vars`` is shown.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise SubmissionError(f"the runtime environment {path} cannot be read: {reason}") from error
    if not isinstance(plain, dict) or not _are_texts(list(plain)):
        raise SubmissionError(f"the runtime environment {path} must be a mapping, such as cluster/runtime_env.yaml")
    plain = {field: value for field, value in plain.items() if value is not None}
    for field, (is_valid, what) in _FIELDS.items():
        if field in plain and not is_valid(plain[field]):
            raise SubmissionError(f"{field} in {path} must be {what}")
    _check_working_dir(plain.get("working_dir", ""), path, root)
    return plain


def _check_working_dir(working_dir: str, path: Path, root: Path) -> None:
    if "://" in working_dir or working_dir.endswith(".zip"):
        raise SubmissionError(
            f"working_dir in {path} is {working_dir}, to which no configuration can be added; name a folder, or use "
            "ray job submit"
        )
    if working_dir and not (root / working_dir).is_dir():
        fault = "a file" if (root / working_dir).exists() else "missing"
        raise SubmissionError(
            f"working_dir in {path} is {one_line(working_dir, 120)}, which is {fault}; name a folder, relative to "
            "the current one"
        )
