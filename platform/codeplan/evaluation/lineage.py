"""What a report was made from: the identity of every stage before it, kept with it, to compare it with another.

The report stage writes ``stages.json`` into its folder: by role, each stage's name, version, settings, inputs and
fingerprint. That is all that can decide a result; where and how fast a run executed is not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan.errors import UserError
from codeplan.files import write_text
from codeplan.stage import Stage, fingerprint
from codeplan.tracking import flatten

FILE = "stages.json"

_KEYS: Mapping[str, Mapping[str, str]] = {
    "train": {"source.": "problems.train.", "": "problems.train."},
    "test": {"source.": "problems.test.", "": "problems.test."},
    "plans": {"teacher.": "teacher.", "": "teacher."},
    "student": {"student.": "student.", "training.": "training.", "": "student."},
    "samples": {
        "comparator": "judging.comparator",
        "packages": "judging.packages",
        "example_tests.": "judging.example_tests.",
        "": "sampling.",
    },
    "verdicts": {"": "judging."},
    "report": {"report.": "report."},
}
"""By role, how a key of the stage's settings starts, and how the configuration's key for it does. What a stage looked
up by itself, as the digest of a file, gets a key in the section that names the file. The oracle's settings are those of
the plans, but for numbers that are always 1."""

_DERIVED = {"sampling.fewest_plans"}
"""Follows from report.plan_counts."""

SEEDS = {"teacher.seed", "training.seed", "sampling.seed", "report.seed"}
"""The keys that change which random numbers are drawn, and nothing else; the seed of generated problems is not one."""


_CODE_ONLY = "student-code-"
"""How the roles of students start that learned from code alone."""

_OF_A_SEGMENT = ("learning_rate", "weight_decay", "mixing", "weights")
"""Settings in which the earlier segments of a training may differ."""


class LineageError(UserError):
    """The file of a report's stages is missing or cannot be read."""


@dataclass(frozen=True)
class Lineage:
    """The stages of a report, by role; each is a stage's identity, as plain data."""

    stages: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, stage: Stage) -> Lineage:
        """The stage itself and all that it was made from."""
        found: dict[str, Mapping[str, Any]] = {}

        def add(role: str, member: Stage) -> None:
            for source, before in member.inputs.items():
                # Each segment of a training continues the one before it.
                add(f"{role}.{source}" if source == "start" else before.role, before)
            found[role] = member.identity()

        add(stage.role, stage)
        return cls(found)

    @property
    def fingerprints(self) -> dict[str, str]:
        """By role, in the order in which the stages ran."""
        return {role: fingerprint(identity) for role, identity in self.stages.items()}

    def settings(self) -> dict[str, Any]:
        """All settings that decide the result, by their keys in the configuration; ``version.STAGE`` is the code's."""
        found: dict[str, Any] = {}
        for role, identity in self.stages.items():
            for key, value in flatten(identity["settings"]).items() if role in _KEYS else ():
                start = next(start for start in _KEYS[role] if key.startswith(start))
                found[_KEYS[role][start] + key[len(start) :]] = value
            if role.startswith("student."):
                training = identity["settings"]["training"]
                for key, value in flatten({name: training[name] for name in _OF_A_SEGMENT}).items():
                    found[f"training.earlier.{training['steps']}.{key}"] = value
            found[f"version.{identity['name']}"] = identity["version"]
        alone = sorted(role.removeprefix(_CODE_ONLY) for role in self.stages if role.startswith(_CODE_ONLY))
        if kinds := [kind for kind in alone if "-seed" not in kind]:
            found["baselines.code_only"] = kinds
        if repeats := sum(role.startswith("samples-seed") for role in self.stages):
            found["repeats"] = 1 + repeats
        return {key: value for key, value in found.items() if key not in _DERIVED}


def differing_keys(lineages: Sequence[Lineage]) -> list[str]:
    """The keys of settings that not all of them have with the same value."""
    settings = [lineage.settings() for lineage in lineages]
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if any(key not in one or one[key] != settings[0].get(key) for one in settings)]


def shared_roles(a: Lineage, b: Lineage) -> list[str]:
    """The roles that one and the same stage plays in both."""
    there = b.fingerprints
    return [role for role, identity in a.fingerprints.items() if there.get(role) == identity]


def write(lineage: Lineage, folder: Path) -> Path:
    """Write the stages into a report's folder; the same stages give the same bytes."""
    path = folder / FILE
    write_text(path, json.dumps(lineage.stages, indent=1) + "\n")
    return path


def read(folder: Path) -> Lineage:
    """The stages that `write` wrote into a folder.

    Raises:
        LineageError: there are none, or the file is damaged.
    """
    path = folder / FILE
    try:
        return Lineage(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise LineageError(f"{path} cannot be read: {error.strerror}; name the folder of a finished report") from error
    except ValueError as error:
        raise LineageError(f"{path} is damaged: {error}; delete its folder and run the pipeline again") from error
