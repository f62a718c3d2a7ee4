"""Reading Hugging Face models and tokenizers: where they are, and what must be refused.

Code that comes with a model is never run (``trust_remote_code`` is always off), and weights in pickle files are read
with ``weights_only``: tensors, and no code.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
)

from codeplan.errors import one_line
from codeplan.student.errors import StudentError, library_errors, reason
from codeplan.student.revision import find_model, is_folder

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_LAYERS = (
    "num_hidden_layers",
    "num_layers",
    "num_decoder_layers",
    "encoder_layers",
    "decoder_layers",
)
_MAX_LAYERS = 1000


def locate_model(name: str, revision: str) -> tuple[str, str | None]:
    """What to read a model from: a folder, or a repository and its commit.

    Args:
        name: a folder, or a repository such as ``Salesforce/codet5-base``.
        revision: branch, tag or commit of a repository; empty for its main branch.

    Raises:
        StudentError: there is no such folder, or the hub cannot be reached and the cache holds no copy.
    """
    what = f"student.model {one_line(name, 120)!r} cannot be loaded"
    if is_folder(name):
        _check_folder(Path(name), what)
        return name, None
    if os.path.isfile(name):  # noqa: PTH113  # Path.is_file raises on names that are too long
        raise StudentError(f"{what}: it is a file; name the folder with config.json, the tokenizer and the weights")
    found = find_model(name, revision)
    return found.source, found.commit if found.source == name else None


_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024


def _check_folder(folder: Path, what: str) -> None:
    """Say what is missing in our own words; transformers would take the folder's name for a repository's."""
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise StudentError(f"{what}: the folder holds an adapter alone; merge it into its base model first")
    try:
        keys = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudentError(f"{what}: config.json cannot be read: {reason(error)}") from error
    if not isinstance(keys, dict) or not isinstance(model_type := keys.get("model_type"), str):
        raise StudentError(f"{what}: config.json names no model_type; is it the folder of a transformers model?")
    if model_type not in CONFIG_MAPPING:
        custom = "; it needs code of its own (auto_map), and code that comes with a model is never run"
        hint = custom if "auto_map" in keys else ""
        raise StudentError(
            f"{what}: transformers {transformers.__version__} knows no {one_line(model_type, 40)!r}{hint}"
        )
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        raise StudentError(f"{what}: the folder holds no tokenizer (tokenizer.json, or the files it is made from)")
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.stat().st_size < _LONGEST_POINTER and path.read_bytes().startswith(_LFS_POINTER):
            raise StudentError(f"{what}: {path.name} is a Git LFS pointer, not the file itself; run git lfs pull there")
    if (folder / "generation_config.json").exists():
        with library_errors(f"{what}: its generation_config.json is not valid; correct or delete it"):
            GenerationConfig.from_pretrained(folder)


def read_tokenizer(source: str | Path, revision: str | None = None) -> Any:
    """A tokenizer from a folder or a repository at a commit, as it is.

    Raises:
        StudentError: its files cannot be read.
    """
    with library_errors("its tokenizer cannot be read"):
        return AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)


def read_config(source: str | Path, revision: str | None = None) -> Any:
    """The configuration of a seq2seq or causal model from a folder or a repository at a commit.

    Raises:
        StudentError: it cannot be read, is quantized, too large, or no text generator.
    """
    with library_errors("its config.json is not valid"):
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        if getattr(config, "quantization_config", None):
            raise StudentError("the model is quantized and cannot be trained; use the one it was made from")
        check_size(config)
    return config


def read_model(source: str | Path, config: Any, revision: str | None = None) -> Any:
    """The model of a configuration, on the CPU and in 32-bit floats.

    Raises:
        StudentError: its weights cannot be read, are incomplete, or do not fit the configuration.
    """
    try:
        with library_errors("its weights cannot be read, as after a download that was cut off"):
            model, report = model_class(config).from_pretrained(
                source,
                config=config,
                revision=revision,
                dtype=torch.float32,
                trust_remote_code=False,
                weights_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except StudentError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError):
            raise StudentError("its pytorch_model.bin holds more than tensors; use a copy in safetensors") from error
        raise
    _check_complete(model, report)
    return model


def _check_complete(model: Any, report: dict[str, Any]) -> None:
    """Refuse a model with weights that its files do not give: transformers would only warn, and leave them random."""
    for name, in_file, in_model in sorted(report["mismatched_keys"]):
        raise StudentError(
            f"its weights do not fit its config.json: {one_line(name, 80)} is {list(in_file)} in the file and "
            f"{list(in_model)} by the configuration"
        )
    if missing := sorted(report["missing_keys"]):
        raise StudentError(
            f"its files lack {len(missing)} of the model's {len(model.state_dict())} weights, for example "
            f"{one_line(missing[0], 80)}: they were saved without them or for another architecture"
        )


def model_class(config: Any) -> Any:
    """The auto class for a configuration.

    Raises:
        StudentError: its architecture generates no text.
    """
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if type(config) not in kind._model_mapping:
        family = "an encoder-decoder" if config.is_encoder_decoder else "a causal"
        other = AutoModelForCausalLM if config.is_encoder_decoder else AutoModelForSeq2SeqLM
        hint = "; its is_encoder_decoder is wrong" if type(config) in other._model_mapping else ""
        raise StudentError(
            f"model_type {one_line(config.model_type, 40)} has no text generator as {family} model{hint}; "
            "choose a seq2seq or causal language model, such as t5 or gpt2"
        )
    return kind


def check_size(config: Any) -> None:
    """Refuse a model that this machine cannot hold, before anything of it is allocated.

    Raises:
        StudentError: more than 1,000 layers, or 32-bit weights beyond the machine's memory.
    """
    text = config.get_text_config()
    for name in _LAYERS:
        layers = getattr(text, name, None)
        if isinstance(layers, int) and layers > _MAX_LAYERS:
            raise StudentError(f"{name} = {layers:,} layers; at most {_MAX_LAYERS:,} are built")
    with torch.device("meta"):
        empty = model_class(config).from_config(config, trust_remote_code=False)
    needed = 4 * sum(parameter.numel() for parameter in empty.parameters())
    if needed > (available := _memory_bytes()):
        raise StudentError(f"its weights need {needed / 2**30:,.1f} GiB, the machine has {available / 2**30:,.1f} GiB")


def _memory_bytes() -> int:
    """The machine's memory, or what the container may use of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdigit() else memory
