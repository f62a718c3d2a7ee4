"""Hostile programs get an accepted outcome in every tier and as every user, and do not affect their surroundings.

The programs run only in a jail (`jail.py`); there is one jail per user and tier, which judges all of them.
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
_TIER_NOT_AVAILABLE, _JAIL_NOT_AVAILABLE = 5, 4


def in_a_jail(user: str, tier: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "jail.py"), "judged.py", user, tier, *map(str, PROGRAMS.values())]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def jails() -> dict[tuple[str, str], Future[subprocess.CompletedProcess[str]]]:
    """Several at a time, as they mostly wait for programs that sleep."""
    pool = ThreadPoolExecutor(3)
    users = USERS if os.geteuid() == 0 else USERS[1:]
    return {(user, tier): pool.submit(in_a_jail, user, tier) for user in users for tier in TIERS}


def judged(user: str, tier: str) -> dict[str, Any]:
    """The result of every program, by file name."""
    if (user, tier) not in jails():
        pytest.skip("judging as root needs root")
    done = jails()[user, tier].result()
    if done.returncode in (_JAIL_NOT_AVAILABLE, _TIER_NOT_AVAILABLE):
        pytest.skip(done.stderr.strip() or "the jail is not available on this machine")
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("user", USERS)
def test_hostile_programs_get_accepted_outcomes_and_change_nothing(user: str, tier: str) -> None:
    results = judged(user, tier)
    assert results.keys() == PROGRAMS.keys()
    violations = {name: [line["message"], *line["violations"]] for name, line in results.items() if line["violations"]}
    assert not violations, json.dumps(violations, indent=1)


def test_judging_outside_the_jail_is_rejected() -> None:
    outer = ",".join(str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "pid", "ipc", "net"))
    # Without programs, so that nothing would run even if it was not rejected.
    done = subprocess.run(
        [sys.executable, str(HERE / "judged.py"), outer, "limits"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "the jail is not closed: the mnt namespace is the outer one" in done.stderr


def test_shared_corpus_adds_programs() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no folder shared/{SHARED.name} beside the checkout: only the programs of this folder are judged")
    assert len(PROGRAMS) == len(OWN) + len(list(SHARED.glob("*.py")))
