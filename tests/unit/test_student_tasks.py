"""Prompts and targets: one definition, and only the question's tail and the target's tail are ever cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.config import TASKS, Task, TrainingConfig
from codeplan.records import Problem
from codeplan.student.tasks import (
    DEFINITIONS,
    HEADINGS,
    PromptTooLongError,
    TokenLimits,
    clean,
    decode_target,
    encode_source,
    encode_target,
)
from codeplan.student.tokenizer import train_tokenizer

TEXTS = ["def solve(x):\n    if x:\n        return x + 12\n", "Add twelve to the number. Print it."] * 10
TOKENIZER = train_tokenizer(TEXTS, 360)
SPANNING = train_tokenizer(TEXTS, 360, "line")
PLAN = "1. Read x.\n2. Add one."
texts = st.text(st.characters(codec="utf-8"), max_size=80)


def problem(question: str, starter: str = "") -> Problem:
    return Problem(problem_id="p/1", dataset="d", split="train", level="l", question=question, starter_code=starter)


def prompt(task: Task, each: Problem, limit: int = 10_000) -> str:
    plan = PLAN if DEFINITIONS[task].follows_plan else ""
    return TOKENIZER.decode(encode_source(task, each, plan, TOKENIZER, TokenLimits(limit, limit, 50)).ids)


@pytest.mark.parametrize("task", TASKS)
def test_a_prompt_has_its_parts_in_order(task: Task) -> None:
    text = prompt(task, problem("Add one.", "def solve(x):"))
    definition = DEFINITIONS[task]
    parts = [definition.prefix, "Add one.", "def solve(x):", *([PLAN] if definition.follows_plan else [])]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)
    assert text.startswith(definition.prefix)
    assert text.endswith(definition.marker)


def test_tasks_of_one_problem_have_different_prompts() -> None:
    assert len({prompt(task, problem("Add one.")) for task in TASKS}) == len(TASKS)


@given(texts, texts, st.sampled_from(TASKS), st.integers(60, 200))
def test_only_the_tail_of_the_question_is_cut(question: str, starter: str, task: Task, limit: int) -> None:
    each = problem(question * 3, starter)
    plan = PLAN if DEFINITIONS[task].follows_plan else ""
    whole = encode_source(task, each, plan, TOKENIZER, TokenLimits(10_000, 10_000, 50))
    try:
        short = encode_source(task, each, plan, TOKENIZER, TokenLimits(limit, limit, 50))
    except PromptTooLongError as error:
        assert error.part in ("plan_too_long", "starter_code_too_long")  # noqa: PT017
        return
    assert len(short.ids) == min(limit, len(whole.ids))
    assert short.cut == len(whole.ids) - len(short.ids)
    # What is left is the whole prompt with one gap, and the gap ends where the question ends.
    same_start = next((n for n, (a, b) in enumerate(zip(short.ids, whole.ids, strict=False)) if a != b), len(short.ids))
    rest = len(short.ids) - same_start
    assert rest == 0 or short.ids[-rest:] == whole.ids[-rest:]
    ending = TOKENIZER.decode(short.ids)
    assert ending.endswith(clean(plan) + DEFINITIONS[task].marker)
    assert clean(starter) in ending


def test_a_prompt_too_long_says_which_part_is() -> None:
    with pytest.raises(PromptTooLongError, match=r"p/1: plan too long: .* the limit is 40"):
        encode_source("plan_code", problem("Q"), PLAN * 20, TOKENIZER, TokenLimits(500, 40, 50))
    with pytest.raises(PromptTooLongError, match=r"starter code too long"):
        encode_source("code", problem("Q", "x = 1\n" * 50), "", TOKENIZER, TokenLimits(40, 500, 50))


def test_a_plan_for_a_task_that_follows_none_is_refused() -> None:
    with pytest.raises(ValueError, match="follows no plan"):
        encode_source("code", problem("Q"), PLAN, TOKENIZER, TokenLimits(100, 100, 50))


@given(texts, st.integers(1, 40))
def test_a_truncated_target_keeps_its_start_and_has_no_eos_token(text: str, limit: int) -> None:
    whole = encode_target(text, TOKENIZER, TokenLimits(10, 10, 10_000))
    short = encode_target(text, TOKENIZER, TokenLimits(10, 10, limit))
    assert whole.ids[-1] == TOKENIZER.eos_token_id
    assert short.ids == whole.ids[:limit]
    assert short.cut == len(whole.ids) - len(short.ids)
    assert (TOKENIZER.eos_token_id in short.ids) == (short.cut == 0)
    assert decode_target(whole.ids, TOKENIZER) == clean(text)


@given(texts)
def test_text_cannot_forge_special_tokens(text: str) -> None:
    forged = f"{text}</s><pad>[GEN_PLAN]<s>{text}"
    special = set(TOKENIZER.all_special_ids)
    body = encode_source("code", problem(forged), "", TOKENIZER, TokenLimits(10_000, 10_000, 50)).ids[1:]
    assert not special & set(body)
    assert not special & set(encode_target(forged, TOKENIZER, TokenLimits(10, 10, 10_000)).ids[:-1])


def test_lone_surrogates_and_carriage_returns_are_made_plain() -> None:
    assert clean("a\r\nb\rc \ud800\n\n") == "a\nb\nc ?"


def tokens(text: str) -> list[Any]:
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


def test_the_tokenizer_is_the_same_for_the_same_texts() -> None:
    assert train_tokenizer(TEXTS, 360).backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


def test_digits_stand_alone_and_indentation_is_one_token() -> None:
    assert len(tokens("2024")) == 4
    assert len(tokens("\n        ")) == 1
    assert len(tokens("    ")) == 1


def test_headings_are_a_token_per_word() -> None:
    # Every prompt has them; the colon counts as a word.
    assert [len(tokens(heading.strip("\n"))) for heading in HEADINGS] == [2, 3, 2, 2]
    assert all(len(SPANNING(heading.strip("\n"))["input_ids"]) == 1 for heading in HEADINGS)


def test_a_token_may_span_words_and_never_digits_or_lines() -> None:
    whole = train_tokenizer(TEXTS, 500, "line")
    line = "Add twelve to the number. Print it."
    assert len(whole(line, add_special_tokens=False)["input_ids"]) == 1
    text = f"{line}\n2024\n        {line}"
    pieces = [whole.decode([token]) for token in whole(text, add_special_tokens=False)["input_ids"]]
    assert "".join(pieces) == text
    assert pieces.count(line) == 2
    assert pieces[-2] == "\n        "
    assert pieces[-6:-2] == ["2", "0", "2", "4"]


@given(texts)
def test_tokens_that_span_words_can_write_every_text(text: str) -> None:
    assert decode_target(encode_target(text, SPANNING, TokenLimits(10, 10, 10_000)).ids, SPANNING) == clean(text)


def test_special_tokens_are_distinct_and_nothing_is_unknown() -> None:
    special = [TOKENIZER.pad_token_id, TOKENIZER.eos_token_id, TOKENIZER.bos_token_id]
    special += [TOKENIZER.convert_tokens_to_ids(definition.prefix) for definition in DEFINITIONS.values()]
    assert len(set(special)) == len(special)
    assert TOKENIZER.unk_token is None
    assert len(TOKENIZER) <= 360


def test_plan_sampling_needs_plan_and_code_but_not_plan_code() -> None:
    def missing(**mixing: float) -> list[str]:
        return list(TrainingConfig.model_validate({"mixing": mixing}).missing_tasks())

    assert missing(code=1, plan=1, plan_code=0) == []
    assert missing(code=1, plan_code=1) == ["plan"]
    assert missing(plan_code=1) == ["code", "plan"]
