"""What a job takes along: the code, the files beside it, and its configuration."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import codeplan
import codeplan_sandbox
from codeplan.on_ray.package import check, packaged_files
from codeplan.submission.errors import SubmissionError
from codeplan.submission.runtime_env import read_runtime_env

RUNTIME_ENV = Path("cluster/runtime_env.yaml")
"""Used where the current folder has it."""
OWN_FOLDER = "submitted"
"""Folder in the job's working directory for a configuration that is not in the package."""
STOP_WAIT_S = 60
"""Seconds between SIGTERM and SIGKILL when a job is stopped; Ray's own 3 s end a run before it is marked as such."""
_NEVER_SENT = ("__pycache__/", ".env*")
"""In addition to ``excludes``: keys are usually kept in files such as .env and .envrc."""
_STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"


@dataclass(frozen=True)
class Staged:
    """What is uploaded.

    Attributes:
        runtime_env: Ray's; its paths are absolute.
        config: the configuration's path in the job's working directory.
        code: the folder of the code that travels, whose commit is noted.
        files: what travels beside the configuration, by the name that the runtime environment gives it.
    """

    runtime_env: dict[str, Any]
    config: str
    code: Path
    files: Mapping[str, Path]


@contextmanager
def staged(config: Path, runtime_env: Path | None = None) -> Iterator[Staged]:
    """Gather what a job takes along; it is there for the length of the block.

    With a runtime environment, the files of its working directory travel, without those that Git or Ray ignore; its
    paths are relative to the current folder. Without one only the configuration and the code that runs here do.

    Args:
        config: the configuration; it travels in any case, under its own path if that is in the working directory.
        runtime_env: a YAML file; None takes ``cluster/runtime_env.yaml`` if it exists.

    Raises:
        UserError: the runtime environment is not valid, a folder is missing, or it takes more than 100 MiB.
    """
    if config.name.startswith(".env"):
        raise SubmissionError(f"{config} does not travel, as files named .env... usually hold keys; rename it")
    root = Path.cwd()
    source = runtime_env or (RUNTIME_ENV if RUNTIME_ENV.is_file() else None)
    plain = read_runtime_env(source, root) if source else _own()
    plain["excludes"] = [*(plain.get("excludes") or []), *_NEVER_SENT]
    files = {str(file.path): root / file.path for file in check(plain, root)}
    with tempfile.TemporaryDirectory(prefix="codeplan-job-") as folder:
        stage = Path(folder) / "working_dir"
        stage.mkdir()
        name = _copy(plain, root, config, stage)
        shipped = {**plain, "py_modules": [_absolute(module, root) for module in plain.get("py_modules") or []]}
        shipped["working_dir"] = str(stage)
        shipped["env_vars"] = {_STOP_WAIT: str(STOP_WAIT_S), **(plain.get("env_vars") or {})}
        if name not in {file.path.as_posix() for file in packaged_files({**shipped, "working_dir": "."}, stage)}:
            raise SubmissionError(
                f"{config} would be left out of the job's package by `excludes` in {source}; change it"
            )
        modules = [Path(module) for module in shipped["py_modules"] if Path(module).name == "codeplan"]
        yield Staged(shipped, name, next((module for module in modules if module.is_dir()), _package(codeplan)), files)


def _own() -> dict[str, Any]:
    return {"py_modules": [str(_package(module)) for module in (codeplan, codeplan_sandbox)]}


def _package(module: Any) -> Path:
    return Path(module.__file__).parent


def _absolute(module: str, root: Path) -> str:
    return module if "://" in module else str((root / module).resolve())


def _copy(plain: dict[str, Any], root: Path, config: Path, stage: Path) -> str:
    """Copy the working directory's files and the configuration; returns the configuration's path in the copy.

    The lists of ignored files stay behind: they have done their work, and might name the configuration.
    """
    base = root
    if plain.get("working_dir"):
        base = (root / plain["working_dir"]).resolve()
        for file in packaged_files({**plain, "py_modules": []}, root):
            relative = file.path.relative_to(plain["working_dir"])
            if relative.name not in {".gitignore", ".rayignore"}:
                (stage / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / file.path, stage / relative)
    inside = plain.get("working_dir") and config.resolve().is_relative_to(base)
    target = config.resolve().relative_to(base) if inside else Path(OWN_FOLDER) / config.name
    (stage / target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(config, stage / target)
    return target.as_posix()
