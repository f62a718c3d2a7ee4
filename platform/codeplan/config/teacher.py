"""The teacher: which model writes the plans behind human solutions, and how it is asked."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from codeplan.config.base import Address, Settings

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{20,}")
"""Keys that could be names: long, and a mixture of lower case, upper case and digits, as no variable's name is."""


class TeacherConfig(Settings):
    """Which model writes the plans behind human solutions, and how it is asked."""

    model: str = "offline-syntax-tree"
    """The model's name at the endpoint. The default is the offline teacher, which is not an LLM."""
    base_url: Annotated[str, Address()] = ""
    """An OpenAI-compatible endpoint; empty starts the offline teacher for the length of the stage."""
    api_key_env: Annotated[str, Address()] = "OPENAI_API_KEY"
    """Name of the environment variable that contains the key; the key itself never appears in a configuration."""
    prompt: str = "backward"
    """Name of the prompt template; see `codeplan.teacher.prompts`."""
    solutions_per_problem: int = Field(default=1, gt=0)
    """How many of a problem's solutions get plans."""
    plans_per_solution: int = Field(default=1, gt=0)
    """How many plans are requested per solution, each with a seed of its own."""
    temperature: float | None = Field(default=0.2, ge=0.0, allow_inf_nan=False)
    """``null`` leaves the setting out of the requests, as for ``top_p``, ``max_tokens`` and ``seed``. A setting that
    the model refuses is left out automatically, and the stage says so."""
    top_p: float | None = Field(default=1.0, gt=0.0, le=1.0)
    """Nucleus sampling: the smallest set of tokens whose probability reaches it."""
    max_tokens: int | None = Field(default=512, gt=0)
    """Length limit of an answer, in the teacher's tokens, reasoning tokens included."""
    seed: int | None = 0
    """Seed of a solution's first plan; each further plan counts one up."""
    keep_truncated_plans: bool = False
    """Keep plans that the length limit truncated, for training and for the oracle arm; by default they are dropped and
    counted. They never count as failed requests (``execution.max_failed_fraction``)."""
    allow_incomplete: bool = False
    """Finish the stage with the plans that are paid for when ``execution.budget_usd`` is exhausted; by default it
    fails. Which plans are missing depends on the budget, so another budget renews the plans and the student; plans that
    are paid for are not asked for again, neither then nor with ``false`` and a budget for all."""

    @model_validator(mode="after")
    def _api_key_env_is_a_name(self) -> TeacherConfig:
        # The message never repeats the value, which may be the key.
        if not _VARIABLE.fullmatch(self.api_key_env) or _KEY.fullmatch(self.api_key_env):
            raise ValueError(
                "api_key_env must be the name of an environment variable (letters, digits and underscores), such as "
                "OPENAI_API_KEY, and never the key itself; put the key into that variable"
            )
        return self

    @model_validator(mode="after")
    def _base_url_is_an_address(self) -> TeacherConfig:
        # The message never repeats the URL, which may contain a password.
        if self.base_url and (fault := _fault_of(self.base_url)):
            raise ValueError(f"base_url {fault}; it must look like https://api.openai.com/v1")
        return self


def _fault_of(address: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in address):
        return "contains whitespace or control characters"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "has a host or a port that is not valid"
    if parts.scheme not in {"http", "https"} or not host:
        return "does not start with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "contains a user name or password; the key belongs in the variable that teacher.api_key_env names"
    if "?" in address or "#" in address:
        return "contains a query or a fragment, after which no path can be added"
    return ""
