"""Whether every node of the cluster sees the run's home: stages on different nodes pass records through it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from codeplan.errors import one_line

_ANSWER_S = 60.0
"""How long a node may take: it starts a process and imports this package."""


def nodes_without(home: Path, judge_resource: str = "") -> dict[str, str]:
    """Have every node of the connected cluster read a file that was just written to the home, and write one.

    Args:
        home: the runs' home, which is there.
        judge_resource: nodes that offer it, and neither CPUs nor GPUs, run sandboxes alone: these need no home.

    Returns:
        Why a node cannot use the home, by the node's address; empty if all can.

    Raises:
        OSError: this process cannot write to it.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and not _only_offers(node["Resources"], judge_resource)]
    token = secrets.token_hex(16)
    mark = home.absolute() / f".seen_by_nodes.{token}"
    mark.write_text(token, encoding="utf-8")
    try:
        asked = {
            _look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                str(mark), token
            ): node
            for node in nodes
        }
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
        found = {_address(node): _answer(ref) if ref in done else _late() for ref, node in asked.items()}
        return {address: why for address, why in found.items() if why}
    finally:
        for path in home.absolute().glob(f"{mark.name}*"):
            path.unlink(missing_ok=True)


def _only_offers(resources: Mapping[str, float], judge_resource: str) -> bool:
    return judge_resource in resources and not {"CPU", "GPU"} & resources.keys()


@ray.remote(num_cpus=0, max_retries=0)
def _look(mark: str, token: str) -> str:
    path = Path(mark)
    try:
        if path.read_text(encoding="utf-8") != token:
            return "another file is in its place"
    except FileNotFoundError:
        return "it has another folder there, or none"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    try:
        path.with_name(f"{path.name}.{ray.get_runtime_context().get_node_id()}").touch()
    except OSError as error:
        return f"it cannot be written: {error.strerror}"
    return ""


def _answer(ref: Any) -> str:
    try:
        answer: str = ray.get(ref)
    except Exception as error:  # the node died, or has not got this package
        return one_line(f"{type(error).__name__}: {error}", 300)
    return answer


def _late() -> str:
    return f"it has not answered within {_ANSWER_S:.0f} s"


def _address(node: dict[str, Any]) -> str:
    name, address = node["NodeManagerHostname"], node["NodeManagerAddress"]
    return f"{address} ({name}, node {node['NodeID'][:8]})"
