"""The files of cluster/ beside Kubernetes': shell and Dockerfile by linters, compose and launchers by their schemas."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from cluster_files import CLUSTER, KUBERNETES, ROOT, built, containers, documents, find, pinned, program
from ray.autoscaler._private.util import prepare_config, validate_config

from codeplan import __version__

DOCKERFILE = CLUSTER / "image" / "Dockerfile"
LAUNCHERS = sorted((CLUSTER / "vm").glob("*.yaml"))
SCRIPTS = sorted(CLUSTER.rglob("*.sh"))
WRONG = {
    "sh": ("shellcheck", "#!/bin/sh\ncd $1\n"),
    "Dockerfile": ("hadolint", "FROM python\nRUN cd /tmp && sudo true\n"),
}


def lint(linter: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program(linter), str(file)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.relative_to(CLUSTER).as_posix())
def test_shell_scripts_are_clean(file: Path) -> None:
    done = lint("shellcheck", file)
    assert done.returncode == 0, done.stdout
    assert file.stat().st_mode & 0o111


def test_dockerfile_is_clean() -> None:
    done = lint("hadolint", DOCKERFILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WRONG)
def test_linters_find_mistakes(tmp_path: Path, name: str) -> None:
    linter, text = WRONG[name]
    (tmp_path / name).write_text(text)
    assert lint(linter, tmp_path / name).returncode != 0


def test_image_has_both_targets_and_does_not_run_as_root() -> None:
    text = DOCKERFILE.read_text()
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL))
    assert {"cpu", "gpu"} <= set(stages)
    for target in ("cpu", "gpu"):
        user = re.findall(r"^USER (\d+):(\d+)$", stages[target], re.MULTILINE)
        deployment = find(built(KUBERNETES / "overlays" / "cpu"), "Deployment", "mlflow")
        ids = deployment["spec"]["template"]["spec"]["securityContext"]
        assert user == [(str(ids["runAsUser"]), str(ids["runAsGroup"]))]
    assert set(re.findall(r"codeplan:(\S+)-(?:cpu|gpu)", text)) == {__version__}


def test_image_copies_files_that_exist_and_that_the_context_includes() -> None:
    ignored = (CLUSTER / "image" / "Dockerfile.dockerignore").read_text().splitlines()
    included = {line[1:] for line in ignored if line.startswith("!")}
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE.read_text(), re.MULTILINE):
        copied |= set(shlex.split(line)[:-1])
    assert copied == included
    assert [name for name in copied if not (ROOT / name).exists()] == []
    # The folder that the jobs of Kubernetes name is the image's.
    (workdir,) = set(re.findall(r"^WORKDIR (\S+)$", DOCKERFILE.read_text(), re.MULTILINE))
    for job in (KUBERNETES / "jobs").glob("*.yaml"):
        assert f"codeplan run {workdir}/jobs/configs/" in documents(job)[0]["spec"]["entrypoint"]


def test_image_and_virtual_machines_install_pinned_versions() -> None:
    files = [DOCKERFILE, CLUSTER / "image" / "install.sh", CLUSTER / "vm" / "install.sh"]
    lines = [line for file in files for line in re.split(r"(?<!\\)\n", file.read_text()) if "pip install" in line]
    names: set[str] = set()
    for line in lines:
        assert "--constraint constraints.txt" in line, line
        words = shlex.split(line.replace("\\\n", " ").partition("pip install")[2])
        names |= {word for word in words if re.fullmatch(r"[a-z][\w-]*", word)}
    for file in LAUNCHERS:
        (setup,) = yaml.safe_load(file.read_text())["setup_commands"]
        names |= set(shlex.split(setup.partition("install.sh")[2]))
    assert names >= {"boto3", "google-api-python-client", "psycopg2-binary", "setuptools", "torch", "wheel"}
    assert names <= set(pinned())


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CLUSTER / "compose.yaml").read_text())
    return loaded


def test_compose_file_satisfies_its_specification() -> None:
    assert set(compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose())).services or {}) == set(compose()["services"])
    changed = compose()
    changed["services"]["mlflow"]["depends_of"] = []
    with pytest.raises(ValueError, match="depends_of"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(changed))


def test_compose_file_opens_ports_on_loopback_only() -> None:
    ports = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert [port for some in ports.values() for port in some] == ["127.0.0.1:5000:5000"]


def test_compose_file_takes_secrets_from_an_example_that_has_none() -> None:
    text = (CLUSTER / "compose.yaml").read_text()
    example = (CLUSTER / "compose.env.example").read_text()
    lines = [line for line in example.splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("=") for line in lines)
    assert {line[:-1] for line in lines} == set(re.findall(r"\$\{(\w+)", text))
    ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", "cluster/.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_compose_and_kubernetes_run_the_same_servers() -> None:
    services = compose()["services"]
    objects = built(KUBERNETES / "overlays" / "cpu")
    for kind, name in (("Deployment", "mlflow"), ("StatefulSet", "postgres"), ("StatefulSet", "object-store")):
        (container,) = find(objects, kind, name)["spec"]["template"]["spec"]["containers"]
        assert services[name]["image"] == container["image"]
        command = [one for one in container.get("command", container.get("args", [])) if "allowed-hosts" not in one]
        assert [one for one in services[name].get("command", []) if "allowed-hosts" not in one] == command
        literal = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
        literal.pop("PGDATA", None)  # only a volume of Kubernetes has files of its own
        assert literal.items() <= services[name].get("environment", {}).items()
    setup, _ = containers(find(objects, "Deployment", "mlflow")["spec"]["template"])
    assert services["create-bucket"]["command"] == setup["command"]
    (mounted,) = [one.split(":") for one in services["create-bucket"]["volumes"]]
    assert (CLUSTER / mounted[0]).is_file()
    assert mounted[1] == setup["command"][1]


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_launcher_files_satisfy_rays_schema(file: Path) -> None:
    config = prepare_config(yaml.safe_load(file.read_text()))
    validate_config(config)
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config({**config, "idle_timeout": 5})


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_launcher_files_copy_no_files_of_keys(file: Path) -> None:
    assert ".env*" in yaml.safe_load(file.read_text())["rsync_exclude"]


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_launcher_files_start_ray_with_a_token_and_on_loopback(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    assert "~/.ray/auth_token" in config["file_mounts"]
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    starts = [command for command in starts if "ray start" in command]
    assert len(starts) == 2
    for command in starts:
        assert "RAY_AUTH_MODE=token" in command
        assert command.startswith("mountpoint -q /shared ||")
        # bash -n: no script to lint, but it must be a command.
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0
    assert "--dashboard-host=127.0.0.1" in starts[0]
    known = subprocess.run([program("ray"), "start", "--help"], capture_output=True, text=True, check=True).stdout
    for command in starts:
        for option in re.findall(r"(--[a-z-]+)", command):
            assert option in known, option
    (setup,) = config["setup_commands"]
    script = re.search(r"bash ~/codeplan/(\S+)", setup)
    assert script is not None
    assert (ROOT / script[1]).is_file()
    for kind, group in config["available_node_types"].items():
        assert ("GPU" in group["resources"]) == (kind == "gpu")
        assert group.get("max_workers", 0) <= config["max_workers"]
