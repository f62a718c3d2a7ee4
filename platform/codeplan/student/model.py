"""A student: model, tokenizer and the contract it was trained under, kept together in one folder.

The folder is a plain Hugging Face model that other tools can load, and two files beside it: ``student.json`` (the task
definitions' version, the tasks that were trained, the length limits, the kind of plan head) and, for a student with a
plan head of its own, ``plan_head.safetensors``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig
from transformers.utils import logging as transformers_logging

from codeplan.config import TASKS, StudentConfig, Task
from codeplan.errors import one_line
from codeplan.files import write_text
from codeplan.student import tasks
from codeplan.student.architecture import checked_keys
from codeplan.student.errors import StudentError, library_errors
from codeplan.student.heads import Heads, attach_plan_head
from codeplan.student.pretrained import check_size, locate_model, model_class, read_config, read_model, read_tokenizer
from codeplan.student.special_ids import complete_special_ids
from codeplan.student.tokenizer import load_tokenizer, train_tokenizer

# A bar for each file read or written would drown the stage's own in every worker's log.
transformers_logging.disable_progress_bar()

_CONTRACT = "student.json"
_PLAN_HEAD = "plan_head.safetensors"
_MAX_TOKENS = 10_000_000
# Names under which architectures keep the longest sequence that they have positions for.
_POSITIONS = (
    "n_positions",
    "max_position_embeddings",
    "n_ctx",
    "max_seq_len",
    "max_source_positions",
    "max_target_positions",
    "max_encoder_position_embeddings",
    "max_decoder_position_embeddings",
)
# T5-like models have relative positions, without a limit, although some of their files name a length.
_RELATIVE = "relative_attention_num_buckets"


@dataclass(frozen=True)
class Student:
    """A model and all that is needed to train it and generate with it.

    Attributes:
        model: a Hugging Face model, seq2seq or causal.
        tokenizer: its tokenizer, which has the tasks' prefixes.
        limits: lengths of prompts and targets.
        heads: the two output heads, or None where plans share the code head.
        trained_tasks: the tasks that it was trained on; before training, all of them.
    """

    model: Any
    tokenizer: Any
    limits: tasks.TokenLimits
    heads: Heads | None
    trained_tasks: tuple[Task, ...] = TASKS

    @property
    def seq2seq(self) -> bool:
        """Whether prompt and target are separate sequences."""
        return bool(self.model.config.is_encoder_decoder)

    def use(self, task: Task) -> None:
        """Switch to the task's output head; training and generation both call this before the model."""
        if self.heads is not None:
            self.heads.active = tasks.DEFINITIONS[task].head


def build_student(config: StudentConfig, texts: Iterable[str]) -> Student:
    """A new student: pretrained, or from scratch with a tokenizer trained on ``texts``.

    Raises:
        StudentError: the configuration names no model, an unknown architecture key, or more tokens than fit.
    """
    tokenizer, model = _BUILDERS[config.init](config, texts)
    limits = tasks.TokenLimits.of(config)
    with library_errors("the student's configuration is not valid"):
        _check_lengths(model.config, limits)
    heads = attach_plan_head(model) if config.plan_head == "own" else None
    return Student(model, tokenizer, limits, heads)


def save_student(student: Student, folder: Path) -> None:
    """Write a student so that `load_student` reads it back unchanged.

    Raises:
        StudentError: its model or tokenizer cannot be written.
    """
    with library_errors(f"the student cannot be written to {one_line(folder, 200)}"):
        _write_student(student, folder)


