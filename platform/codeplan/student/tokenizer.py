"""Tokenizers: a byte-level BPE trained on the training set, or a pretrained one with the tasks' special tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from codeplan.student.pretrained import read_tokenizer
from codeplan.student.tasks import HEADINGS, PREFIXES

PAD, BOS, EOS = "<pad>", "<s>", "</s>"

Span = Literal["word", "line"]

# A line break with its indentation is one piece, so that a block's depth can be one token; digits stand alone, so that
# numbers are spelled and never memorised. A word includes the space before it. Tokens that span words are those of
# SuperBPE (Liu et al. 2025, "SuperBPE: Space Travel for Language Models", arXiv 2503.13423), here without its first
# stage, which finds words: the texts of a training set from which a student starts are few and alike.
_PIECES: dict[Span, Regex] = {
    "word": Regex(r"\n(?: {4})*| {4}|\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s"),
    "line": Regex(r"\n(?: {4})*|\p{N}|[^\n\p{N}]+"),
}


def train_tokenizer(texts: Iterable[str], vocab_size: int, span: Span = "word") -> Any:
    """Train a byte-level BPE: it can encode every text, and the same texts give the same tokenizer.

    Args:
        texts: questions, programs and plans of the training set.
        vocab_size: the most tokens it may have, special tokens and the 256 bytes among them.
        span: what a token may span: a word, or a line up to a digit.

    Returns:
        A Hugging Face fast tokenizer with pad, BOS and EOS tokens and the tasks' prefixes, and no unknown token.
    """
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES[span], "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS, *PREFIXES],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bare.train_from_iterator(_with_headings(texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        extra_special_tokens=list(PREFIXES),
        clean_up_tokenization_spaces=False,
    )


def _with_headings(texts: Iterable[str]) -> Iterator[str]:
    # Every prompt has them, so that they should be a token per word at most; counted once, they would be spelled out.
    for text in texts:
        yield text
        yield from HEADINGS


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Load a pretrained tokenizer and add what the tasks need: prefixes, an EOS token, a pad token other than EOS.

    Args:
        name: a Hugging Face model's name, or a folder.
        revision: the commit of a name.
    """
    tokenizer = read_tokenizer(name, revision)
    if tokenizer.eos_token_id is None:
        tokenizer.add_special_tokens({"eos_token": EOS})
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        tokenizer.add_special_tokens({"pad_token": PAD})
    missing = [prefix for prefix in PREFIXES if prefix not in tokenizer.get_vocab()]
    if missing:
        tokenizer.add_tokens(missing, special_tokens=True)
    return tokenizer
