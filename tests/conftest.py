"""Fixtures that tests of several folders share."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("CODEPLAN_FUZZ_EXAMPLES", "1000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


class FakeTeacher:
    """A running `fake_teacher.py`: its address, and what it counts."""

    def __init__(self, address: str) -> None:
        self.base_url = f"{address}/v1"
        self._address = address

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._address}/counts") as response:
            return json.loads(response.read())

    def reset(self) -> None:
        urllib.request.urlopen(f"{self._address}/reset", data=b"").close()


@pytest.fixture(scope="session")
def teacher_process() -> Iterator[FakeTeacher]:
    """A misbehaving teacher in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("fake_teacher.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield FakeTeacher(server.stdout.readline().strip())
        finally:
            server.terminate()


@pytest.fixture
def fake_teacher(teacher_process: FakeTeacher) -> FakeTeacher:
    """The same teacher, with its counts at zero."""
    teacher_process.reset()
    return teacher_process
