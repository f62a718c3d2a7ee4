"""DeepSpeed's setup: what weight decay spares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codeplan.config import StudentConfig
from codeplan.student.engine import parameter_groups
from codeplan.student.model import build_student

FolderOf = Callable[[str, str], Path]

SPARED = {
    "t5": ("shared", "layer_norm", "relative_attention_bias"),
    "gpt2": ("wte", "wpe", "ln_", ".bias"),
    "llama": ("embed_tokens", "norm"),
}


@pytest.mark.parametrize("plan_head", ["shared", "own"])
@pytest.mark.parametrize("model", sorted(SPARED))
def test_weight_decay_spares_norms_biases_and_embeddings(model_folder: FolderOf, model: str, plan_head: str) -> None:
    config = StudentConfig.model_validate({"model": str(model_folder("gpt2", model)), "plan_head": plan_head})
    module = build_student(config, []).model
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    decayed, spared = parameter_groups(module, 0.05)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    assert len(decayed["params"]) + len(spared["params"]) == len(names)
    for parameter in module.parameters():
        name = names[id(parameter)]
        expected = any(part in name for part in SPARED[model])
        assert any(parameter is other for other in spared["params"]) == expected, name
    assert all(parameter.ndim == 2 for parameter in decayed["params"])
    # GPT-2's and T5's output heads are their input embeddings; the plan head is a layer of its own.
    assert ("lm_head.plan.weight" in {names[id(parameter)] for parameter in decayed["params"]}) == (plan_head == "own")
