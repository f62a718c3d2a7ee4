"""Submitting jobs: what is refused before anything is sent, what travels, how a log is shown, what an end means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from ray.job_submission import JobDetails

from codeplan.cli import main as cli
from codeplan.cli import submit as commands
from codeplan.on_ray.package import packaged_files
from codeplan.submission import COMMANDS, Job, SubmissionError, end_of
from codeplan.submission.credentials import dashboard_address, find_token, travels_openly
from codeplan.submission.log_stream import LogView
from codeplan.submission.request import JobRequest, new_job_id, terminal_variables
from codeplan.submission.secrets import require_no_secret_names, require_no_secrets, require_no_secrets_in_files
from codeplan.submission.staging import staged

pytestmark = pytest.mark.usefixtures("no_cluster")


def details(**fields: Any) -> JobDetails:
    return JobDetails(**{"type": "SUBMISSION", "submission_id": "run-a-1", "entrypoint": "python -m x", **fields})


# What is refused before anything is sent


def test_every_command_that_can_be_submitted_exists() -> None:
    assert set(COMMANDS) == {*cli.GOALS, "sweep", "check", "status"}


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("ui", (), r"'ui' cannot be submitted; what can be: run, sweep"),
        ("run", ("execution.home=runs",), r"execution.home is runs, a relative path: .*-s execution.home=/shared/runs"),
        ("run", ("execution.home=~/runs",), r"execution.home begins with ~, which is another folder on the cluster"),
        ("run", ("execution.ray_address=10.0.0.1:6379",), r"leave out execution.ray_address"),
        ("run", ("training.stepz=1",), "unknown key training.stepz"),
        ("run", ("tracking.uri=postgresql+psycopg2://me:hunter22@db/m",), r"tracking.uri contains a password.*PGPASS"),
        ("run", ("tracking.uri=https://me:hunter22@mlflow",), r"tracking.uri contains a password"),
    ],
)
def test_what_cannot_work_in_a_job_is_refused(job_config: Path, command: str, settings: tuple[str, ...], message: str):
    with pytest.raises(Exception, match=message) as error:
        JobRequest(command, job_config, settings).validated()
    assert "hunter22" not in str(error.value)


def test_an_empty_section_is_as_if_it_were_not_there(job_config: Path) -> None:
    plain = yaml.safe_load(job_config.read_text())
    job_config.write_text(yaml.safe_dump({**plain, "execution": None}))
    with pytest.raises(SubmissionError, match=r"execution\.home is runs, a relative path"):
        JobRequest("run", job_config).validated()


def test_a_job_uses_its_own_cluster_whatever_the_configuration_says(job_config: Path) -> None:
    command = JobRequest("run", job_config, ("name=it's",), skip_bad=True).entrypoint(
        "submitted/toy.yaml", {"COLUMNS": "80"}
    )
    assert command == (
        "COLUMNS=80 python -m codeplan.cli.main run submitted/toy.yaml -s 'name=it'\"'\"'s' -s "
        "execution.ray_address=auto --skip-bad"
    )


def test_ids_are_readable_and_distinct() -> None:
    first, second = new_job_id("run", "Größe 1/x"), new_job_id("run", "Größe 1/x")
    assert first.startswith("run-Gr-e-1-x-")
    assert first != second


def test_without_a_terminal_the_output_is_plain() -> None:
    assert terminal_variables(80) == {}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("", "http://127.0.0.1:8265"),
        ("10.0.0.1:8265", "http://10.0.0.1:8265"),
        ("https://ray.example.org/cluster/", "https://ray.example.org/cluster"),
    ],
)
def test_addresses(address: str, found: str) -> None:
    assert dashboard_address(address) == found


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://head:10001", "Ray Client's address"),
        ("auto", "is auto"),
        ("http://head:port", "no valid host and port"),
        ("http://me:word@head:8265", "and nothing else"),
    ],
)
def test_wrong_addresses(address: str, message: str) -> None:
    with pytest.raises(SubmissionError, match=f"--address .*{message}"):
        dashboard_address(address)


@pytest.mark.parametrize(
    ("address", "openly"),
    [
        ("http://127.0.0.1:8265", False),
        ("http://localhost:8265", False),
        ("http://[::1]:8265", False),
        ("http://10.0.0.1:8265", True),
        ("http://head:8265", True),
        ("https://head", False),
    ],
)
def test_a_token_over_plain_http_to_another_machine_can_be_read(address: str, openly: bool) -> None:
    assert travels_openly(address) is openly


def test_a_token_is_found_where_ray_would_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token().value == ""
    usual = tmp_path / "home" / ".ray" / "auth_token"
    usual.parent.mkdir(parents=True)
    usual.write_text("usual\n")
    assert (find_token().value, find_token().source) == ("usual", str(usual))
    named = tmp_path / "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    with pytest.raises(SubmissionError, match=r"RAY_AUTH_TOKEN_PATH names cannot be read: .*No such file"):
        find_token()
    named.write_text("named")
    assert find_token().value == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "direct")
    assert find_token().value == "direct"
    assert "direct" not in repr(find_token())
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert find_token().value == ""


# What travels


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("TEACHER_KEY", "it's-planted-9f3c"),
        ("OPENAI_KEY_2", "planted\\with\\backslashes"),
        ("HF_TOKEN_READ", "planted-9f3c"),
        ("MLFLOW_TRACKING_PASS", "planted-9f3c"),
        ("GH_PAT", "planted-9f3c"),
        ("MY_CREDENTIALS", "planted-9f3c"),
        ("OPENAI_API_KEYS", "planted-9f3c"),
        ("HF_TOKENS", "planted-9f3c"),
        ("OF_THE_TEACHER", "planted-9f3c"),
    ],
)
def test_a_secret_is_found_whatever_quoting_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str, secret: str
) -> None:
    monkeypatch.setenv(name, secret)
    sent = {"runtime_env": {"env_vars": {"X": f"a{secret}b"}}, "entrypoint": "python"}
    with pytest.raises(SubmissionError, match=f"the environment variable {name},") as error:
        require_no_secrets(["text", ("a=b",), sent], named=["OF_THE_TEACHER"])
    assert secret not in str(error.value)
    require_no_secrets(["text", ("a=b",), {"X": "other"}], named=["OF_THE_TEACHER"])
    monkeypatch.delenv(name)
    with pytest.raises(SubmissionError, match="the cluster's token"):
        require_no_secrets([("x=" + secret,)], token=secret)


def test_a_file_of_a_secret_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/shared/ray_token")
    require_no_secrets(["token at /shared/ray_token"])


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "hf_token", "API_KEYS", "DB_PASSWORD", "OF_THE_TEACHER"])
def test_a_secret_in_env_vars_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(SubmissionError, match=rf"env_vars set {name}, .*environment of the cluster's nodes") as error:
        require_no_secret_names({"X": "1", name: "sk-only-there"}, named=["OF_THE_TEACHER"])
    assert "sk-only" not in str(error.value)


def test_settings_that_are_named_like_secrets_are_none() -> None:
    settings = {"MAX_TOKENS": "4096", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "true", "HF_TOKEN_PATH": "/a/b", "A_KEY": ""}
    require_no_secret_names({**settings, "TOKENIZERS_PARALLELISM": "false", "CREDENTIALS_FILE": "/a/b"})


def test_a_secret_in_a_file_that_travels_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-planted-9f3c")
    monkeypatch.setenv("ANY_KEY", "not-needed")
    (tmp_path / "keys.py").write_bytes(b"\xff KEY = 'sk-planted-9f3c'")
    (tmp_path / "code.py").write_text("not-needed")
    require_no_secrets_in_files({"code.py": tmp_path / "code.py"})
    message = r"value of the environment variable A_KEY, in sub/keys\.py, .*list the file in \.rayignore"
    with pytest.raises(SubmissionError, match=message) as error:
        require_no_secrets_in_files({"sub/keys.py": tmp_path / "keys.py"})
    assert "planted" not in str(error.value)
    monkeypatch.delenv("A_KEY")
    with pytest.raises(SubmissionError, match=r"the cluster's token, in sub/keys\.py"):
        require_no_secrets_in_files({"sub/keys.py": tmp_path / "keys.py"}, token="sk-planted-9f3c")


def test_files_of_keys_never_travel(job_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("env.yaml", "own.py", ".env", "sub/.env.local"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("working_dir: .")
    with staged(job_config, tmp_path / "env.yaml") as stage:
        assert set(stage.files) == {"env.yaml", "own.py", "toy.yaml"}
        travelling = {path.name for path in Path(stage.runtime_env["working_dir"]).rglob("*")}
        assert travelling == {"env.yaml", "own.py", "toy.yaml"}
    with pytest.raises(SubmissionError, match=r"\.env\.yaml does not travel, .*; rename it"), staged(Path(".env.yaml")):
        pass


def test_a_configuration_travels_from_somebody_elses_project(
    job_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "large.bin").write_bytes(b"x")
    monkeypatch.chdir(project)
    with staged(job_config) as stage:
        folder = Path(stage.runtime_env["working_dir"])
        assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == [stage.config]
        assert (folder / stage.config).read_text() == job_config.read_text()
        assert {Path(module).name for module in stage.runtime_env["py_modules"]} == {"codeplan", "codeplan_sandbox"}
    assert not folder.exists()


def test_a_project_travels_without_what_git_ignores_but_with_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cluster/runtime_env.yaml", "code/own.py", "data/rows.jsonl", "local/mine.yaml", ".gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".gitignore").write_text("/data/\n/local/\n")
    (tmp_path / "cluster/runtime_env.yaml").write_text("working_dir: .\nenv_vars: {RAY_JOB_STOP_WAIT_TIME_S: '9'}\n")
    with staged(tmp_path / "local" / "mine.yaml") as stage:
        files = {
            file.path.as_posix()
            for file in packaged_files({"working_dir": "."}, Path(stage.runtime_env["working_dir"]))
        }
        assert files == {"cluster/runtime_env.yaml", "code/own.py", "local/mine.yaml"}
        assert stage.config == "local/mine.yaml"
        assert stage.runtime_env["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": "9"}
    (tmp_path / "cluster/runtime_env.yaml").write_text("working_dir: .\nexcludes: ['*.yaml']\n")
    message = r"mine\.yaml would be left out of the job's package by `excludes`"
    with pytest.raises(SubmissionError, match=message), staged(tmp_path / "local" / "mine.yaml"):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a", "must be a mapping"),
        ("1: a", "must be a mapping"),
        ("a: [", "cannot be read"),
        ("working_dir: s3://b/x.zip", "name a folder"),
        ("working_dir: 5", r"working_dir in .*env\.yaml must be a folder's path"),
        ("working_dir: [.]", r"working_dir in .*env\.yaml must be a folder's path"),
        ("working_dir: env.yaml", r"working_dir in .*env\.yaml is env\.yaml, which is a file; name a folder"),
        ("working_dir: nowhere", r"working_dir in .*env\.yaml is nowhere, which is missing; name a folder"),
        ("py_modules: mod", r"py_modules in .*env\.yaml must be a list of paths"),
        ("excludes: '*.txt'", r"excludes in .*env\.yaml must be a list of patterns"),
        ("env_vars: {A: 1}", r"env_vars in .*env\.yaml must be a mapping of names to texts, with numbers .* quoted"),
        ("env_vars: {1: a}", r"env_vars in .*env\.yaml must be a mapping of names to texts"),
        ("env_vars: [A]", r"env_vars in .*env\.yaml must be a mapping of names to texts"),
    ],
)
def test_an_unusable_runtime_environment(
    job_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env.yaml").write_text(content)
    with pytest.raises(SubmissionError, match=message), staged(job_config, tmp_path / "env.yaml"):
        pass


def test_empty_fields_of_a_runtime_environment_are_as_if_they_were_not_there(job_config: Path, tmp_path: Path) -> None:
    (tmp_path / "env.yaml").write_text("working_dir:\npy_modules:\nexcludes:\nenv_vars:\npip:\n")
    with staged(job_config, tmp_path / "env.yaml") as stage:
        assert stage.runtime_env["py_modules"] == []
        assert "pip" not in stage.runtime_env


# What a job's end means


@pytest.mark.parametrize(
    ("state", "driver", "code", "message"),
    [
        ("SUCCEEDED", 0, 0, ""),
        ("FAILED", 1, 1, ""),
        ("FAILED", 130, 130, ""),
        ("FAILED", -9, 137, "ended by SIGKILL on its node, perhaps for want of memory"),
        ("FAILED", 143, 143, "ended by SIGTERM"),
        ("FAILED", 255, 255, ""),
        ("FAILED", None, 1, "failed before or beside its command: runtime_env setup failed: no pip"),
        ("STOPPED", None, 143, "was stopped; submit it again to resume"),
    ],
)
def test_exit_codes_are_those_of_the_command(state: str, driver: int | None, code: int, message: str) -> None:
    end = end_of(details(status=state, driver_exit_code=driver, message="runtime_env setup failed:\nno pip"))
    assert end.code == code
    assert message in end.message
    assert bool(message) == bool(end.message)


def test_ctrl_c_ends_the_following_alone_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted:
        job_id = "run-a-1"

        def wait(self) -> int:
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        commands._follow(cast(Job, Interrupted()), "http://head:8265")
    assert end.value.code == 130
    said = capsys.readouterr().err
    assert "run-a-1 goes on" in said
    assert "codeplan logs -f run-a-1 --address http://head:8265" in said


def shown(chunks: list[str], *, coloured: bool = False, restarts: tuple[int, ...] = ()) -> str:
    said: list[str] = []
    view = LogView(details(status="RUNNING"), said.append, coloured=coloured)
    for number, chunk in enumerate(chunks):
        if number in restarts:
            view.restart()
        view.feed(chunk)
    view.finish()
    return "".join(said)


PREFACE = "INFO Runtime env is setting up.\nRunning entrypoint for job run-a-1: python -m x\n"


def test_a_log_that_is_read_again_is_shown_once() -> None:
    assert shown([PREFACE + "a\n", "b\n", "c"]) == "a\nb\nc"
    assert shown([PREFACE + "a\nb", PREFACE, "a\n", "b\nc\nd", "e", PREFACE + "a\nb\nc\nde", "f"], restarts=(1, 5)) == (
        "a\nb\nc\ndef"
    )
    assert shown([PREFACE[:50], PREFACE[:20], PREFACE[20:] + "x"], restarts=(1,)) == "x"


def test_what_ray_says_is_shown_where_the_command_never_ran() -> None:
    assert shown(["INFO Runtime env is setting up.\n", "runtime_env setup failed"]).endswith("setup failed")


def test_colours_reach_only_a_terminal() -> None:
    chunks = [PREFACE + "\x1b[32m✓\x1b", "[0m ok \x1b[1;3", "1mred\x1b[0m"]
    assert shown(chunks) == "✓ ok red"
    assert shown(chunks, coloured=True) == "\x1b[32m✓\x1b[0m ok \x1b[1;31mred\x1b[0m"


def test_an_old_python_is_named() -> None:
    code = "import sys; sys.version_info = (3, 10, 4, 'final', 0); import codeplan"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "codeplan: this is Python 3.10 (" in done.stderr
    assert "needs 3.11 or newer" in done.stderr


def test_importing_codeplan_imports_no_ray() -> None:
    code = "import sys, codeplan; assert 'ray' not in sys.modules; codeplan.submit; assert 'ray' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
