"""The contents of a Ray job's package, compared with Ray's own packaging code."""

import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from ray._private.runtime_env.packaging import create_package

from codeplan.on_ray.package import PackageError, check, packaged_files

ROOT = Path(__file__).parents[2]
EXCLUDED = (
    ".git/objects/pack/one.pack",
    ".venv/lib/big.so",
    "data/apps/problem.json",
    "runs/stages/part.parquet",
    "tests/unit/test_one.py",
    "docs/figure.png",
    ".mypy_cache/one.json",
    ".env",
    ".env.local",
    "jobs/.envrc",
    "cluster/.env",
    "platform/codeplan/__pycache__/one.pyc",
)
INCLUDED = (
    "jobs/codeplan_job.py",
    "jobs/configs/demo.yaml",
    "cluster/compose.env.example",
    "platform/codeplan/data/words.txt",  # a package's own folder of that name
    "platform/codeplan/runs/__init__.py",
    "sandbox/codeplan_sandbox/__init__.py",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (".gitignore", ".rayignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (*EXCLUDED, *INCLUDED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def shipped() -> dict[str, object]:
    loaded: dict[str, object] = yaml.safe_load((ROOT / "cluster" / "runtime_env.yaml").read_text())
    return loaded


def test_package_includes_code_and_excludes_data_and_results(
    checkout: Path, shipped: dict[str, object], tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    excludes = list(shipped.get("excludes") or [])  # type: ignore[call-overload]
    create_package(str(checkout), package, include_gitignore=True, excludes=excludes)
    names = set(zipfile.ZipFile(package).namelist())
    assert names >= set(INCLUDED)
    assert not names & set(EXCLUDED)
    module = tmp_path / "module.zip"
    create_package(
        str(checkout / "platform" / "codeplan"),
        module,
        include_gitignore=True,
        include_parent_dir=True,
        excludes=excludes,
    )
    assert {"codeplan/data/words.txt", "codeplan/runs/__init__.py"} <= set(zipfile.ZipFile(module).namelist())


def test_listed_files_are_those_that_ray_packages(checkout: Path, tmp_path: Path) -> None:
    runtime_env = {"working_dir": ".", "excludes": ["*.yaml"]}
    package = tmp_path.with_suffix(".zip")
    listed = {file.path.as_posix() for file in packaged_files(runtime_env, checkout)}
    create_package(str(checkout), package, include_gitignore=True, excludes=["*.yaml"])
    assert listed == set(zipfile.ZipFile(package).namelist())
    assert "jobs/configs/demo.yaml" not in listed


def test_too_large_package_names_its_largest_files(checkout: Path, shipped: dict[str, object]) -> None:
    assert check(shipped, checkout)
    for number in range(12):
        with (checkout / f"weights-{number:02}.bin").open("wb") as file:
            file.truncate((number + 1) * 1024 * 1024)
    with pytest.raises(PackageError, match=r"more than 50\.00 MiB") as error:
        check(shipped, checkout, limit=50 * 1024 * 1024)
    largest = [f"weights-{number:02}.bin ({number + 1}.00 MiB)" for number in range(11, 1, -1)]
    assert ", ".join(largest) in str(error.value)
    assert "weights-01" not in str(error.value)


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="does not exist"):
        packaged_files({"working_dir": "nowhere"}, tmp_path)
    assert packaged_files({"working_dir": "s3://bucket/code.zip"}, tmp_path) == []
