"""Asks a Ray cluster for its resources and prints them as JSON: ``python -m codeplan.on_ray.probe HOST:PORT``.

`codeplan.on_ray.cluster.probe` runs this in a child process, which can be killed whatever Ray does.
"""

from __future__ import annotations

import json
import re
import socket
import sys

_CONNECT_S = 10.0


def ask(address: str) -> dict[str, float | str]:
    """Nodes, CPUs and GPUs of the cluster, or an error in one line."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        return {"error": error.strerror or str(error)}
    import ray
    from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]

    if get_authentication_mode() != AuthenticationMode.DISABLED and _answers_without_token(address):
        return {
            "error": "RAY_AUTH_MODE is set here, but the cluster was started without it: this process would refuse "
            "what the cluster sends, and Ray would drop every actor; unset RAY_AUTH_MODE, or start the cluster's "
            "nodes with RAY_AUTH_MODE=token"
        }
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        total = ray.cluster_resources()
        nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    except Exception as error:  # Ray raises errors of many kinds here, some of them bare
        return {"error": explained(error)}
    return {"nodes": nodes, "cpus": total.get("CPU", 0.0), "gpus": total.get("GPU", 0.0)}


def explained(error: Exception) -> str:
    """Why Ray could not connect, and what to do, in one line."""
    message = " ".join(str(error).split())
    versions = re.findall(r"Ray: (\S+) Python: (\S+)", message)
    if "Version mismatch" in message and len(versions) == 2:
        (ray_there, python_there), (ray_here, python_here) = versions
        return (
            f"the cluster runs Ray {ray_there} on Python {python_there}, and this process Ray {ray_here} on Python "
            f"{python_here}; both must be the same: install the cluster's versions here, or run the command on the "
            "cluster with codeplan submit"
        )
    hint = (
        "a cluster that requires a token needs RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, the port must be that "
        "of Ray's GCS, and this machine must belong to the cluster"
    )
    return f"{message[:300] or type(error).__name__} ({hint})"


def _answers_without_token(address: str) -> bool:
    """Whether the cluster's GCS answers a request that carries no token."""
    import grpc

    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check_alive = channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")
        try:
            check_alive(b"", timeout=_CONNECT_S)
        except grpc.RpcError:
            return False
    return True


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])), flush=True)
