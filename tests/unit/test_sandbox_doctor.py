"""What is missing on a machine, and how to get it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from codeplan_sandbox import TIERS, TierStatus, layers
from codeplan_sandbox.doctor import Report, examine
from codeplan_sandbox.layers import LAYERS, LayerStatus
from codeplan_sandbox.memory_bound import MemoryBound
from codeplan_sandbox.remedies import Machine, remedies

PLAIN = Machine((6, 8), "x86_64", filtered=False, root=False)


@pytest.mark.parametrize(
    ("layer", "changes", "said"),
    [
        ("namespaces", {"max_user_namespaces": 0}, ["sysctl -w user.max_user_namespaces=15000"]),
        ("namespaces", {"unprivileged_user_namespaces": 0}, ["sysctl -w kernel.unprivileged_userns_clone=1"]),
        (
            "namespaces",
            {"apparmor_restricts_user_namespaces": 1},
            ["sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"],
        ),
        ("namespaces", {"filtered": True}, ["docker run --security-opt seccomp=", "seccompProfile.localhostProfile"]),
        ("namespaces", {"apparmor_restricts_user_namespaces": 1, "root": True}, ["CONFIG_USER_NS"]),
        ("namespaces", {}, ["CONFIG_USER_NS"]),
        ("landlock", {"kernel": (5, 10)}, ["Landlock needs Linux 5.13; this is 5.10"]),
        ("landlock", {"security_modules": "capability,yama"}, ["lsm=landlock,capability,yama"]),
        ("landlock", {"security_modules": "capability,landlock", "filtered": True}, ["seccomp profile denies"]),
        ("landlock", {}, ["CONFIG_SECURITY_LANDLOCK"]),
        ("seccomp", {}, ["CONFIG_SECCOMP_FILTER"]),
        ("user id", {}, ["start the judge as root"]),
        ("resource limits", {}, []),
    ],
)
def test_remedies_follow_from_the_machine(layer: str, changes: dict[str, object], said: list[str]) -> None:
    found = remedies(layer, dataclasses.replace(PLAIN, **changes))
    assert len(found) == len(said)
    assert all(part in remedy for part, remedy in zip(said, found, strict=True))


def test_machine_is_read_from_its_files(tmp_path: Path) -> None:
    for name, text in {
        "proc/self/status": "Name:\tpython\nSeccomp:\t2\nSeccomp_filters:\t1\n",
        "proc/sys/user/max_user_namespaces": "0\n",
        "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
        "sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    machine = Machine.read(tmp_path)
    assert machine.filtered
    assert (machine.max_user_namespaces, machine.unprivileged_user_namespaces) == (0, None)
    assert machine.apparmor_restricts_user_namespaces == 1
    assert machine.security_modules == "lockdown,capability,landlock,yama,apparmor"
    assert not Machine.read(tmp_path / "empty").filtered


def test_layers_agree_with_the_tiers_that_need_them() -> None:
    report = examine()
    holds = {status.name: status.holds for status in report.layers}
    assert list(holds) == [layer.name for layer in LAYERS]
    assert holds["resource limits"]
    needed = {"namespaces": ("namespaces", "seccomp"), "landlock": ("landlock", "seccomp"), "seccomp": ("seccomp",)}
    for tier in report.tiers:
        if tier.tier in needed:
            assert tier.holds == all(holds[name] for name in needed[tier.tier])


def test_layer_that_cannot_be_entered_is_missing() -> None:
    # A process that cannot make namespaces or load Landlock rules, as in some containers.
    program = """
import json
from codeplan_sandbox import layers, linux, seccomp
linux.no_new_privileges()
rules = {272: seccomp.DENY, 444: seccomp.DENY}
seccomp.Filter(seccomp._instruction(0x20, 0, 0, 0) + seccomp._tree(rules, seccomp.ALLOW)).load()
print(*(f"{status.name}|{status.holds}|{status.detail}" for status in layers.survey()), sep="\\n")
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    found = {name: (holds, detail) for name, holds, detail in (line.split("|") for line in printed.splitlines())}
    assert found["namespaces"] == ("False", "unshare: Operation not permitted")
    assert found["landlock"][0] == "False"
    assert found["seccomp"][0] == "True"


def test_layer_whose_attempt_succeeds_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    # The layer's process enters nothing, so that what a layer must deny succeeds.
    start = layers._START.replace(
        "main()", "import codeplan_sandbox.landlock as one; one.restrict = lambda rules: None; main()"
    )
    monkeypatch.setattr(layers, "_START", start)
    (landlock,) = (layer for layer in LAYERS if layer.name == "landlock")
    status = layers._status(landlock)
    if "does not support" in status.detail:
        pytest.skip(status.detail)
    assert not status.holds
    assert status.denials["reads files of other users"] == ""
    assert status.detail.startswith("does not hold: a process reads files of other users, writes files")


def test_text_says_how_to_get_what_is_missing() -> None:
    tiers = (TierStatus("namespaces", False, "unshare: denied"), *(TierStatus(name, True) for name in TIERS[1:]))
    missing = LayerStatus("namespaces", "own namespaces", False, "unshare: denied")
    bound = MemoryBound(False, 3 << 29, "limits per process", "mount it writable")
    report = Report(tiers, (missing,), {"namespaces": ["sysctl -w x=1"]}, "landlock", {"numpy": False}, bound)
    lines = [line.strip() for line in report.text().splitlines()]
    assert "namespaces       missing: unshare: denied" in lines
    assert "landlock         holds; used by default" in lines
    assert "namespaces       missing (unshare: denied): own namespaces" in lines
    assert "to get it: sysctl -w x=1" in lines
    assert "numpy            not installed" in lines
    assert "control group    missing: 1.5 GiB with the default limits, limits per process" in lines
    assert "to get it: mount it writable" in lines
    nothing = dataclasses.replace(report, chosen=None)
    assert "none of them is strong enough: programs are not run" in nothing.text()
