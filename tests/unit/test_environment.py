"""Environments of containers and schedulers: no user name, no home directory, unusable temporary folders."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from codeplan.environment import EnvironmentVariableError, prepare, socket_base, user_name

CODEPLAN = Path(sys.executable).with_name("codeplan")
NAMELESS = "54321"


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare` changes the process; restore every variable that it may change."""
    for name in ("USER", "HOME", "TMPDIR", "MPLCONFIGDIR", "no_proxy", "NO_PROXY", "http_proxy", "RAY_TMPDIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        if not os.environ[name]:
            monkeypatch.delenv(name)


def longest_socket(base: Path) -> bytes:
    """A socket path as Ray constructs it."""
    return os.fsencode(base / "ray" / "session_2026-01-01_00-00-00_123456_4194304" / "sockets" / "plasma_store")


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_long_temporary_folder_gets_a_short_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setenv(variable, str(folder))
    prepare()
    base = socket_base()
    assert base.resolve() == folder.resolve(), "files stay on the disk that the user chose"
    assert len(longest_socket(base)) <= 107
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(base / "socket"))
    assert (folder / "socket").exists()
    assert socket_base() == base


@pytest.mark.parametrize("value", ["/nonexistent/folder", "/dev/null", "not/there"])
@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_unusable_temporary_folder_is_replaced(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    prepare()
    assert (socket_base() / "ray").parent.is_dir()
    assert os.access(os.environ.get("TMPDIR", "/tmp"), os.W_OK)


def test_no_usable_temporary_folder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setattr("codeplan.environment._FALLBACKS", ("/nonexistent/too",))
    with pytest.raises(EnvironmentVariableError, match="TMPDIR=/nonexistent nor /nonexistent/too; set TMPDIR"):
        socket_base()


def test_usable_values_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("http_proxy", raising=False)
    before = dict(os.environ)
    prepare()
    assert dict(os.environ) == before


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_matplotlib_backend_of_a_notebook_is_replaced(backend: str) -> None:
    code = "from codeplan.environment import prepare; prepare(); import codeplan.evaluation.figures"
    assert run_python(code, MPLBACKEND=backend).returncode == 0


PREPARE = "from codeplan.cli.main import plain_errors\nwith plain_errors():\n    {}"


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ("RAY_memory_usage_threshold", "from codeplan.environment import prepare; prepare()"),
        ("HF_HUB_ETAG_TIMEOUT", "import huggingface_hub.constants"),
    ],
)
def test_variable_that_a_library_cannot_parse_is_named(variable: str, code: str) -> None:
    result = run_python(PREPARE.format(code), **{variable: "soon", "RAY_maximum_startup_concurrency": "2"})
    assert result.returncode == 1, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert f"the environment variable {variable} " in line


def test_secret_value_of_a_variable_is_not_printed() -> None:
    code = "raise ValueError('no such token: \\'hf_planted_0123456789\\'')"
    result = run_python(PREPARE.format(code), HF_TOKEN="hf_planted_0123456789")
    assert "HF_TOKEN" in result.stderr
    assert "hf_planted" not in result.stderr


def test_unrelated_error_is_not_attributed_to_the_environment() -> None:
    result = run_python(PREPARE.format("raise ValueError('of ours')"), HF_HUB_ETAG_TIMEOUT="")
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("value", ["", "example.org, 10.0.0.0/8", "localhost"])
def test_loopback_is_exempt_from_the_proxy(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", value)
    prepare()
    prepare()
    for variable in ("no_proxy", "NO_PROXY"):
        hosts = os.environ[variable].split(",")
        assert {"localhost", "127.0.0.1", "::1"} <= set(hosts)
        assert len(hosts) == len(set(hosts))
        assert "example.org" in hosts or "example.org" not in value


def as_nameless(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user id without a name, with only these environment variables."""
    identity = ["setpriv", "--reuid", NAMELESS, "--regid", NAMELESS, "--clear-groups"]
    paths = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [*identity, *command], env=paths | variables, cwd=folder, capture_output=True, text=True, check=False
    )


def test_user_without_name_and_home_directory_in_a_home_with_special_characters(
    new_home: Callable[[Path], Path],
) -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become a user without a name")
    if as_nameless([sys.executable, "-c", "import codeplan"], Path("/")).returncode:
        pytest.skip("other users cannot read this Python")
    # Not below pytest's own folder, which other users cannot read.
    folder = Path("/tmp") / f"codeplan-test-{os.getpid()}"
    home = new_home(folder / "a?b #1% ü it's [b]" / "home")
    source = {"reader": "miniapps", "split": "train", "count": 2}
    plain = {
        "name": "[/odd] name",
        "problems": {"train": source, "test": {**source, "split": "test"}},
        "student": {"model": "m"},
        "execution": {"home": str(home)},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(plain))
    for path in (folder, *folder.rglob("*")):
        os.chown(path, int(NAMELESS), int(NAMELESS))
    variables = {
        "TMPDIR": "/nonexistent",
        "http_proxy": "http://127.0.0.1:9",
        "MLFLOW_RUN_ID": "of-somebody-else",
        "MLFLOW_EXPERIMENT_ID": "77",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_READ_REPLICA_BACKEND_STORE_URI": "sqlite:////nonexistent/replica.db",
        "MLFLOW_ENABLE_WORKSPACES": "true",
    }
    try:
        result = as_nameless([str(CODEPLAN), "problems", str(folder / "config.yaml")], folder, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == ""
        assert "\n[/odd] name  home" in result.stdout
        assert "2 problems in, 2 out" in result.stdout
        hint = result.stdout.strip().splitlines()[-1].removeprefix("To compare runs: ")
        assert shlex.split(hint)[-2:] == ["--home", str(home)], "the hint is a runnable command"
        assert {path.name for path in folder.iterdir()} == {home.parent.name, "config.yaml"}, (
            "nothing is written outside the home"
        )
        assert list((home / "artifacts").glob("**/config.yaml"))
    finally:
        shutil.rmtree(folder)


def test_user_name() -> None:
    assert user_name()
