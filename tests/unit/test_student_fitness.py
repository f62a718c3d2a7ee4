"""Students that cannot be trained are found, and fit ones have no findings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.errors import StudentError
from codeplan.student.fitness import Fitness, check_student
from codeplan.student.prepare import prepare
from codeplan.student.roundtrip import round_trip, same_program, same_words, unwritable_text
from codeplan.student.tokenizer import load_tokenizer

FolderOf = Callable[[str, str], Path]
PROGRAMS = (
    "def solve(n):\n    if n < 2 and n != 1:\n        return {'a': [n, ~n]}\n    return None",
    "import sys\n\n\nfor line in sys.stdin:\n    A, b = map(int, line.split())\n    print(A + b)",
)
PLAN = "Read the numbers.\n  Add them.\n  Print A + b."
SMALL = {"model_type": "t5", "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4}


def problem(number: int, *solutions: str, question: str = "Given n, print n < 5.\nThen stop.") -> Problem:
    return Problem(
        problem_id=f"d/s/{number}", dataset="d", split="s", level="l", question=question, solutions=tuple(solutions)
    )


def plan(number: int, text: str = PLAN) -> Plan:
    return Plan(problem_id=f"d/s/{number}", author="teacher", solution_index=0, text=text)


PROBLEMS = [problem(number, program) for number, program in enumerate(PROGRAMS)]


def check(folder: Path, problems: Sequence[Problem] = PROBLEMS, **settings: Any) -> Fitness:
    config = StudentConfig.model_validate({"model": str(folder), **settings})
    return check_student(config, problems, [plan(0)])


@pytest.mark.parametrize(
    ("tokenizer", "model"),
    [
        ("gpt2", "t5"),
        ("gpt2", "gpt2"),
        ("gpt2", "bart"),
        ("gpt2", "llama"),
        ("roberta", "t5"),
        ("byte-fallback", "gpt2"),
    ],
)
def test_a_fit_student_has_no_findings(model_folder: FolderOf, tokenizer: str, model: str) -> None:
    assert check(model_folder(tokenizer, model)).findings == ()


@pytest.mark.parametrize("plan_head", ["shared", "own"])
def test_a_student_from_scratch_is_fit(plan_head: str) -> None:
    config = StudentConfig.model_validate({"init": "scratch", "architecture": SMALL, "plan_head": plan_head})
    assert check_student(config, PROBLEMS, [plan(0)]).findings == ()


@pytest.mark.parametrize(
    ("tokenizer", "missing"),
    [
        ("t5", ["line breaks", "indentation", "runs of spaces", "'{'"]),
        ("cased", ["line breaks", "indentation", "text without spaces around punctuation"]),
        ("uncased", ["line breaks", "capital letters"]),
        ("roberta-prefix", ["the start of a text"]),
    ],
)
def test_a_tokenizer_that_changes_programs_is_an_error(
    model_folder: FolderOf, tokenizer: str, missing: list[str]
) -> None:
    folder = model_folder(tokenizer, "t5")
    fitness = check(folder)
    with pytest.raises(
        StudentError, match=r"cannot reproduce solutions: 2 of 2 \(100\.0 %\).*comes back as.*choose"
    ) as caught:
        fitness.require()
    assert str(caught.value).isprintable()
    assert all(name in unwritable_text(load_tokenizer(str(folder))) or name in str(caught.value) for name in missing)


def test_training_stops_before_it_starts_on_an_unfit_tokenizer(model_folder: FolderOf, tmp_path: Path) -> None:
    config = StudentConfig(model=str(model_folder("t5", "t5")))
    with pytest.raises(StudentError, match="cannot reproduce solutions"):
        prepare(PROBLEMS, [plan(0)], config, TrainingConfig(validation_examples=1), tmp_path)
    assert not (tmp_path / "initial").exists()


def test_a_few_changed_solutions_are_a_warning_with_an_example(model_folder: FolderOf) -> None:
    problems = [problem(number, PROGRAMS[0]) for number in range(49)] + [problem(49, "print('e\u0301 ﬁ')")]
    fitness = check(model_folder("t5-nfkc", "t5"), problems)
    fitness.require()
    warning = next(finding for finding in fitness.warnings if finding.name == "solutions changed by tokenizer")
    assert "1 of 50 (2.0 %) solutions come back changed" in warning.message
    assert "fi" in warning.message
    assert fitness.counts["solutions.broken"] == 1


def test_programs_that_only_change_their_layout_are_not_an_error(model_folder: FolderOf) -> None:
    tokenizer = load_tokenizer(str(model_folder("t5-nfkc", "t5")))
    found = round_trip(["x = 1  # ﬁrst", "y = 'ﬁ'"], tokenizer, same_program)
    assert (found.count, found.changed, found.broken) == (2, 2, 1)
    assert same_words("1. Add\n 2. Print", "1. Add 2. Print")


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\r\nb = 2\r\n",
        "\n\n\ndef f():\n\treturn '\t'\n\n\n",
        "\ufeffprint('漢字 😀')   \n",
        "print('half \ud800')",
        "if x:\n        print( 'a   b' )   # trailing  \n\n\n\n\nelse:\n\tpass",
        "</s> [GEN_CODE] <pad> <unk> n't 's . , !",
        "",
    ],
)
@pytest.mark.parametrize("tokenizer", ["gpt2", "byte-fallback"])
def test_line_ends_byte_order_marks_and_rare_characters_are_not_findings(
    model_folder: FolderOf, text: str, tokenizer: str
) -> None:
    folder = model_folder(tokenizer, "t5")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "clean_up_tokenization_spaces": True}))
    assert round_trip([text], load_tokenizer(str(folder)), same_program).changed == 0


def test_without_solutions_missing_line_breaks_are_still_an_error(model_folder: FolderOf) -> None:
    with pytest.raises(StudentError, match="cannot write line breaks"):
        check_student(StudentConfig(model=str(model_folder("t5", "t5"))), []).require()


def test_an_encoder_only_model_is_refused(model_folder: FolderOf) -> None:
    with pytest.raises(StudentError, match=r"\(bert\) attends to later tokens"):
        check(model_folder("gpt2", "bert")).require()


def test_nan_weights_are_an_error(model_folder: FolderOf) -> None:
    folder = model_folder("gpt2", "gpt2")
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudentError, match="weight tensors contain NaN"):
        check(folder).require()


def test_texts_cut_at_the_length_limits_are_counted(model_folder: FolderOf) -> None:
    problems = [problem(0, "x = 1"), problem(1, "x = 1\n" * 50), problem(2, "x = 2", question="Why? " * 300)]
    fitness = check(
        model_folder("gpt2", "t5"), problems, max_target_tokens=40, max_source_tokens=100, max_plan_source_tokens=30
    )
    fitness.require()
    messages = {finding.name: finding.message for finding in fitness.warnings}
    assert "1 of 3 (33.3 %) solutions are longer than student.max_target_tokens = 40" in messages["solutions cut"]
    assert "1 of 3 (33.3 %) prompts to fit student.max_source_tokens = 100" in messages["prompts shortened"]
    assert "1 of 1 (100.0 %) prompts with a plan cannot be made" in messages["prompts with a plan too long"]


def test_limits_that_leave_nothing_are_errors(model_folder: FolderOf) -> None:
    with pytest.raises(StudentError, match=r"2 of 2 .* solutions are longer .*; .* prompts cannot be made at all"):
        check(model_folder("gpt2", "t5"), max_target_tokens=4, max_source_tokens=4).require()


def test_questions_with_unknown_or_special_tokens_are_counted(model_folder: FolderOf) -> None:
    problems = [problem(0, "x = 1", question="漢字"), problem(1, "x = 1", question="a </s> b"), problem(2, "x = 1")]
    names = {finding.name: finding.message for finding in check(model_folder("t5-nfkc", "t5"), problems).findings}
    assert "1 of 3" in names["unknown tokens in questions"]
    assert "1 of 3" in names["special tokens in questions"]


def test_checking_leaves_the_callers_random_numbers_alone(model_folder: FolderOf) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(model_folder("gpt2", "t5"))
    assert torch.equal(torch.rand(2), expected)


def test_half_a_character_does_not_stop_a_student_from_scratch() -> None:
    config = StudentConfig.model_validate({"init": "scratch", "architecture": SMALL})
    problems = [problem(0, "print('\ud800')", question="half \udfff")]
    assert check_student(config, problems, [plan(0, "Print \ud800.")]).findings == ()
