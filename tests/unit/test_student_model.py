"""Building, saving and loading students."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from codeplan.config import StudentConfig
from codeplan.records import Problem
from codeplan.student.model import StudentError, build_student, load_student, save_student
from codeplan.student.tasks import PREFIXES, encode_source
from codeplan.student.tokenizer import load_tokenizer

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "t5": {"model_type": "t5", "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4},
    "gpt2": {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 4, "n_positions": 2048},
}
TEXTS = ["print(int(input()) + 1)", "Add one to the number."] * 5


def scratch(architecture: str = "t5", **changes: object) -> StudentConfig:
    plain = {"init": "scratch", "architecture": ARCHITECTURES[architecture], "vocab_size": 300}
    return StudentConfig.model_validate({**plain, **changes})


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("plan_head", ["shared", "own"])
def test_a_folder_gives_the_same_student_back(architecture: str, plan_head: str, tmp_path: Path) -> None:
    student = build_student(scratch(architecture, plan_head=plan_head), TEXTS)
    if student.heads is not None:
        with torch.no_grad():
            student.heads.plan.weight.add_(1.0)
    save_student(student, tmp_path)
    again = load_student(tmp_path)
    expected, got = student.model.state_dict(), again.model.state_dict()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert again.limits == student.limits
    assert again.tokenizer.get_vocab() == student.tokenizer.get_vocab()
    if student.heads is not None:
        assert (again.heads.code.weight is again.model.get_input_embeddings().weight) == (
            student.heads.code.weight is student.model.get_input_embeddings().weight
        )


@pytest.mark.parametrize(("architecture", "plain"), [("t5", AutoModelForSeq2SeqLM), ("gpt2", AutoModelForCausalLM)])
def test_other_tools_can_load_the_folder(architecture: str, plain: Any, tmp_path: Path) -> None:
    student = build_student(scratch(architecture, plan_head="own"), TEXTS)
    save_student(student, tmp_path)
    model, report = plain.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(model.get_output_embeddings().weight, student.heads.code.weight)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    one, same, other = (build_student(scratch(seed=seed), TEXTS).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_building_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_student(scratch(), TEXTS)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_pretrained_model_gets_the_prefixes_and_a_pad_token_other_than_eos(architecture: str, tmp_path: Path) -> None:
    base = build_student(scratch(architecture), TEXTS)
    base.model.save_pretrained(tmp_path)
    base.tokenizer.pad_token = base.tokenizer.eos_token  # as models of one sequence are often published
    base.tokenizer.save_pretrained(tmp_path)
    student = build_student(StudentConfig(model=str(tmp_path)), [])
    assert student.tokenizer.pad_token_id != student.tokenizer.eos_token_id
    assert student.model.get_input_embeddings().num_embeddings >= len(student.tokenizer)
    problem = Problem(problem_id="p", dataset="d", split="s", level="l", question="Add one.")
    source = encode_source("plan", problem, "", student.tokenizer, student.limits).ids
    assert student.tokenizer.convert_ids_to_tokens(source[0]) == "[GEN_PLAN]"


def test_a_tokenizer_without_prefixes_gets_each_as_one_token(tmp_path: Path) -> None:
    tokenizer = build_student(scratch(), TEXTS).tokenizer
    path = tmp_path / "tokenizer.json"
    tokenizer.save_pretrained(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[GEN_", "[OLD_"), encoding="utf-8")
    config = tmp_path / "tokenizer_config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("[GEN_", "[OLD_"), encoding="utf-8")
    loaded = load_tokenizer(str(tmp_path))
    ids = [loaded.convert_tokens_to_ids(prefix) for prefix in PREFIXES]
    assert len(set(ids)) == len(PREFIXES)
    assert min(ids) >= len(tokenizer)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (StudentConfig(), "student.model is empty"),
        (StudentConfig(model="/no/such/model"), "'/no/such/model' cannot be loaded"),
        (StudentConfig(init="scratch", architecture={}), "needs model_type"),
        (StudentConfig(init="scratch", architecture={"model_type": "t6"}), "t6"),
        (StudentConfig(init="scratch", architecture={"model_type": "t5", "d_modle": 16}), "t5 has no key d_modle"),
        (scratch("gpt2", max_source_tokens=2000), "need 2512 positions, the model has n_positions = 2048"),
    ],
)
def test_what_cannot_be_built_is_explained(config: StudentConfig, message: str) -> None:
    with pytest.raises(StudentError, match=message):
        build_student(config, TEXTS)


def test_a_student_of_other_task_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"not a student folder: it has no student\.json"):
        load_student(tmp_path)
    save_student(build_student(scratch(), TEXTS), tmp_path)
    contract = json.loads((tmp_path / "student.json").read_text(encoding="utf-8"))
    (tmp_path / "student.json").write_text(json.dumps({**contract, "tasks_version": 0}), encoding="utf-8")
    with pytest.raises(StudentError, match=r"version 0 of the task definitions"):
        load_student(tmp_path)
