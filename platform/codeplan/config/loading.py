"""Reading a configuration: one YAML file, overrides from the command line, and messages for invalid values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codeplan.config import Config, FileSource, MiniAppsSource, Settings
from codeplan.config.yaml_reader import YamlError, read_yaml
from codeplan.errors import UserError, one_line

_MAX_BYTES = 256 * 1024
_MAX_LISTED = 3
"""Errors listed in one message; the rest are counted."""


class ConfigError(UserError, ValueError):
    """An invalid configuration; the message names the key, what is wrong and what would be valid."""


def load(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Read a configuration and apply ``key.path=value`` overrides, whose values are YAML; no value is the empty string.

    Overrides are applied in order: of several for one key the last one wins.

    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown or duplicate, or a value is invalid.
    """
    return parse(load_plain(path, overrides), where=one_line(path, 120))


def load_plain(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> dict[str, Any]:
    """What `load` validates: the settings as they are written.

    Raises:
        ConfigError: the file is missing or not YAML, or a key is duplicate.
    """
    name = one_line(path, 120)
    try:
        plain = read_yaml(_file_bytes(Path(path), name))
    except YamlError as error:
        raise ConfigError(f"configuration {name} is not valid YAML: {error}") from error
    if plain is None:
        raise ConfigError(f"configuration {name} is empty; see jobs/configs for examples")
    if not isinstance(plain, dict):
        kind = "a list" if isinstance(plain, list) else f"the scalar {one_line(plain, 40)!r}"
        raise ConfigError(f"configuration {name} must be a mapping of keys to values, not {kind}")
    for override in overrides:
        _override(plain, override)
    return plain


def _file_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or one_line(error)
        hint = "; name the YAML file in it" if isinstance(error, IsADirectoryError) else ""
        raise ConfigError(f"cannot read configuration {name}: {reason}{hint}") from error
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"configuration {name} is larger than {_MAX_BYTES // 1024} KiB: is it a data file?")
    return content


def overridden(config: Config, overrides: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """The settings that overrides name, as they are in the configuration, by ``key.path`` in the order given."""
    found: dict[str, Any] = {}
    for override in overrides:
        parts = [part.strip() for part in override.partition("=")[0].split(".")]
        value: Any = config.model_dump(mode="json")
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        found[".".join(parts)] = value
    return found


def with_skip_bad(config: Config) -> Config:
    """The same configuration with ``skip_bad`` set for every data file."""
    sources = {
        split: source.model_copy(update={"skip_bad": True})
        for split in ("train", "test")
        if isinstance(source := getattr(config.problems, split), FileSource)
    }
    return config.model_copy(update={"problems": config.problems.model_copy(update=sources)})


def parse(plain: dict[str, Any], where: str = "configuration") -> Config:
    """Validate plain data.

    Raises:
        ConfigError: names the invalid keys and, for an unknown one, the valid keys of its section.
    """
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        messages = [_explain(details) for details in error.errors()]
        more = f"; and {len(messages) - _MAX_LISTED} more" if len(messages) > _MAX_LISTED else ""
        raise ConfigError(f"{where}: " + "; ".join(messages[:_MAX_LISTED]) + more) from error


def _override(plain: dict[str, Any], override: str) -> None:
    shown = one_line(override, 120)
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"override {shown!r} must have the form section.key=value")
    try:
        value = read_yaml(text) if text.strip() else ""
    except YamlError as error:
        raise ConfigError(f"override {shown!r}: the value is not valid YAML: {error}") from error
    *sections, last = parts
    for depth, section in enumerate(sections, 1):
        inner = plain.get(section)
        if inner is None:
            inner = plain[section] = {}
        if not isinstance(inner, dict):
            name = one_line(".".join(parts[:depth]), 80)
            kind = "a list: override the whole list, as in key=[1, 2]" if isinstance(inner, list) else "a value"
            raise ConfigError(f"override {shown!r}: {name} is not a section but {kind}")
        plain = inner
    plain[last] = value


def _explain(error: Any) -> str:
    # Pydantic puts a discriminated union's tag into the location; it is not a key of the file.
    location = [str(part) for part in error["loc"] if part not in _READERS]
    key = one_line(".".join(location), 80)
    if error["type"] == "extra_forbidden":
        keys = _valid_keys(error["loc"])
        return f"unknown key {key}" + (f"; valid keys here are {', '.join(keys)}" if keys else "")
    if error["type"] == "missing":
        return f"{key} is missing"
    message = one_line(error["msg"].removeprefix("Value error, "))
    if isinstance(error["input"], Settings | dict):
        return f"{key}: {message}" if key else message
    if error["type"] == "tuple_type":
        message = "Input should be a list, in brackets"
    if error["type"] == "string_type" and isinstance(error["input"], int | float):
        message += "; quote it"
    return f"{key}: {message} (got {one_line(repr(error['input']), 60)})"


_READERS: dict[str, type[Settings]] = {
    "miniapps": MiniAppsSource,
    **dict.fromkeys(("apps", "mbpp", "humaneval", "codecontests", "jsonl"), FileSource),
}


def _valid_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Config
    for part in location[:-1]:
        if part in _READERS:
            model = _READERS[str(part)]
        elif isinstance(model, type) and issubclass(model, Settings) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, Settings) else []
