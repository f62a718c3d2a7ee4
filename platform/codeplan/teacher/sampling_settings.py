"""Which sampling setting a server refuses, and what requests look like without it.

Models differ in what they accept: some call the length limit ``max_completion_tokens``, some fix the temperature, some
accept ``temperature`` or ``top_p`` but not both. Servers say so in many forms; what we read into them is tried, and
kept only where the request then succeeds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from codeplan.teacher.failures import ErrorBody, is_about_content
from codeplan.teacher.requests import TeacherRequest

STATUSES = frozenset({400, 422, 500, 501})
"""HTTP statuses that refuse a setting; servers that pass settings on unchecked fail with a 500."""

_NAMES = {
    "top_p": re.compile(r"\btop[_ -]?p\b", re.IGNORECASE),
    "seed": re.compile(r"\bseed\b", re.IGNORECASE),
    "temperature": re.compile(r"\btemperature\b", re.IGNORECASE),
    "max_tokens": re.compile(r"\bmax_?(?:completion_?|output_?|new_?)?tokens\b", re.IGNORECASE),
}
"""What servers call the settings, in the order in which one of two is left out."""

_REFUSED = re.compile(
    r"\bun\w+|\bnot\b|\bno\b|n't\b|cannot|\bonly\b|\bextra|forbidden|deprecated|removed?\b|instead"
    r"|\binvalid (?:param|arg|field)|\bor\b|\bboth\b|mutually|conflict|disallowed|ignored|omit|"
    r"\bfixed\b|default|must be (?:1|set)\b",
    re.IGNORECASE,
)
_OF_TWO = re.compile(r"\bboth\b|mutually|\bonly one\b|\bone of\b|\beither\b|not together", re.IGNORECASE)
_OUT_OF_RANGE = re.compile(
    r"\btoo (?:large|small|high|low|big|long)|at (?:most|least)|maximum|minimum|exceed|out of range|greater|less than|"
    r"larger|smaller|between|\brange\b|positive|\bbelow\b|\babove\b|>=|<=|≤|≥",
    re.IGNORECASE,
)
_RANGE_CODES = re.compile(r"(?:above|below)_m\w+_value|greater_than|less_than|out_of_range|_parsing$|_type$")
_SENTENCE = re.compile(r"(?<=[.!;\n])\s+")


@dataclass(frozen=True)
class Adaptation:
    """How requests are changed for one endpoint.

    Attributes:
        left_out: settings that are not sent, in the order in which they were refused.
        length_name: what the endpoint calls the length limit.
        reasons: the server's message about each setting left out.
    """

    left_out: tuple[str, ...] = ()
    length_name: str = "max_tokens"
    reasons: dict[str, str] = field(default_factory=dict, compare=False)

    def settings(self, request: TeacherRequest) -> dict[str, Any]:
        """The sampling settings to send: those that the request states and the endpoint does not refuse."""
        stated = {name: getattr(request, name) for name in _NAMES if name not in self.left_out}
        return {
            self.length_name if name == "max_tokens" else name: value
            for name, value in stated.items()
            if value is not None
        }

    def without_refused(self, request: TeacherRequest, body: ErrorBody, *, keep_limit: bool) -> Adaptation | None:
        """The adaptation to try next after an error; None where no setting that was sent seems to be refused.

        Args:
            request: the request that failed.
            body: the error response.
            keep_limit: whether the length limit must be sent, because a budget depends on it.
        """
        sent = self.settings(request)
        names = [name for name in _NAMES if (self.length_name if name == "max_tokens" else name) in sent]
        refused = _refused(body, names, request)
        if refused is None:
            return None
        if refused == "max_tokens" and self.length_name == "max_tokens":
            return replace(self, length_name="max_completion_tokens")
        if refused == "max_tokens" and keep_limit:
            return None
        return replace(self, left_out=(*self.left_out, refused), reasons={**self.reasons, refused: body.message})

    def merged(self, other: Adaptation) -> Adaptation:
        """Both adaptations, as two requests may detect different settings."""
        length_name = other.length_name if self.length_name == "max_tokens" else self.length_name
        left_out = tuple(dict.fromkeys((*self.left_out, *other.left_out)))
        return Adaptation(left_out, length_name, {**self.reasons, **other.reasons})


def _refused(body: ErrorBody, sent: list[str], request: TeacherRequest) -> str | None:
    if is_about_content(body) or any(_RANGE_CODES.search(code) for code in body.codes):
        return None
    by_param = [name for name in sent if any(_NAMES[name].search(param) for param in body.params)]
    by_message: list[str] = []
    for sentence in _SENTENCE.split(body.message):
        if _REFUSED.search(sentence) and not _OUT_OF_RANGE.search(sentence):
            by_message += [name for name in sent if _NAMES[name].search(sentence) and name not in by_message]
    if len(by_message) > 1 and _OF_TWO.search(body.message):
        # Of a pair, the one that has no effect is left out; top_p comes first.
        return next((name for name in by_message if name == "top_p" and request.top_p == 1.0), by_message[0])
    if by_param:
        return None if _OUT_OF_RANGE.search(body.message) and by_param[0] not in by_message else by_param[0]
    return by_message[0] if by_message else None
