"""Generation: samples depend on their RNG keys alone, prompts come from the tasks, and each task uses its head."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.config import TASKS, StudentConfig
from codeplan.randomness import uniforms
from codeplan.records import Problem
from codeplan.student.decoding import decode
from codeplan.student.errors import StudentError
from codeplan.student.generation import Generator
from codeplan.student.generation_request import Generation, GenerationRequest
from codeplan.student.model import Student, build_student, load_student, save_student
from codeplan.student.tasks import decode_target, encode_source
from codeplan.student.token_sampling import sample_tokens

ARCHITECTURES = {
    "t5": {
        "model_type": "t5",
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "tie_word_embeddings": False,
    },
    "gpt2": {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
}
TEXTS = ["def solve(x):\n    return x + 1\n", "Add one to the number and print it."] * 20
PROBLEMS = [
    Problem(problem_id=f"p/{n}", dataset="d", split="test", level="l", question="Add one. " * (n + 1)) for n in range(5)
]


def make(architecture: str, folder: Path, plan_head: str = "shared") -> Student:
    config = StudentConfig(
        init="scratch",
        architecture=ARCHITECTURES[architecture],
        vocab_size=300,
        max_source_tokens=60,
        max_plan_source_tokens=80,
        max_target_tokens=24,
        plan_head=plan_head,
    )
    student = build_student(config, TEXTS)
    save_student(student, folder)
    return student


def hugging_face(student: Student, request: GenerationRequest) -> tuple[str, int]:
    """Text and number of tokens that Hugging Face's own greedy decoding writes."""
    source = encode_source(request.task, request.problem, request.plan, student.tokenizer, student.limits).ids
    whole = student.model.eval().generate(
        torch.tensor([source]),
        attention_mask=torch.ones(1, len(source), dtype=torch.long),
        do_sample=False,
        max_new_tokens=student.limits.target,
        pad_token_id=student.tokenizer.pad_token_id,
    )[0]
    written = whole[1:] if student.seq2seq else whole[len(source) :]
    return student.tokenizer.decode(written, skip_special_tokens=True), len(written)


def requests(count: int) -> list[GenerationRequest]:
    return [GenerationRequest(PROBLEMS[n % len(PROBLEMS)], "code", rng_key=f"s/{n}") for n in range(count)]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    make(request.param, folder)
    return folder


def write(folder: Path, wanted: list[GenerationRequest], batch: int = 64, temperature: float = 2.0) -> list[Generation]:
    return Generator(folder, batch=batch).generate(wanted, temperature=temperature, top_p=0.95)


def test_a_sample_does_not_depend_on_batch_size_order_or_other_requests(folder: Path) -> None:
    wanted = requests(30)
    together = write(folder, wanted)
    assert write(folder, wanted, batch=7) == together
    assert write(folder, wanted[::-1]) == together[::-1]
    assert write(folder, [wanted[17]]) == [together[17]]
    assert len({generation.text for generation in together}) > len(PROBLEMS)


def test_equal_rng_keys_give_equal_samples_and_greedy_uses_none(folder: Path) -> None:
    first, second = write(folder, [GenerationRequest(PROBLEMS[0], "code", rng_key="one")] * 2)
    assert first == second
    greedy = [GenerationRequest(PROBLEMS[0], "code", rng_key=name, greedy=True) for name in ("a", "b")]
    mixed = write(folder, [*greedy, GenerationRequest(PROBLEMS[0], "code", rng_key="one")])
    assert mixed[0] == mixed[1]
    assert mixed[2] == first


def test_greedy_agrees_with_hugging_face(folder: Path) -> None:
    student = load_student(folder)
    wanted = [GenerationRequest(problem, "code", "", greedy=True) for problem in PROBLEMS]
    for request, ours in zip(wanted, write(folder, wanted), strict=True):
        assert (ours.text, ours.tokens) == hugging_face(student, request)


def test_no_requests_give_no_generations(folder: Path) -> None:
    assert write(folder, []) == []


def test_a_plan_that_does_not_fit_is_dropped_and_the_others_are_generated(folder: Path) -> None:
    wanted = [
        GenerationRequest(PROBLEMS[0], "plan_code", plan="1. Add one.\n" * 50, rng_key="a"),
        GenerationRequest(PROBLEMS[0], "plan_code", plan="1. Add one.", rng_key="b"),
    ]
    dropped, written = write(folder, wanted)
    assert dropped == Generation("", 0, finished=False, dropped="plan_too_long")
    assert not written.dropped
    assert written.tokens > 0


def test_a_student_without_plan_code_follows_plans_under_the_prefix_of_code(folder: Path, tmp_path: Path) -> None:
    paper = replace(load_student(folder), trained_tasks=("code", "plan"))
    save_student(paper, tmp_path)
    request = GenerationRequest(PROBLEMS[0], "plan_code", "", plan="1. Add one.", greedy=True)
    source = encode_source("plan_code", request.problem, request.plan, paper.tokenizer, paper.limits)
    renamed = [paper.tokenizer.convert_tokens_to_ids("[GEN_CODE]"), *source.ids[1:]]
    shown = paper.tokenizer.decode(renamed)
    assert shown.startswith("[GEN_CODE]")
    assert "1. Add one." in shown
    [expected] = decode(paper, [renamed], [0], lambda logits, _rows, _position: logits.argmax(dim=-1))
    [generated] = write(tmp_path, [request])
    assert generated.text == decode_target(expected, paper.tokenizer)
    assert generated.tokens == len(expected)