def _write_student(student: Student, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if student.heads is None:
        student.model.save_pretrained(folder)
    else:
        save_file(
            {key: tensor.contiguous() for key, tensor in student.heads.plan.state_dict().items()}, folder / _PLAN_HEAD
        )
        # The folder stays a plain model for other tools: it is saved with its own head where they expect it.
        student.model.set_output_embeddings(student.heads.code)
        try:
            student.model.save_pretrained(folder)
        finally:
            student.model.set_output_embeddings(student.heads)
    student.tokenizer.save_pretrained(folder)
    contract = {
        "tasks_version": tasks.VERSION,
        "trained_tasks": student.trained_tasks,
        "plan_head": "shared" if student.heads is None else "own",
        "limits": dataclasses.asdict(student.limits),
    }
    write_text(folder / _CONTRACT, json.dumps(contract, indent=1))


def load_student(folder: Path) -> Student:
    """Read a student's folder, to the CPU and in 32-bit floats.

    Raises:
        StudentError: the folder is not a student folder, is damaged, or was trained under other task definitions.
    """
    shown = one_line(folder, 200)
    if not (folder / _CONTRACT).exists():
        raise StudentError(f"{shown} is not a student folder: it has no {_CONTRACT}; run the training stage first")
    damaged = f"student folder {shown} is damaged; delete its stage and train again"
    with library_errors(damaged):
        contract = json.loads((folder / _CONTRACT).read_text(encoding="utf-8"))
        if contract["tasks_version"] != tasks.VERSION:
            raise StudentError(
                f"{shown} was trained under version {contract['tasks_version']} of the task definitions, this is "
                f"version {tasks.VERSION}: its prompts differ; train it again"
            )
    try:
        with library_errors("its contract or plan head cannot be read"):
            return _read_student(folder, contract)
    except StudentError as error:
        raise StudentError(f"{damaged}: {error}") from error


def _read_student(folder: Path, contract: dict[str, Any]) -> Student:
    model = read_model(folder, read_config(folder))
    heads = attach_plan_head(model) if contract["plan_head"] == "own" else None
    if heads is not None:
        heads.plan.load_state_dict(load_file(folder / _PLAN_HEAD))
    trained = tuple(contract.get("trained_tasks", TASKS))  # folders of earlier versions do not say
    return Student(model, read_tokenizer(folder), tasks.TokenLimits(**contract["limits"]), heads, trained)


def _pretrained(config: StudentConfig, _: Iterable[str]) -> tuple[Any, Any]:
    if not config.model.strip():
        raise StudentError("student.model is empty: name a Hugging Face model, or set student.init to scratch")
    where = f"student.model {one_line(config.model, 120)!r}"
    source, commit = locate_model(config.model, config.revision)
    with library_errors(f"{where} cannot be loaded"):
        try:
            architecture = read_config(source, commit)
            tokenizer = load_tokenizer(source, commit)
            model = read_model(source, architecture, commit)
            _fit_embeddings(model, tokenizer, config.seed)
            complete_special_ids(model, tokenizer)
        except StudentError as error:
            raise StudentError(f"{where} cannot be used: {error}") from error
    return tokenizer, model


def _fit_embeddings(model: Any, tokenizer: Any, seed: int) -> None:
    """Give every token of the tokenizer an embedding; more embeddings than tokens are usual, and stay."""
    needed = 1 + max(tokenizer.get_vocab().values(), default=0)  # a vocabulary may have gaps
    if needed > _MAX_TOKENS:
        raise StudentError(f"its tokenizer numbers a token {needed - 1:,}; more than {_MAX_TOKENS:,} are not supported")
    if needed > model.get_input_embeddings().num_embeddings:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model.resize_token_embeddings(needed)


def _scratch(config: StudentConfig, texts: Iterable[str]) -> tuple[Any, Any]:
    keys = dict(config.architecture)
    model_type = keys.pop("model_type", None)
    if not isinstance(model_type, str):
        raise StudentError("student.architecture needs model_type, for example t5 or gpt2")
    tokenizer = train_tokenizer(texts, config.vocab_size, config.vocab_span)
    with library_errors("student.architecture"):
        default = AutoConfig.for_model(model_type)
        keys = checked_keys(keys, default)
        special = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        if default.is_encoder_decoder:
            special["decoder_start_token_id"] = tokenizer.pad_token_id
        full = AutoConfig.for_model(model_type, **{**keys, **special})
        check_size(full)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return tokenizer, model_class(full).from_config(full, dtype=torch.float32, trust_remote_code=False)


_BUILDERS = {"pretrained": _pretrained, "scratch": _scratch}


def _check_lengths(config: Any, limits: tasks.TokenLimits) -> None:
    longest = max(limits.source, limits.plan_source)
    needed = max(longest, limits.target) if config.is_encoder_decoder else longest + limits.target
    for name in _POSITIONS:
        positions = getattr(config, name, None)
        if isinstance(positions, int) and 0 < positions < needed and not hasattr(config, _RELATIVE):
            raise StudentError(
                f"prompts and targets need {needed} positions, the model has {name} = {positions}; "
                "lower student.max_source_tokens, max_plan_source_tokens or max_target_tokens"
            )
