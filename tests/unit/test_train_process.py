"""How often Ray Train looks at its workers."""

from __future__ import annotations

import os
import signal

import pytest

from codeplan.on_ray.train_process import interrupt_handler_kept, polled_often

VARIABLE = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"


@pytest.mark.parametrize(("workers", "seconds"), [(1, "0.2"), (2, "0.2"), (8, "0.4"), (64, "2"), (512, "2")])
def test_few_workers_are_polled_often_and_many_as_ray_does(
    workers: int, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with polled_often(workers):
        assert os.environ[VARIABLE] == seconds
    assert VARIABLE not in os.environ


def test_the_users_own_interval_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "7")
    with polled_often(2):
        assert os.environ[VARIABLE] == "7"
    assert os.environ[VARIABLE] == "7"


def test_ray_reads_the_interval_under_this_name() -> None:
    constants = pytest.importorskip("ray.train.v2._internal.constants")
    assert constants.HEALTH_CHECK_INTERVAL_S_ENV_VAR == VARIABLE
    assert VARIABLE in constants.ENV_VARS_TO_PROPAGATE, "the controller has an environment of its own"


def test_the_handler_of_interrupts_is_the_one_of_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupt_handler_kept():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is before
