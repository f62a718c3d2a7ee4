"""Examples and batches: dropped rows are counted, padding has no loss, held-out problems are not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.batches import IGNORED, collate
from codeplan.student.examples import EncodingCounts, Examples, read_examples, write_examples
from codeplan.student.model import Student, StudentError, build_student
from codeplan.student.tasks import encode_source, encode_target

ARCHITECTURES = {
    "t5": {"model_type": "t5", "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4},
    "gpt2": {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 4, "n_positions": 256},
}


def student(architecture: str = "t5") -> Student:
    config = StudentConfig(
        init="scratch",
        architecture=ARCHITECTURES[architecture],
        vocab_size=300,
        max_source_tokens=40,
        max_plan_source_tokens=60,
        max_target_tokens=20,
    )
    return build_student(config, ["print(int(input()) + 1)", "Add one to the number."] * 5)


def problem(number: int, *solutions: str, starter: str = "") -> Problem:
    return Problem(
        problem_id=f"p/{number}",
        dataset="d",
        split="train",
        level="l",
        question=f"Add {number}.",
        solutions=solutions,
        starter_code=starter,
    )


def plan(number: int, index: int = 0, text: str = "1. Add.") -> Plan:
    return Plan(problem_id=f"p/{number}", author="t", solution_index=index, text=text)


def settings(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"validation_examples": 0, **changes})


def written(
    tmp_path: Path, problems: list[Problem], plans: list[Plan], **changes: object
) -> tuple[EncodingCounts, Examples]:
    path = tmp_path / "examples.parquet"
    counts = write_examples(problems, plans, student(), settings(**changes), path)
    return counts, read_examples(path)


def test_all_solutions_and_all_plans_become_examples(tmp_path: Path) -> None:
    counts, examples = written(
        tmp_path, [problem(1, "a", "b", "c"), problem(2, "d")], [plan(1, 0), plan(1, 2, "1. Other."), plan(2)]
    )
    assert {task: len(rows) for task, rows in examples.training.items()} == {"code": 4, "plan": 3, "plan_code": 3}
    assert counts.accounts["examples"].rows_in == counts.accounts["examples"].rows_out == 10
    one = student()
    wanted = encode_source("plan_code", problem(1), "1. Other.", one.tokenizer, one.limits).ids
    example = examples.training["plan_code"][1]
    assert example.source.tolist() == wanted
    assert example.target.tolist() == encode_target("c", one.tokenizer, one.limits).ids


def test_every_dropped_row_has_a_reason(tmp_path: Path) -> None:
    counts, _ = written(
        tmp_path,
        [problem(1, "a", "  \n"), problem(2), problem(3, "b", starter="x = 1\n" * 40), problem(4, "c " * 60)],
        [plan(1), plan(2), plan(9), plan(1, -1), plan(1, 0, " "), plan(4, 0, "1. Long.\n" * 40)],
    )
    assert counts.accounts["problems"].dropped == {"without_solution": 1}
    assert counts.accounts["plans"].dropped == {"explains_no_solution": 2, "unknown_problem": 1, "empty_plan": 1}
    assert counts.accounts["examples"].dropped == {"empty_target": 1, "starter_code_too_long": 1, "plan_too_long": 1}
    assert counts.truncated["code"] == 1
    assert counts.truncated["plan"] == 1


def test_tasks_with_ratio_0_have_no_examples(tmp_path: Path) -> None:
    _, examples = written(tmp_path, [problem(1, "a")], [plan(1)], mixing={"code": 1, "plan": 1, "plan_code": 0})
    assert examples.training.keys() == {"code", "plan"}


def test_held_out_problems_are_not_trained_on(tmp_path: Path) -> None:
    problems = [problem(n, f"first {n}", f"second {n}") for n in range(12)]
    counts, examples = written(tmp_path, problems, [plan(n) for n in range(12)], validation_examples=4)
    assert {task: len(rows) for task, rows in examples.held_out.items()} == {"code": 4, "plan": 4, "plan_code": 4}
    assert {task: len(rows) for task, rows in examples.training.items()} == {"code": 16, "plan": 8, "plan_code": 8}
    assert counts.accounts["examples"].dropped == {"held_out_problem_already_used": 4}
    for task, held in examples.held_out.items():
        trained = {tuple(example.source) for example in examples.training[task]}
        assert not trained & {tuple(example.source) for example in held}


def test_holding_out_more_than_there_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"validation_examples = 3 .* only 2 of 3"):
        written(tmp_path, [problem(1, "a"), problem(2, "b"), problem(3)], [], validation_examples=3)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_padding_does_not_change_an_examples_loss(architecture: str, tmp_path: Path) -> None:
    one = student(architecture)
    path = tmp_path / "examples.parquet"
    write_examples([problem(1, "a" * 9), problem(222222, "b")], [plan(1)], one, settings(), path)
    examples = [example for task in read_examples(path).training.values() for example in task]
    one.model.eval()

    def losses(batch: dict[str, torch.Tensor]) -> list[float]:
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = one.model(**batch).logits
        rows = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        return [float(row.sum()) for row in rows]

    together = losses(collate(examples, one))
    alone = [losses(collate([example], one))[0] for example in examples]
    assert together == pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_only_target_tokens_have_a_loss(architecture: str, tmp_path: Path) -> None:
    one = student(architecture)
    path = tmp_path / "examples.parquet"
    write_examples([problem(1, "a" * 9), problem(2, "b")], [], one, settings(mixing={"code": 1}), path)
    examples = read_examples(path).training["code"]
    labels = collate(examples, one)["labels"]
    for row, example in zip(labels, examples, strict=True):
        assert row[row != IGNORED].tolist() == example.target.tolist()
        assert row[row != IGNORED][-1] == one.tokenizer.eos_token_id


def test_logits_are_made_only_where_an_example_has_a_label(tmp_path: Path) -> None:
    one = student("gpt2")
    path = tmp_path / "examples.parquet"
    write_examples([problem(1, "a" * 9), problem(222222, "b")], [], one, settings(mixing={"code": 1}), path)
    batch = collate(read_examples(path).training["code"], one)
    labels, kept = batch.pop("labels"), batch.pop("logits_to_keep")
    one.model.eval()
    with torch.no_grad():
        whole, few = one.model(**batch).logits, one.model(**batch, logits_to_keep=kept).logits
    assert few.shape[:2] == labels.shape
    assert few.shape[1] < whole.shape[1]
    assert torch.allclose(few, whole[:, kept], atol=1e-6)
    assert (labels != IGNORED).any(dim=0).all()
