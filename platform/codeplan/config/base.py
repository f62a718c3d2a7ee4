"""What all sections of a configuration share: they are frozen and closed, and some of their keys are addresses."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

Task = Literal["code", "plan", "plan_code"]
TASKS: tuple[Task, ...] = ("code", "plan", "plan_code")


@dataclass(frozen=True)
class Address:
    """Marks a key that says where something is found, not what it is: it never enters a fingerprint."""


@dataclass(frozen=True)
class AddedLater:
    """Marks a key that enters a fingerprint only where it is not at its default: what was made before there was such a
    key is what its default makes, and is still found.
    """


def _expand_home(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111  # a text: Path would drop what tells a folder from a model's name


FilePath = Annotated[str, AfterValidator(_expand_home)]
"""A path; ``~`` is the user's home, environment variables are not expanded."""

_NUMBERS = (int, float, int | None, float | None, dict[Task, float])


class Settings(BaseModel):
    """Base of all sections: frozen, an unknown key is an error, and numbers are finite and not booleans."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    _of_any_kind: ClassVar[frozenset[str]] = frozenset()
    """Keys that take values of other keys, booleans too."""

    @model_validator(mode="before")
    @classmethod
    def _booleans_are_not_numbers(cls, values: Any) -> Any:
        # Pydantic takes true for 1.
        for name, value in values.items() if isinstance(values, dict) else ():
            known = name in cls.model_fields and name not in cls._of_any_kind
            kind = cls.model_fields[name].annotation if known else None
            if (kind in _NUMBERS or get_origin(kind) in {tuple, Literal}) and any(map(_is_boolean, leaves(value))):
                raise ValueError(f"{name} should be a number, not true or false")
        return values

    def identity(self) -> dict[str, Any]:
        """What a fingerprint covers, as plain JSON data: every key but the addresses, and `AddedLater` ones at their
        defaults.
        """
        return {
            name: value.identity() if isinstance(value := getattr(self, name), Settings) else plain
            for name, plain in self.model_dump(mode="json").items()
            if not self._left_out(name)
        }

    def _left_out(self, name: str) -> bool:
        field = type(self).model_fields[name]
        default = field.get_default(call_default_factory=True)
        return any(
            isinstance(mark, Address) or (isinstance(mark, AddedLater) and getattr(self, name) == default)
            for mark in field.metadata
        )


def leaves(value: Any) -> Iterator[Any]:
    """The values inside nested dicts and lists."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def is_finite(value: Any) -> bool:
    """Whether a value is anything but an infinite number or NaN."""
    return not isinstance(value, float) or math.isfinite(value)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)
