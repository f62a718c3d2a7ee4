"""Model folders with damaged files: findings, or one StudentError in one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeplan.config import StudentConfig
from codeplan.records import Problem
from codeplan.student.errors import StudentError
from codeplan.student.fitness import check_built_student
from codeplan.student.model import build_student, load_student, save_student

pytestmark = pytest.mark.fuzz
EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 60

FolderOf = Callable[[str, str], Path]
PROBLEMS = [
    Problem(
        problem_id="d/s/0",
        dataset="d",
        split="s",
        level="l",
        question="Add one.\nPrint it.",
        solutions=("n = int(input())\nif n:\n    print({'a': n + 1})",),
    )
]
SETTINGS = ["config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json"]
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 7, 16, 100, 2**40, 2**63, 10**30, 0.5, -1.0, 1e-6])
WORDS = st.sampled_from(
    ["", "t5", "gpt2", "bert", "auto", "float16", "</s>", "<pad>", "\ud800", "\x00", "a\nb", "../x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


def check(folder: Path) -> None:
    try:
        student = build_student(StudentConfig(model=str(folder)), [])
        fitness = check_built_student(student, PROBLEMS)
        messages = [finding.message for finding in fitness.findings]
        if not fitness.errors:
            saved = folder.with_name("saved")
            shutil.rmtree(saved, ignore_errors=True)
            save_student(student, saved)
            again = check_built_student(load_student(saved), PROBLEMS)
            assert again == fitness, "a student that is fit is as fit when it is read back"
    except StudentError as error:
        messages = [str(error)]
    for message in messages:
        assert message.isprintable(), "one line, without control characters or halves of characters"
        assert 10 < len(message) < 1000


@pytest.fixture(params=["t5", "gpt2"])
def sound(request: pytest.FixtureRequest, model_folder: FolderOf) -> Path:
    return model_folder("gpt2", request.param)


def damaged(sound: Path) -> Path:
    copy = sound.with_name("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sound, copy)
    return copy


def mutate(data: st.DataObject, value: Any) -> Any:
    """The value with one position in it, at any depth, replaced, removed or doubled."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 4)) == 0:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: mutate(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        position = data.draw(st.integers(0, len(value) - 1))
        changed = data.draw(st.sampled_from([[], [value[position]] * 2, [mutate(data, value[position])]]))
        return [*value[:position], *changed, *value[position + 1 :]]
    return data.draw(VALUES)


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_settings_with_changed_values_are_checked_or_explained(sound: Path, data: st.DataObject) -> None:
    folder = damaged(sound)
    for _ in range(data.draw(st.integers(1, 2))):
        path = folder / data.draw(st.sampled_from(SETTINGS))
        path.write_text(json.dumps(mutate(data, json.loads(path.read_text()))), encoding="utf-8")
    check(folder)


@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_files_that_are_cut_overwritten_or_missing_are_explained(sound: Path, data: st.DataObject) -> None:
    folder = damaged(sound)
    path = folder / data.draw(st.sampled_from([*SETTINGS, "model.safetensors"]))
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content)) | st.integers(0, 400))
    match data.draw(st.sampled_from(["cut", "overwrite", "insert", "missing", "folder"])):
        case "cut":
            path.write_bytes(content[:position])
        case "overwrite":
            piece = data.draw(st.binary(min_size=1, max_size=8))
            path.write_bytes(content[:position] + piece + content[position + len(piece) :])
        case "insert":
            path.write_bytes(content[:position] + data.draw(st.binary(min_size=1, max_size=8)) + content[position:])
        case "missing":
            path.unlink()
        case _:
            path.unlink()
            path.mkdir()
    check(folder)
