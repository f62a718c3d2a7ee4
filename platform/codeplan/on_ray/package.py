"""The contents of a Ray job's package, before it is uploaded: ``python -m codeplan.on_ray.package RUNTIME_ENV.yaml``.

Run it in the directory where ``ray job submit`` will run. Data, results and virtual environments do not belong in a
package; Ray itself rejects more than 512 MiB, but only after packing them.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ray._private.ray_constants import RAY_RUNTIME_ENV_IGNORE_GITIGNORE, get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

from codeplan.errors import UserError

LIMIT = 100 * 1024 * 1024
"""Bytes before compression. The platform's own code takes less than one hundredth of it."""
_MAX_LISTED = 10


class PackageError(UserError):
    """A job's package is too large, or cannot be built."""


@dataclass(frozen=True)
class PackagedFile:
    """A file of a package: its path as the configuration names it, and its size in bytes."""

    path: Path
    size: int


def packaged_files(runtime_env: dict[str, Any], root: Path) -> list[PackagedFile]:
    """The files of a package, by Ray's own rules: .gitignore, .rayignore, ``excludes`` and its defaults.

    Args:
        runtime_env: ``working_dir``, ``py_modules`` and ``excludes``; URIs of remote packages are skipped.
        root: the folder that the paths are relative to.

    Raises:
        PackageError: a folder is missing.
    """
    excludes = list(runtime_env.get("excludes") or [])
    sources = [(name, excludes) for name in runtime_env.get("py_modules") or []]
    if runtime_env.get("working_dir"):
        sources.append((runtime_env["working_dir"], [*get_runtime_env_default_excludes(), *excludes]))
    files = []
    for name, patterns in sources:
        if "://" in str(name):
            continue
        folder = (root / name).absolute()
        if not folder.exists():
            raise PackageError(f"{folder} does not exist; it is named as working_dir or in py_modules")
        files += _files(folder, Path(name), patterns)
    return files


def check(runtime_env: dict[str, Any], root: Path, limit: int = LIMIT) -> list[PackagedFile]:
    """The files of a package.

    Raises:
        PackageError: they take more than ``limit`` bytes; the message names the largest.
    """
    files = packaged_files(runtime_env, root)
    size = sum(file.size for file in files)
    if size > limit:
        largest = sorted(files, key=lambda file: -file.size)[:_MAX_LISTED]
        names = ", ".join(f"{file.path} ({_mebibytes(file.size)})" for file in largest)
        raise PackageError(
            f"the job's package would take {_mebibytes(size)}, more than {_mebibytes(limit)}; its largest files: "
            f"{names}. List what is not code in .rayignore, and put data where all nodes can read it"
        )
    return files


def _files(folder: Path, name: Path, patterns: list[str]) -> list[PackagedFile]:
    files = []

    def add(path: Path) -> None:
        if path.is_file():
            files.append(PackagedFile(name / path.relative_to(folder), path.stat().st_size))

    with_gitignore = os.environ.get(RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    matches = [_get_excludes(folder, patterns)]
    _dir_travel(folder, matches, add, include_gitignore=with_gitignore, logger=logging.getLogger(__name__))
    return files


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.2f} MiB"


def main() -> None:
    """Print the files that would be uploaded; exit code 1 if they are too large."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "cluster/runtime_env.yaml")
    try:
        files = check(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, Path.cwd())
    except (UserError, OSError, yaml.YAMLError) as error:
        print(f"codeplan: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    for file in sorted(files, key=lambda file: -file.size)[:_MAX_LISTED]:
        print(f"{_mebibytes(file.size):>12}  {file.path}")
    print(f"{_mebibytes(sum(file.size for file in files)):>12}  {len(files):,} files in all")


if __name__ == "__main__":
    main()
