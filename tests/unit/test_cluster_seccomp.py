"""The seccomp profile of cluster/kubernetes/nodes around the real sandbox, as far as it can be tried without a cluster.

The process has no right of root and cannot gain any, like one in a restricted pod. AppArmor is not tried.
"""

import ctypes
import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import classic_bpf
import pytest
import seccomp_run
from cluster_files import KUBERNETES, ROOT
from record_system_calls import kernel_numbers

PROFILE = KUBERNETES / "nodes" / "codeplan-sandbox.json"
NAMESPACE_CALLS = ("mount", "mount_setattr", "pivot_root", "umount2", "unshare")
NOBODYS_ID = 61234
Doctor = Callable[..., dict[str, str]]


def _interpreter() -> str:
    # Another user may not be able to reach the environment's own interpreter; the sandbox needs no package.
    return "/usr/bin/python3" if os.getuid() == 0 and Path("/usr/bin/python3").exists() else sys.executable


@pytest.fixture(scope="module")
def doctor() -> Iterator[Doctor]:
    """Runs `codeplan_sandbox doctor` under the profile less some calls; returns what it says of each tier and layer."""
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed; on Debian and Ubuntu: apt-get install libseccomp2")
    folder = Path(tempfile.mkdtemp(prefix="codeplan-seccomp-", dir="/tmp"))
    folder.chmod(0o755)
    shutil.copytree(ROOT / "sandbox" / "codeplan_sandbox", folder / "codeplan_sandbox")
    shutil.copy(ROOT / "tests" / "seccomp_run.py", folder)
    shutil.copy(PROFILE, folder / "profile.json")
    user = {"user": NOBODYS_ID, "group": NOBODYS_ID, "extra_groups": []} if os.getuid() == 0 else {}

    def run(*removed: str) -> dict[str, str]:
        python = _interpreter()
        command = [python, "seccomp_run.py", "profile.json", ",".join(removed) or "-"]
        command += [python, "-m", "codeplan_sandbox", "doctor", "--json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **user)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        tiers = {name: "holds" if tier["holds"] else tier["reason"] for name, tier in found["tiers"].items()}
        remedies = {f"to get {name}": " ".join(layer["remedies"]) for name, layer in found["layers"].items()}
        return {**tiers, **remedies, "chosen": found["chosen"]}

    yield run
    shutil.rmtree(folder)


def test_profile_allows_the_tiers_that_the_machine_has(doctor: Doctor) -> None:
    found = doctor()
    if found["namespaces"] != "holds":
        pytest.skip(f"this machine lets no process without rights make user namespaces: {found['namespaces']}")
    assert found["chosen"] == "namespaces"
    assert found["landlock"] == "holds"


def test_profile_without_namespaces_gives_the_tier_of_a_restricted_pod(doctor: Doctor) -> None:
    found = doctor(*NAMESPACE_CALLS)
    assert found["chosen"] in ("landlock", "seccomp")
    assert "unshare" in found["namespaces"]
    assert "--security-opt seccomp=" in found["to get namespaces"]
    assert "seccompProfile.localhostProfile" in found["to get namespaces"]


@pytest.mark.parametrize("call", NAMESPACE_CALLS)
def test_profile_allows_no_more_calls_than_the_sandbox_needs(doctor: Doctor, call: str) -> None:
    assert doctor(call)["chosen"] != "namespaces"


def test_profile_denies_what_containers_must_not_do() -> None:
    rules = json.loads(PROFILE.read_text())["syscalls"]
    allowed = {
        name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule for name in rule["names"]
    }
    named = [name for rule in rules if "args" not in rule for name in rule["names"]]
    assert len(named) == len(set(named))
    denied = """
        add_key bpf clone3 finit_module init_module io_uring_setup ioperm iopl kexec_load keyctl open_by_handle_at
        open_tree fsopen move_mount perf_event_open reboot setns swapon userfaultfd
    """
    assert allowed.isdisjoint(denied.split())
    assert set(NAMESPACE_CALLS) <= allowed
    (clone,) = [rule for rule in rules if rule["names"] == ["clone"]]
    # No CLONE_NEW* flag, as the sandbox calls unshare: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    mask = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
    assert clone["args"] == [{"index": 0, "value": mask, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]


@pytest.mark.parametrize(("machine", "audit"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
def test_profile_decides_the_same_on_both_architectures(machine: str, audit: int) -> None:
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed; on Debian and Ubuntu: apt-get install libseccomp2")
    library = ctypes.CDLL("libseccomp.so.2")
    profile = json.loads(PROFILE.read_text())
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_bpf(seccomp_run.build(library, profile, set()), file.fileno()) == 0
        file.seek(0)
        program = classic_bpf.parse(file.read())

    def decided(name: str, *arguments: int) -> int:
        return classic_bpf.run(program, classic_bpf.data(numbers[name], audit, arguments))

    numbers = kernel_numbers(machine)
    for rule in profile["syscalls"]:
        if "args" not in rule:
            expected = seccomp_run.action(rule["action"], rule.get("errnoRet"))
            found = {name: decided(name) for name in rule["names"] if name in numbers}
            assert found == dict.fromkeys(found, expected)
    missing = classic_bpf.ERRNO | profile["defaultErrnoRet"]
    assert {name for name in numbers if decided(name) == missing} >= {"clone3", "cachestat"}
    assert decided("clone", 0x3D0F00) == classic_bpf.ALLOW
    assert decided("clone", 0x3D0F00 | 0x10000000) == missing
    for other in (0x40000003, 0x40000028):  # 32-bit programs of x86 and ARM
        assert classic_bpf.run(program, classic_bpf.data(1, other)) in (
            classic_bpf.KILL_PROCESS,
            classic_bpf.KILL_THREAD,
        )
