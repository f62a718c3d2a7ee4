"""Network policies of cluster/kubernetes: what reaches what."""

from typing import Any

import pytest
from cluster_files import KUBERNETES, Manifest, built, containers, pod_templates, values


@pytest.fixture(scope="module", params=["cpu", "gpu"])
def objects(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """The objects of an overlay."""
    return built(KUBERNETES / "overlays" / request.param)


def test_network_policies_deny_all_but_what_the_parts_need(objects: tuple[Manifest, ...]) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "NetworkPolicy"}
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {name: one["metadata"]["labels"] for manifest in objects for name, one in pod_templates(manifest).items()}
    parts = {one["codeplan/part"] for one in labels.values()}
    for name, spec in policies.items():
        for selector in (*values(spec, "podSelector"),):
            part = selector.get("matchLabels", {}).get("codeplan/part")
            assert part is None or part in parts, name
    # What a worker may open: other Ray pods and DNS; without sandboxes also MLflow, and HTTPS outside private networks.
    opened = {part: open_to(policies, part) for part in ("ray-cpu", "ray-sandbox")}
    assert set(opened["ray-sandbox"]) == {"dns", "ray"}
    assert set(opened["ray-cpu"]) == {"dns", "ray", "tracking", "public-https"}
    https = opened["ray-cpu"]["public-https"]
    assert [port["port"] for rule in https for port in rule["ports"]] == [443]
    (block,) = values(https, "ipBlock")
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(block["except"])
    (metadata,) = values(policies["ray-head"]["egress"], "ipBlock")  # where clouds serve their credentials
    assert "169.254.0.0/16" in metadata["except"]
    (ray,) = values(opened["ray-sandbox"]["ray"], "podSelector")
    assert ray == {"matchLabels": {"ray.io/is-ray-node": "yes"}}
    (mlflow,) = values(opened["ray-cpu"]["tracking"], "podSelector")
    assert mlflow == {"matchLabels": {"codeplan/part": "mlflow"}}
    (reached_by,) = values(policies["mlflow"]["ingress"], "podSelector")
    assert not selects(reached_by, "ray-sandbox")
    assert selects(reached_by, "ray-cpu")


def open_to(policies: dict[str, Any], part: str) -> dict[str, Any]:
    """What the policies let a worker's pod open, by the policy's name."""
    return {
        name: spec["egress"]
        for name, spec in policies.items()
        if "egress" in spec and selects(spec["podSelector"], part)
    }


def selects(selector: Manifest, part: str) -> bool:
    """Whether a selector matches a worker's pod of this part."""
    labels = {"ray.io/is-ray-node": "yes", "ray.io/node-type": "worker", "codeplan/part": part}
    expressions = selector.get("matchExpressions", [])
    assert all(one["operator"] == "NotIn" for one in expressions)
    left_out = any(labels[one["key"]] in one["values"] for one in expressions)
    return bool(selector.get("matchLabels", {}).items() <= labels.items() and not left_out)


def test_ports_of_network_policies_are_ports_of_the_pods(objects: tuple[Manifest, ...]) -> None:
    ports = {
        template["metadata"]["labels"]["codeplan/part"]: {
            port["containerPort"] for one in containers(template) for port in one.get("ports", [])
        }
        for manifest in objects
        for template in pod_templates(manifest).values()
    }
    for policy in (one for one in objects if one["kind"] == "NetworkPolicy"):
        part = policy["spec"]["podSelector"].get("matchLabels", {}).get("codeplan/part")
        for rule in policy["spec"].get("ingress", []) if part else []:
            assert {port["port"] for port in rule["ports"]} <= ports[part], policy["metadata"]["name"]
        for rule in policy["spec"].get("egress", []):
            for target in (one["podSelector"]["matchLabels"] for one in rule.get("to", []) if "podSelector" in one):
                if "codeplan/part" in target:
                    assert {port["port"] for port in rule["ports"]} <= ports[target["codeplan/part"]]