def test_a_task_that_was_not_trained_is_refused(folder: Path, tmp_path: Path) -> None:
    save_student(replace(load_student(folder), trained_tasks=("code",)), tmp_path)
    with pytest.raises(StudentError, match=r"trained on code .* task plan; set training\.mixing\.plan above 0"):
        write(tmp_path, [GenerationRequest(PROBLEMS[0], "plan", "")])


def test_folders_that_do_not_say_what_was_trained_were_trained_on_everything(folder: Path, tmp_path: Path) -> None:
    save_student(load_student(folder), tmp_path)
    contract = json.loads((tmp_path / "student.json").read_text(encoding="utf-8"))
    del contract["trained_tasks"]
    (tmp_path / "student.json").write_text(json.dumps(contract), encoding="utf-8")
    assert load_student(tmp_path).trained_tasks == TASKS


def test_students_trained_in_bf16_generate_in_fp32(folder: Path, tmp_path: Path) -> None:
    student = load_student(folder)
    student.model.bfloat16()
    save_student(student, tmp_path)
    assert {tensor.dtype for tensor in load_student(tmp_path).model.parameters()} == {torch.float32}


@pytest.fixture(scope="module")
def alone(folder: Path) -> tuple[Generator, dict[GenerationRequest, Generation]]:
    """A generator, and what it generates for each of some requests alone."""
    generator = Generator(folder, batch=1, threads=1)
    wanted = [
        GenerationRequest(problem, task, rng_key=f"key/{number}", greedy=number == 0)
        for problem in PROBLEMS[:3]
        for task in ("code", "plan")
        for number in range(2)
    ]
    return Generator(folder, batch=4, threads=1), dict(
        zip(wanted, generator.generate(wanted, temperature=2.0, top_p=0.95), strict=True)
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=10))
def test_equal_rng_keys_give_equal_samples_in_any_batch(
    alone: tuple[Generator, dict[GenerationRequest, Generation]], order: list[int]
) -> None:
    generator, expected = alone
    requests = [list(expected)[position] for position in order]
    together = generator.generate(requests, temperature=2.0, top_p=0.95)
    assert together == [expected[request] for request in requests]


def test_unfinished_texts_have_exactly_the_limit(folder: Path) -> None:
    for generation in write(folder, requests(40)):
        assert 0 < generation.tokens <= 24
        assert generation.finished or generation.tokens == 24


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_plans_use_the_plan_head_and_programs_the_code_head(architecture: str, tmp_path: Path) -> None:
    student = make(architecture, tmp_path, plan_head="own")
    with torch.no_grad():
        student.heads.plan.weight.normal_(generator=torch.Generator().manual_seed(1))
    save_student(student, tmp_path)
    for task, head in (("code", student.heads.code), ("plan", student.heads.plan)):
        student.model.set_output_embeddings(head)
        [text] = Generator(tmp_path, batch=4).generate(
            [GenerationRequest(PROBLEMS[0], task, "", greedy=True)], temperature=1.0, top_p=1.0
        )
        assert text.text == hugging_face(student, GenerationRequest(PROBLEMS[0], task, ""))[0]


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=12),
    st.floats(0.2, 2.0),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_draws_stay_within_the_smallest_sufficient_set(
    logits: list[float], temperature: float, top_p: float, uniform: float
) -> None:
    row = torch.tensor([logits])
    token = int(sample_tokens(row, torch.tensor([uniform], dtype=torch.float64), temperature, top_p))
    probabilities = torch.softmax(row.double() / temperature, -1)[0]
    # Logits that are one rounding apart are equal to the sampler, which computes in single precision.
    likelier = float(probabilities[probabilities > probabilities[token] * (1 + 1e-5)].sum())
    assert likelier < top_p + 1e-6


def test_draws_follow_the_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1]])).expand(20_000, -1)
    tokens = sample_tokens(logits, torch.from_numpy(uniforms("distribution", 20_000)), 1.0, 0.85)
    fractions = torch.bincount(tokens, minlength=4) / len(tokens)
    # The nucleus at 0.85 holds the first three, 0.9 of the mass; 20,000 draws stray by less than 0.015.
    assert torch.allclose(fractions, torch.tensor([0.5, 0.2, 0.2, 0.0]) / 0.9, atol=0.015)


def test_random_numbers_are_uniform_and_differ_by_rng_key() -> None:
    one, other = uniforms("one", 10_000), uniforms("other", 10_000)
    assert one.min() >= 0.0
    assert one.max() < 1.0
    assert abs(one.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert np.array_equal(uniforms("one", 100), one[:100])
