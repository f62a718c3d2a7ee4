"""Keys of ``student.architecture``, checked against the Hugging Face configuration that they go into."""

from __future__ import annotations

from typing import Any

from codeplan.student.errors import StudentError

_FROM_TOKENIZER = ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def checked_keys(keys: dict[str, Any], default: Any) -> dict[str, Any]:
    """The keys, with 1e2 converted where an integer is expected, and 1 where a float is.

    Args:
        keys: the user's keys, without ``model_type``.
        default: the architecture's configuration with all its defaults.

    Raises:
        StudentError: the architecture has no such key, its value is of another type, or the tokenizer decides it.
    """
    known = default.to_dict().keys() | default.attribute_map.keys()
    if unknown := sorted(key for key in keys if key not in known):
        raise StudentError(f"student.architecture: {default.model_type} has no key {', '.join(unknown[:5])}")
    if decided := sorted(key for key in keys if key in _FROM_TOKENIZER):
        raise StudentError(f"student.architecture: leave out {decided[0]}, the trained tokenizer decides it")
    return {key: _value(key, value, getattr(default, key, None)) for key, value in keys.items()}


def _value(key: str, value: Any, default: Any) -> Any:
    wanted = type(default)
    if value is None or wanted not in _NAMES:
        return value
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise StudentError(f"student.architecture.{key} should be {_NAMES[wanted]} (got {value!r:.60})")
    return value
