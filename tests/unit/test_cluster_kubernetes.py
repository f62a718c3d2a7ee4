"""The manifests of cluster/kubernetes, built by Kustomize: schemas, and what files say about each other.

None of this asks a cluster. Whether images can be pulled, and what an operator makes of the objects, is not tested.
"""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from cluster_files import KUBERNETES, ROOT, Manifest, built, containers, documents, find, pinned, pod_templates, values

from codeplan import __version__
from codeplan.config.loading import load
from codeplan.config.teacher import TeacherConfig

VERSIONS = ("1.34", kubernetes_validate.latest_version())
OVERLAYS = ("cpu", "gpu")
SCHEMAS = Path(__file__).parent / "kuberay_schemas"
JOBS = sorted((KUBERNETES / "jobs").glob("*.yaml"))
JOB_CONFIGS = ROOT / "jobs" / "configs"
OPTIONAL = ("namespaces-tier", "namespaces-tier-apparmor")


def overlay(name: str) -> tuple[Manifest, ...]:
    return built(KUBERNETES / "overlays" / name)


@pytest.fixture(scope="module", params=[*OVERLAYS, "cpu with all components", "gpu with all components"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    """The objects of an overlay, as it is and with the components that it only names in comments."""
    name, _, more = request.param.partition(" ")
    return with_components(name, tmp_path_factory.mktemp("overlay")) if more else overlay(name)


def with_components(name: str, folder: Path) -> tuple[Manifest, ...]:
    shutil.copytree(KUBERNETES, folder / "kubernetes")
    file = folder / "kubernetes" / "overlays" / name / "kustomization.yaml"
    changed, count = re.subn(r"# (- \.\./\.\./components/)", r"\1", file.read_text())
    assert count == len(OPTIONAL)
    file.write_text(changed)
    return built(file.parent)


def schema_errors(manifest: Manifest) -> list[str]:
    """What the schemas of KubeRay or Kubernetes have against an object."""
    if manifest["apiVersion"] != "ray.io/v1":
        return core_errors(manifest)
    schema = json.loads((SCHEMAS / f"{manifest['kind'].lower()}.json").read_text())
    found = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)]
    for name, template in pod_templates(manifest).items():
        wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": template}
        found += core_errors(wrapped)
    return found


def core_errors(manifest: Manifest) -> list[str]:
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{manifest['kind']} {version}: {error.message}")
    return found


def test_every_object_satisfies_its_schema(objects: tuple[Manifest, ...]) -> None:
    assert {one["kind"] for one in objects} >= {"RayCluster", "NetworkPolicy", "PersistentVolumeClaim", "Deployment"}
    assert [error for one in objects for error in schema_errors(one)] == []


@pytest.mark.parametrize("file", [*JOBS, *sorted((KUBERNETES / "storage").glob("*.yaml"))], ids=lambda file: file.stem)
def test_jobs_and_storage_classes_satisfy_their_schemas(file: Path) -> None:
    assert [error for one in documents(file) for error in schema_errors(one)] == []


def test_the_schemas_find_misspelled_keys() -> None:
    cluster = find(overlay("cpu"), "RayCluster", "codeplan")
    assert schema_errors({**cluster, "spec": {**cluster["spec"], "authOption": {"mode": "token"}}}) != []
    changed = json.loads(json.dumps(cluster).replace("runAsNonRoot", "runAsNoRoot"))
    assert schema_errors(changed) != []
    mlflow = find(overlay("cpu"), "Deployment", "mlflow")
    assert schema_errors(json.loads(json.dumps(mlflow).replace("readinessProbe", "readyProbe"))) != []


def test_versions_are_those_of_this_release() -> None:
    cluster = find(overlay("gpu"), "RayCluster", "codeplan")
    assert cluster["spec"]["rayVersion"] == pinned()["ray"]
    images = {name for one in overlay("gpu") for name in values(one, "image") if name.startswith("codeplan")}
    assert images == {f"codeplan:{__version__}-cpu", f"codeplan:{__version__}-gpu"}


