"""Which stages a changed key renews, found by changing it: ``python -m codeplan.renewal docs`` writes the reference.

The pipeline is built for an example configuration, and again with another value for one key; the roles whose
fingerprints differ are those that the key renews. So the table in docs/settings.md cannot say anything else than what
the code does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from codeplan.config import CODE_ONLY, Config
from codeplan.config.loading import parse
from codeplan.config.reference import sections, write_reference
from codeplan.errors import UserError
from codeplan.pipeline import build
from codeplan.stages.roles import role
from codeplan.teacher.prompts import PROMPTS

_COMMIT = "0123456789abcdef0123456789abcdef01234567"

_OTHERS: Mapping[str, Any] = {
    "training.mixing": {"code": 2, "plan": 1, "plan_code": 1},
    "training.weights": {"plan": 0.5},
    "training.batch_size": 64,
    "training.micro_batch_size": 8,
    "student.architecture": {"model_type": "t5", "d_model": 64},
    "student.revision": _COMMIT[::-1],
    "teacher.base_url": "https://llm.example.org/v1",
    "report.plan_counts": [2, 5],
    "report.pass_k": [1, 2],
    "teacher.prompt": "another",
    "problems.train.reader": "jsonl",
    "problems.test.reader": "jsonl",
    "problems.train.split": "test",
    "problems.test.split": "train",
    "execution.train_workers": 1,
    "execution.judge_labels": {"sandbox": "yes"},
    "training.earlier": [{"until": 10}],
    "baselines.code_only": ["steps"],
    "judging.packages": ["numpy"],
}
"""Other values for keys that take no value made up from their type."""

_TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "student.init": {
        "student.model": "organisation/model",
        "student.revision": _COMMIT,
        "student.architecture": {},
    },
}
"""What must change with a key that cannot be changed alone."""


def renewed_by_key() -> dict[str, list[str]]:
    """For every key of the configuration, the roles of the stages that run again when it changes."""
    with tempfile.TemporaryDirectory() as name, _another_prompt():
        examples = list(_examples(Path(name)))
        found: dict[str, list[str]] = {}
        for section in sections():
            for setting in section.settings:
                if setting.key.startswith("sweep.") or "[]" in setting.key:
                    found[setting.key] = []  # decides no stage, or is part of a key before it
                    continue
                changes = [_renewed(plain, setting.key) for plain in examples if _has(plain, setting.key)]
                possible = [roles for roles in changes if roles is not None]
                if not possible:
                    raise AssertionError(f"{setting.key} has no other value in any example")
                renewed = set().union(*possible)
                found[setting.key] = [role for role in _ROLES if role in renewed]
        return found


@contextmanager
def _another_prompt() -> Iterator[None]:
    """There is one prompt only; for the length of the block there is a second one."""
    PROMPTS["another"] = replace(PROMPTS["backward"], system="Explain.")
    try:
        yield
    finally:
        del PROMPTS["another"]


_BASES = ("student", "samples", "verdicts")
_STUDENTS = [role(base, code_only, repeat) for base in _BASES for repeat in (0, 1) for code_only in ("", *CODE_ONLY)]
_ROLES = ("train", "test", "plans", "oracle", "forward", *_STUDENTS, "report")


def _examples(folder: Path) -> Iterator[dict[str, Any]]:
    """Configurations in which every key means something: generated problems and files, a new student and a hub's, and
    plans that the budget decides.
    """
    generated = {
        "problems": {
            "train": {"reader": "miniapps", "split": "train", "count": 2, "held_out": "programs"},
            "test": {"reader": "miniapps", "split": "test", "count": 2},
        },
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
    }
    for number in (0, 1):
        (folder / f"{number}.jsonl").write_text(json.dumps({"number": number}))
    file = {"reader": "apps", "path": str(folder / "0.jsonl")}
    yield _whole(generated)
    yield _whole({**generated, "teacher": {"model": "m", "base_url": "https://llm.example.org/v1"}})
    for source in (file, {**file, "examples_path": str(folder / "0.jsonl")}):
        yield _whole(
            {
                "problems": {"train": {**source, "split": "train"}, "test": {**source, "split": "test"}},
                "teacher": {"allow_incomplete": True},
                "student": {"init": "pretrained", "model": "organisation/model", "revision": _COMMIT},
            }
        )


def _whole(plain: dict[str, Any]) -> dict[str, Any]:
    return parse(plain).model_dump(mode="json")


def _has(plain: Mapping[str, Any], key: str) -> bool:
    *parts, last = key.split(".")
    for part in parts:
        plain = plain[part]
    return last in plain


def _renewed(plain: dict[str, Any], key: str) -> set[str] | None:
    """The roles that another value renews; None where it is refused beside the other keys."""
    try:
        before, after = build(parse(plain)), build(parse(_changed(plain, key)))
    except UserError:
        return None
    return {
        role
        for role in {*before, *after}
        if role not in before or role not in after or before[role].fingerprint != after[role].fingerprint
    }


def _changed(plain: dict[str, Any], key: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(plain))
    section, last = _section(copy, key)
    section[last] = _OTHERS[key] if key in _OTHERS else _other(section[last], _annotation(key))
    for other, value in _TOGETHER.get(key, {}).items():
        section, last = _section(copy, other)
        section[last] = value
    return copy


def _section(plain: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *parts, last = key.split(".")
    for part in parts:
        plain = plain[part]
    return plain, last


def _annotation(key: str) -> Any:
    """The type of a key, without null."""
    model: Any = Config
    for part in key.split("."):
        models = [kind for kind in (model, *get_args(model)) if part in getattr(kind, "model_fields", {})]
        model = models[0].model_fields[part].annotation
    if get_origin(model) in {Union, UnionType}:
        (model,) = (kind for kind in get_args(model) if kind is not NoneType)
    return model


def _other(value: Any, annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return next(option for option in get_args(annotation) if option != value)
    if annotation is bool:
        return not value
    if annotation is int:
        return (value or 0) + 1
    if annotation is float:
        return (value or 1.0) / 2
    return value.replace("0.jsonl", "1.jsonl") if value.endswith("0.jsonl") else f"{value}x"


if __name__ == "__main__":
    write_reference(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), renewed_by_key())
