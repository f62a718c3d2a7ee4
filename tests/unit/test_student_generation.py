"""Generation: samples belong to their streams, prompts come from the tasks, and the right head writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codeplan.config import StudentConfig
from codeplan.records import Problem
from codeplan.student.asks import Ask, Generation
from codeplan.student.generation import Generator
from codeplan.student.model import Student, build_student, load_student, save_student
from codeplan.student.picking import draw, uniforms
from codeplan.student.tasks import encode_source

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
        vocabulary=300,
        source_tokens=60,
        plan_source_tokens=80,
        target_tokens=24,
        plan_head=plan_head,
    )
    student = build_student(config, TEXTS)
    save_student(student, folder)
    return student


def hugging_face(student: Student, ask: Ask) -> tuple[str, int]:
    """Text and number of tokens that Hugging Face's own greedy decoding writes."""
    source = encode_source(ask.task, ask.problem, ask.plan, student.tokenizer, student.limits).ids
    whole = student.model.eval().generate(
        torch.tensor([source]),
        attention_mask=torch.ones(1, len(source), dtype=torch.long),
        do_sample=False,
        max_new_tokens=student.limits.target,
        pad_token_id=student.tokenizer.pad_token_id,
    )[0]
    written = whole[1:] if student.seq2seq else whole[len(source) :]
    return student.tokenizer.decode(written, skip_special_tokens=True), len(written)


def asks(count: int) -> list[Ask]:
    return [Ask(PROBLEMS[n % len(PROBLEMS)], "code", stream=f"s/{n}") for n in range(count)]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    make(request.param, folder)
    return folder


def write(folder: Path, wanted: list[Ask], batch: int = 64, temperature: float = 2.0) -> list[Generation]:
    return Generator(folder, batch=batch).generate(wanted, temperature=temperature, top_p=0.95)


def test_a_sample_depends_on_neither_batch_nor_order_nor_mates(folder: Path) -> None:
    wanted = asks(30)
    together = write(folder, wanted)
    assert write(folder, wanted, batch=7) == together
    assert write(folder, wanted[::-1]) == together[::-1]
    assert write(folder, [wanted[17]]) == [together[17]]
    assert len({each.text for each in together}) > len(PROBLEMS)


def test_equal_streams_write_equal_texts_and_greedy_needs_none(folder: Path) -> None:
    first, second = write(folder, [Ask(PROBLEMS[0], "code", stream="one")] * 2)
    assert first == second
    greedy = [Ask(PROBLEMS[0], "code", stream=name, greedy=True) for name in ("a", "b")]
    mixed = write(folder, [*greedy, Ask(PROBLEMS[0], "code", stream="one")])
    assert mixed[0] == mixed[1]
    assert mixed[2] == first


def test_greedy_agrees_with_hugging_face(folder: Path) -> None:
    student = load_student(folder)
    wanted = [Ask(problem, "code", "", greedy=True) for problem in PROBLEMS]
    for ask, ours in zip(wanted, write(folder, wanted), strict=True):
        assert (ours.text, ours.tokens) == hugging_face(student, ask)


def test_an_empty_list_of_asks_writes_nothing(folder: Path) -> None:
    assert write(folder, []) == []


def test_a_plan_that_does_not_fit_is_named_and_the_others_are_written(folder: Path) -> None:
    wanted = [
        Ask(PROBLEMS[0], "plan_code", plan="1. Add one.\n" * 50, stream="a"),
        Ask(PROBLEMS[0], "plan_code", plan="1. Add one.", stream="b"),
    ]
    lost, written = write(folder, wanted)
    assert lost == Generation("", 0, finished=False, lost="plan too long")
    assert not written.lost
    assert written.tokens > 0


def test_unfinished_texts_have_exactly_the_limit(folder: Path) -> None:
    for each in write(folder, asks(40)):
        assert 0 < each.tokens <= 24
        assert each.finished or each.tokens == 24


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_plans_are_written_by_the_plan_head_and_programs_by_the_code_head(architecture: str, tmp_path: Path) -> None:
    student = make(architecture, tmp_path, plan_head="own")
    with torch.no_grad():
        student.heads.plan.weight.normal_(generator=torch.Generator().manual_seed(1))
    save_student(student, tmp_path)
    for task, head in (("code", student.heads.code), ("plan", student.heads.plan)):
        student.model.set_output_embeddings(head)
        [text] = Generator(tmp_path, batch=4).generate(
            [Ask(PROBLEMS[0], task, "", greedy=True)], temperature=1.0, top_p=1.0
        )
        assert text.text == hugging_face(student, Ask(PROBLEMS[0], task, ""))[0]


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
    token = int(draw(row, torch.tensor([uniform], dtype=torch.float64), temperature, top_p))
    probabilities = torch.softmax(row.double() / temperature, -1)[0]
    likelier = float(probabilities[probabilities > probabilities[token]].sum())
    assert likelier < top_p + 1e-6


def test_draws_follow_the_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1]])).expand(20_000, -1)
    tokens = draw(logits, torch.from_numpy(uniforms("distribution", 20_000)), 1.0, 0.85)
    shares = torch.bincount(tokens, minlength=4) / len(tokens)
    # The nucleus at 0.85 holds the first three, 0.9 of the mass; 20,000 draws stray by less than 0.015.
    assert torch.allclose(shares, torch.tensor([0.5, 0.2, 0.2, 0.0]) / 0.9, atol=0.015)


def test_streams_are_even_and_differ() -> None:
    one, other = uniforms("one", 10_000), uniforms("other", 10_000)
    assert one.min() >= 0.0
    assert one.max() < 1.0
    assert abs(one.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert np.array_equal(uniforms("one", 100), one[:100])
