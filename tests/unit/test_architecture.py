"""The rules of the code base: which package may import which, what must never exist, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGES = {"codeplan": ROOT / "platform" / "codeplan", "codeplan_sandbox": ROOT / "sandbox" / "codeplan_sandbox"}

FOUNDATION = {
    *("codeplan", "config", "environment", "errors", "files", "pool", "problem_blocks"),
    *("progress", "randomness", "records", "stage", "tracking", "watching"),
}
LAYERS = (
    "problems",
    "teacher",
    "student",
    "inference",
    "evaluation",
    "on_ray",
    "stages",
    "past_runs",
    "specs",
    "pipeline",
    "status",
    "renewal",
    "preflight",
    "sweeps",
    "submission",
    "cli",
)
"""The packages above the foundation; each may import what is before it, but for the exceptions."""
APART = {
    "teacher": {"problems"},
    "student": {"problems", "teacher"},
    "inference": {"problems", "teacher"},
    "evaluation": {"problems", "teacher", "student"},
}
"""What a package may not import although it is before it."""


def sources() -> list[Path]:
    return sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package(path: Path) -> str:
    parts = path.relative_to(PACKAGES["codeplan"]).with_suffix("").parts
    return "codeplan" if parts == ("__init__",) else parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    names = imported(path)
    if path.is_relative_to(PACKAGES["codeplan_sandbox"]):
        foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"codeplan_sandbox"}
        assert not foreign, "the sandbox has no dependencies"
        return
    own = package(path)
    assert own in FOUNDATION | set(LAYERS), f"give {own} a place in this test and in docs/architecture.md"
    used = {name.split(".")[1] for name in names if name.startswith("codeplan.")}
    below = set(LAYERS[: LAYERS.index(own)]) - APART.get(own, set()) if own in LAYERS else set()
    allowed = FOUNDATION | {own} | below | {"__version__"}
    assert used <= allowed, f"{own} imports {used - allowed}"
    if own not in {"on_ray", "submission"}:
        assert not any(name.split(".")[0] == "ray" for name in names), "only on_ray imports ray"
    if own == "submission":
        ray = {name for name in names if name.split(".")[0] == "ray"}
        assert all(name.startswith(("ray.job_submission", "ray.exceptions")) or name == "ray" for name in ray), ray
    if own != "tracking":
        assert not any(name.split(".")[0] == "mlflow" for name in names), "tracking is the only door to MLflow"


@pytest.mark.parametrize("package", ["stages", "inference", "on_ray", "student", "teacher", "problems", "evaluation"])
def test_what_runs_a_stage_does_not_know_the_whole_configuration(package: str) -> None:
    for path in (PACKAGES["codeplan"] / package).rglob("*.py"):
        assert "codeplan.config.Config" not in imported(path), f"{path.name}: take the sections that are hashed"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name


def test_jobs_are_short() -> None:
    hidden = {"evaluate", "datasets", "ray", "torch", "train", "data", "report"}
    for job in (ROOT / "jobs").glob("*.py"):
        assert job.read_text(encoding="utf-8").count("\n") <= 40
        assert job.stem not in hidden, "a job's folder lands on the workers' sys.path"


@pytest.mark.parametrize("folder", ["platform", "sandbox"])
def test_source_folders_are_not_packages(folder: str) -> None:
    assert not list((ROOT / folder).glob("*.py")), (
        "with an __init__.py platform/ would hide the standard library's module"
    )
    assert f"/{folder}/__init__.py" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_standard_library_keeps_its_platform_module() -> None:
    code = "import sys; sys.path.insert(0, '.'); import platform; print(platform.system())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_tests_are_not_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
    assert not (ROOT / "tests" / "platform").exists()


def test_what_is_shipped_to_a_cluster_exists() -> None:
    shipped = yaml.safe_load((ROOT / "cluster" / "runtime_env.yaml").read_text(encoding="utf-8"))
    assert (ROOT / shipped["working_dir"]).resolve() == ROOT
    assert {ROOT / path for path in shipped["py_modules"]} == set(PACKAGES.values())


def test_no_file_names_a_registry_or_a_machine() -> None:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    forbidden = ("--extra-" + "index-url", "--index-" + "url", "pypi" + ".org", "/wo" + "rk/", "/ro" + "ot/")
    for name in names:
        content = (ROOT / name).read_bytes()
        assert not [word for word in forbidden if word.encode() in content], name
