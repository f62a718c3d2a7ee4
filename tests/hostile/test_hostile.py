"""Every hostile program gets a verdict that fits it, in every tier and as every user, and changes nothing around it.

The programs run in a jail (`jail.py`) and nowhere else; one jail judges all of them for one user in one tier.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "hostile"
OWN = sorted((HERE / "programs").glob("*.py"))
PROGRAMS = {path.name: path for path in (*OWN, *sorted(SHARED.glob("*.py")))}
TIERS = ("namespaces", "landlock", "seccomp")
USERS = ("root", "nobody")
_NO_TIER, _NO_JAIL = 5, 4


def in_a_jail(user: str, tier: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "jail.py"), user, tier, *map(str, PROGRAMS.values())]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def jails() -> dict[tuple[str, str], Future[subprocess.CompletedProcess[str]]]:
    """Some at a time: much of what they do is to wait for programs that sleep."""
    pool = ThreadPoolExecutor(3)
    users = USERS if os.geteuid() == 0 else USERS[1:]
    return {(user, tier): pool.submit(in_a_jail, user, tier) for user in users for tier in TIERS}


def judged(user: str, tier: str) -> dict[str, Any]:
    """What was found of each program, by its file's name."""
    if (user, tier) not in jails():
        pytest.skip("only root can judge as root")
    done = jails()[user, tier].result()
    if done.returncode in (_NO_JAIL, _NO_TIER):
        pytest.skip(done.stderr.strip() or "no jail here")
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("user", USERS)
def test_hostile_programs_are_judged_right_and_change_nothing(user: str, tier: str) -> None:
    found = judged(user, tier)
    assert found.keys() == PROGRAMS.keys()
    wrong = {name: [line["message"], *line["wrong"]] for name, line in found.items() if line["wrong"]}
    assert not wrong, json.dumps(wrong, indent=1)


def test_outside_the_jail_nothing_is_judged() -> None:
    outer = ",".join(str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "pid", "ipc", "net"))
    # An empty list: even if it did not refuse, nothing would run.
    done = subprocess.run(
        [sys.executable, str(HERE / "judged.py"), outer, "limits"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "refused: the mnt namespace is the outer one" in done.stderr


def test_the_shared_corpus_is_there() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name} beside the checkout: only the programs of this folder are judged")
    assert len(PROGRAMS) > len(OWN)
