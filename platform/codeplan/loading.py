"""Reading a configuration: one YAML file, overrides from the command line, and messages for what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from codeplan.config import Config, FileSource, MiniAppsSource, Settings
from codeplan.errors import UserError


class ConfigError(UserError, ValueError):
    """A configuration that cannot be used; the message says which key, what is wrong and what would be right."""


def load(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Read a configuration and apply ``key.path=value`` overrides, whose values are YAML; nothing is the empty text.

    Raises:
        ConfigError: the file is missing or no YAML, a key is unknown, or a value does not fit.
    """
    try:
        plain = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is no valid YAML: {error}") from error
    if not isinstance(plain, dict):
        raise ConfigError(f"configuration {path} must hold keys and values, not {type(plain).__name__}")
    for override in overrides:
        _override(plain, override)
    return parse(plain, where=str(path))


def skipping_bad(config: Config) -> Config:
    """The same configuration, leaving broken rows out of every data file."""
    sources = {
        split: source.model_copy(update={"skip_bad": True})
        for split in ("train", "test")
        if isinstance(source := getattr(config.problems, split), FileSource)
    }
    return config.model_copy(update={"problems": config.problems.model_copy(update=sources)})


def parse(plain: dict[str, Any], where: str = "configuration") -> Config:
    """Validate plain data.

    Raises:
        ConfigError: names every key that does not fit and, for an unknown one, the keys that exist beside it.
    """
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(each) for each in error.errors())) from error


def _override(plain: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} must look like section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        if plain.get(section) is None:
            plain[section] = {}
        plain = plain[section]
        if not isinstance(plain, dict):
            raise ConfigError(f"override {override!r}: {section} is a value, not a section")
    try:
        plain[last] = yaml.safe_load(value) if value.strip() else ""
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: {value!r} is no valid YAML value") from error


def _explain(error: Any) -> str:
    # Pydantic puts a discriminated union's tag into the location; it is no key of the file.
    location = [str(part) for part in error["loc"] if part not in _READERS]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        keys = _keys_beside(error["loc"])
        return f"unknown key {key}" + (f"; valid keys here are {', '.join(keys)}" if keys else "")
    if error["type"] == "missing":
        return f"{key} is missing"
    if isinstance(error["input"], Settings | dict):
        return f"{key}: {error['msg']}" if key else str(error["msg"])
    return f"{key}: {error['msg']} (got {error['input']!r:.80})"


_READERS: dict[str, type[Settings]] = {
    "miniapps": MiniAppsSource,
    **dict.fromkeys(("apps", "mbpp", "humaneval", "codecontests", "jsonl"), FileSource),
}


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Config
    for part in location[:-1]:
        if part in _READERS:
            model = _READERS[str(part)]
        elif isinstance(model, type) and issubclass(model, Settings) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, Settings) else []