def test_every_image_has_a_version(objects: tuple[Manifest, ...]) -> None:
    images = {name for one in objects for name in values(one, "image")}
    assert all(re.search(r":[\d.]+", image) for image in images), images


def test_every_pod_is_restricted(objects: tuple[Manifest, ...]) -> None:
    # The rules of the Pod Security Standard "restricted", which the namespace enforces.
    namespace = find(objects, "Namespace", "codeplan")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    templates = {name: template for one in objects for name, template in pod_templates(one).items()}
    assert set(templates) >= {"head", "cpu", "sandbox", "mlflow", "redis", "postgres", "object-store"}
    for name, template in templates.items():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert not [volume for volume in spec.get("volumes", []) if "hostPath" in volume], name
        # Only the head talks to Kubernetes: its autoscaler does.
        assert name == "head" or spec["automountServiceAccountToken"] is False, name
        for container in containers(template):
            context = container["securityContext"]
            profile = context.get("seccompProfile", spec["securityContext"]["seccompProfile"])
            assert profile["type"] in ("RuntimeDefault", "Localhost"), name
            assert context.get("appArmorProfile", {"type": "RuntimeDefault"})["type"] != "Unconfined", name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert not context.get("privileged"), name


def test_only_the_group_of_sandboxes_gets_the_profiles_of_the_sandbox(tmp_path: Path) -> None:
    def special(objects: tuple[Manifest, ...]) -> dict[str, Any]:
        templates = pod_templates(find(objects, "RayCluster", "codeplan"))
        context = {name: containers(template)[0]["securityContext"] for name, template in templates.items()}
        return {
            name: [*values(one, "localhostProfile")]
            for name, one in context.items()
            if [*values(one, "localhostProfile")]
        }

    assert special(overlay("gpu")) == {}
    profiles = special(with_components("gpu", tmp_path))
    assert set(profiles) == {"sandbox"}
    seccomp, apparmor = sorted(profiles["sandbox"], reverse=True)
    assert (KUBERNETES / "nodes" / Path(seccomp).name).is_file()
    assert f"profile {apparmor} " in (KUBERNETES / "nodes" / f"{apparmor}.apparmor").read_text()


def test_gpus_are_requested_by_the_gpu_group_alone() -> None:
    templates = pod_templates(find(overlay("gpu"), "RayCluster", "codeplan"))
    wanting = {name for name, template in templates.items() if [*values(template, "nvidia.com/gpu")]}
    assert wanting == {"gpu"}
    assert [*values(overlay("cpu")[0], "nvidia.com/gpu")] == []
    for name, template in templates.items():
        resources = containers(template)[0]["resources"]
        assert resources["requests"] == resources["limits"], name  # Ray offers what the limits say


def test_services_select_pods_and_their_ports(objects: tuple[Manifest, ...]) -> None:
    templates = [template for one in objects for template in pod_templates(one).values()]
    for service in (one for one in objects if one["kind"] == "Service"):
        spec = service["spec"]
        (template,) = [one for one in templates if spec["selector"].items() <= one["metadata"]["labels"].items()]
        named = {port["name"]: port["containerPort"] for one in containers(template) for port in one.get("ports", [])}
        for port in spec["ports"]:
            assert named[port["targetPort"]] == port["port"], service["metadata"]["name"]


def test_addresses_name_services_and_their_ports(objects: tuple[Manifest, ...]) -> None:
    services = {
        f"{one['metadata']['name']}:{port['port']}"
        for one in objects
        if one["kind"] == "Service"
        for port in one["spec"]["ports"]
    }
    cluster = find(objects, "RayCluster", "codeplan")
    used = {cluster["spec"]["gcsFaultToleranceOptions"]["redisAddress"]}
    for one in objects:
        for variables in values(one, "env"):
            for variable in variables:
                used |= set(re.findall(r"(?://|@)([a-z-]+:\d+)", str(variable.get("value", ""))))
    assert used == {"redis:6379", "postgres:5432", "object-store:8333"}
    assert used <= services
    for job in JOBS:
        assert "tracking.uri=http://mlflow:5000" in job.read_text()
    assert "mlflow:5000" in services


