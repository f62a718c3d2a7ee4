"""The files in cluster/, as tests read them."""

from __future__ import annotations

import functools
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "cluster"
KUBERNETES = CLUSTER / "kubernetes"

Manifest = dict[str, Any]


def program(name: str) -> str:
    """The path of a program that a package of the development environment ships."""
    return str(Path(sysconfig.get_path("scripts")) / name)


@functools.cache
def built(folder: Path) -> tuple[Manifest, ...]:
    """The objects that Kustomize builds from a folder; asks no cluster."""
    command = [program("kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def documents(file: Path) -> tuple[Manifest, ...]:
    return tuple(yaml.safe_load_all(file.read_text()))


def find(objects: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_templates(manifest: Manifest) -> dict[str, Manifest]:
    """Every pod template of an object, by the name of the object or of the group."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "RayCluster":
        groups = {"head": spec["headGroupSpec"]} | {group["groupName"]: group for group in spec["workerGroupSpecs"]}
        return {name: group["template"] for name, group in groups.items()}
    return {manifest["metadata"]["name"]: spec["template"]} if "template" in spec else {}


def containers(template: Mapping[str, Any]) -> list[Manifest]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def values(tree: Any, key: str) -> Iterator[Any]:
    """Every value under a key, anywhere in nested mappings and lists."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from values(value, key)


def pinned() -> dict[str, str]:
    """The versions of constraints.txt, by package name in lower case."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {name.lower(): version for name, version in (line.split("==") for line in lines)}
