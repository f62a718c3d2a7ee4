"""The special token ids that training and generation need, taken from the tokenizer and completed."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig

from codeplan.student.errors import StudentError


def complete_special_ids(model: Any, tokenizer: Any) -> None:
    """Give a pretrained model the ids of its tokenizer and, to an encoder-decoder without one, a decoder start.

    A folder may name no ``decoder_start_token_id``. Then the pad token starts the decoder, as in T5-like models;
    families that start otherwise (BART with its EOS token) carry the id as a default of their configuration class.

    Raises:
        StudentError: the decoder's start is not a token of the model.
    """
    config = model.config
    own_pad = getattr(config, "pad_token_id", None)
    config.pad_token_id = tokenizer.pad_token_id
    config.eos_token_id = tokenizer.eos_token_id
    _keep_savable_generation_settings(model)
    if not config.is_encoder_decoder:
        return
    start = getattr(config, "decoder_start_token_id", None)
    if start is None:
        start = getattr(model.generation_config, "decoder_start_token_id", None)
    if start is None:
        start = tokenizer.pad_token_id if own_pad is None else own_pad
    tokens = model.get_input_embeddings().num_embeddings
    if not isinstance(start, int) or isinstance(start, bool) or not 0 <= start < tokens:
        raise StudentError(
            f"decoder_start_token_id {start!r:.40} is not one of the model's {tokens} tokens; correct its config.json"
        )
    config.decoder_start_token_id = start


def _keep_savable_generation_settings(model: Any) -> None:
    # Nothing here generates by them, but transformers refuses to save a model whose settings contradict each other.
    try:
        model.generation_config.validate(strict=True)
    except ValueError:
        model.generation_config = GenerationConfig.from_model_config(model.config)
