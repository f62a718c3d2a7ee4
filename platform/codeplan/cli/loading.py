"""Reading a command's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codeplan.config import Config


def load(path: Path, settings: list[str] | None, *, skip_bad: bool) -> Config:
    """Read the configuration, once the environment is fit for what is imported after it."""
    from codeplan.config.loading import load as read
    from codeplan.config.loading import with_skip_bad
    from codeplan.environment import prepare

    prepare()
    config = read(path, settings or [])
    return with_skip_bad(config) if skip_bad else config
