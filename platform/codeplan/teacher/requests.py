"""A request to a teacher, and its answer."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from codeplan.stage import canonical


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: str


class TeacherRequest(BaseModel):
    """One request for one answer. Equal requests have equal keys, in all runs and on all machines.

    The key finds answers that were paid for: a field's name or order never changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    host: str
    """Host and port of the endpoint, never a key or a user name."""
    model: str
    messages: tuple[ChatMessage, ...]
    temperature: float | None
    """Not sent where it is None, like ``top_p``, ``max_tokens`` and ``seed``."""
    top_p: float | None
    max_tokens: int | None
    """Length limit of the answer, in the teacher's tokens."""
    seed: int | None
    sample_index: int = 0
    """Which of several answers to the same prompt this is; it is never sent."""

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits: SHA-256 of the request's canonical JSON."""
        return hashlib.sha256(canonical(self.model_dump()).encode("utf-8", "surrogatepass")).hexdigest()


class Answer(BaseModel):
    """A teacher's answer, and what it cost."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    """The model that the endpoint says answered; it may be a dated version of the one requested."""
    system_fingerprint: str = ""
    """The endpoint's name for its own configuration; answers to one seed may differ between two of them."""
    finish_reason: str = ""
    cost_usd: float = 0.0
    """What was paid for it; 0 where no price is configured."""
    refusal: str = ""
    """The model's words where it declined to answer."""
    left_out: tuple[str, ...] = ()
    """Sampling settings of the request that the teacher refuses, and that were not sent."""

    @property
    def truncated(self) -> bool:
        """Whether the length limit ended it."""
        return self.finish_reason.lower() in _TRUNCATED

    @property
    def filtered(self) -> bool:
        """Whether the provider's content filter ended it."""
        return self.finish_reason.lower() in _FILTERED


_TRUNCATED = frozenset(
    {"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "token_limit"}
)
_FILTERED = frozenset(
    {"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "sensitive", "refusal"}
)
