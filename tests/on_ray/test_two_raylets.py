"""Sweeps on two Ray nodes: see tests/two_raylets.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "two_raylets.py"

MAY_MOUNT = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
PRIVILEGED = ["homes"] if MAY_MOUNT else []


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """By part, what happened on the nodes."""
    command = [
        sys.executable,
        str(SCRIPT),
        str(tmp_path_factory.mktemp("nodes")),
        "race",
        "stops",
        "placement",
        "checks",
        *PRIVILEGED,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    parts: dict[str, dict[str, object]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            parts |= json.loads(line)
    return parts


def test_trials_that_race_for_a_stage_on_two_nodes_compute_it_once(happened: dict[str, dict[str, object]]) -> None:
    race = happened["race"]
    assert race["nodes"] == 2
    first, second = race["computed"]  # type: ignore[misc]
    assert first.keys() == second.keys() >= {"train", "plans", "student"}
    assert all(first[role] != second[role] for role in first), "each was computed by one of them"


def test_early_stops_give_their_resources_back_with_the_dashboard_on(happened: dict[str, dict[str, object]]) -> None:
    assert happened["stops"] == {"cpus": [2.0, 2.0], "groups": 0}


@pytest.mark.skipif(not MAY_MOUNT, reason="this user may not make a mount namespace")
def test_a_node_that_does_not_see_the_home_is_named(happened: dict[str, dict[str, object]]) -> None:
    homes = happened["homes"]
    assert homes["before"] == {}
    assert homes["why"] == ["it has another folder there, or none"]
    assert homes["named"] == [True]
    assert homes["left"] == []


def test_sandboxes_run_on_nodes_with_the_labels_or_the_resource_alone(happened: dict[str, dict[str, object]]) -> None:
    assert happened["placement"] == {
        "labels": ["yes", "yes"],
        "resource": ["yes", "yes"],
        "with": 1,
        "with others": 0,
    }


def test_where_nodes_are_kept_for_sandboxes_the_check_uses_one_and_refuses_others(
    happened: dict[str, dict[str, object]],
) -> None:
    checks = happened["checks"]
    assert "which offer the resource 'sandbox', and execution.judge_resource is empty" in str(checks["without"])
    assert "set execution.judge_resource=sandbox" in str(checks["without"])
    assert "passed" in str(checks["with"])
    assert "failed" not in str(checks["with"])
    assert "had no room for one within 1 s" in str(checks["full"])
    assert "passed" in str(checks["full"])
    assert checks["free"] == 2, "its sandbox is gone before the stages start theirs"
