"""Stages of a finished report, made again from what it wrote of them: they find their records, and cannot be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codeplan.config import Settings
from codeplan.errors import UserError
from codeplan.evaluation.lineage import Lineage
from codeplan.inference.settings import SampleSettings
from codeplan.stage import Stage


class StoredSettings(Settings):
    """Settings as a report stored them."""

    stored: dict[str, Any]
    """What the fingerprint covers."""

    def identity(self) -> dict[str, Any]:
        """The same."""
        return self.stored


def stored_stages(lineage: Lineage, home: Path) -> dict[str, Stage]:
    """The stages of a report, by role.

    Raises:
        UserError: another version of codeplan wrote the settings of a sample stage.
    """
    stages: dict[str, Stage] = {}
    by_fingerprint: dict[str, Stage] = {}
    for role, identity in lineage.stages.items():  # in the order in which they ran
        settings = _settings(identity, home)
        inputs = {name: by_fingerprint[fingerprint] for name, fingerprint in identity["inputs"].items()}
        stage = Stage(role, identity["name"], identity["version"], settings, inputs, home)
        stages[role] = by_fingerprint[stage.fingerprint] = stage
    return stages


def _settings(identity: Any, home: Path) -> Settings:
    stored = identity["settings"]
    if identity["name"] != "sample":
        return StoredSettings(stored=stored)
    try:
        settings = SampleSettings.model_validate(stored)
    except ValidationError:
        settings = None
    if settings is None or settings.identity() != stored:
        raise UserError(
            f"the samples of a report in {home} were made by another version of codeplan; read them with that version, "
            "or run the configuration again"
        )
    return settings