def test_secrets_are_named_and_documented_and_none_is_shipped(objects: tuple[Manifest, ...]) -> None:
    assert not [one for one in objects if one["kind"] == "Secret"]
    used = {(one["name"], one["key"]) for manifest in objects for one in values(manifest, "secretKeyRef")}
    for manifest in objects:
        for secret in values(manifest, "secret"):
            used |= {(secret["secretName"], item["key"]) for item in secret["items"]}
    tutorial = (ROOT / "docs" / "kubernetes.md").read_text()
    made: set[tuple[str, str]] = set()
    for command in re.findall(r"create secret generic (.*?)(?=\nk |\naccess=|\n```)", tutorial, re.DOTALL):
        made |= {(command.split()[0], key) for key in re.findall(r"--from-literal=([\w.-]+)=", command)}
    assert used == made


def test_sandboxes_have_pods_of_their_own_without_a_key_or_room_for_other_work() -> None:
    cluster = find(overlay("gpu"), "RayCluster", "codeplan")
    groups = {group["groupName"]: group for group in cluster["spec"]["workerGroupSpecs"]}
    start = groups["sandbox"]["rayStartParams"]
    assert start["num-cpus"] == "0"
    (offered,) = json.loads(json.loads(start["resources"])).items()
    assert "env" not in containers(groups["sandbox"]["template"])[0]
    for file in JOBS:
        (job,) = documents(file)
        execution = load(JOB_CONFIGS / f"{file.stem}.yaml", shlex.split(job["spec"]["entrypoint"])[4::2]).execution
        assert (execution.judge_resource, execution.judge_actors) == offered
    assert not [name for name, group in groups.items() if name != "sandbox" and "resources" in group["rayStartParams"]]


def test_ray_pods_without_untrusted_programs_mount_the_shared_home(objects: tuple[Manifest, ...]) -> None:
    claim = find(objects, "PersistentVolumeClaim", "shared-home")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for name, template in pod_templates(find(objects, "RayCluster", "codeplan")).items():
        claims = {
            volume["name"]: volume["persistentVolumeClaim"]["claimName"]
            for volume in template["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        mounts = {mount["mountPath"]: claims.get(mount["name"]) for mount in containers(template)[0]["volumeMounts"]}
        assert mounts.get("/shared") == (None if name == "sandbox" else claim["metadata"]["name"]), name
        assert set(claims.values()) == (set() if name == "sandbox" else {claim["metadata"]["name"]}), name
    classes = {file.stem: documents(file)[0]["metadata"]["name"] for file in (KUBERNETES / "storage").glob("*.yaml")}
    assert classes
    assert set(classes.values()) == {claim["spec"]["storageClassName"]}


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.stem)
def test_jobs_run_commands_that_codeplan_understands(file: Path) -> None:
    (job,) = documents(file)
    cluster = find(overlay("gpu"), "RayCluster", "codeplan")
    assert job["metadata"]["namespace"] == cluster["metadata"]["namespace"]
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    command, action, path, *options = shlex.split(job["spec"]["entrypoint"])
    assert (command, action, options[::2]) == ("codeplan", "run", ["-s"] * (len(options) // 2))
    shipped = ROOT / Path(path).relative_to("/opt/codeplan")
    config = load(shipped, options[1::2])  # every key and value is valid
    assert config.execution.ray_address == "auto"
    assert Path(config.execution.home).is_relative_to("/shared")


def test_the_teachers_key_is_in_the_variable_that_codeplan_reads() -> None:
    templates = pod_templates(find(overlay("gpu"), "RayCluster", "codeplan"))
    for group in ("cpu", "gpu"):  # Drivers and teacher calls take CPUs, and so may be on either.
        named = {variable["name"] for variable in containers(templates[group])[0]["env"]}
        assert TeacherConfig().api_key_env in named
    (job,) = documents(KUBERNETES / "jobs" / "apps.yaml")
    config = yaml.safe_load((ROOT / "jobs" / "configs" / f"{job['spec']['metadata']['config']}.yaml").read_text())
    assert "api_key_env" not in config["teacher"]
