"""Stages: identity apart from execution, done markers, locks."""

import io
import multiprocessing
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from rich.console import Console

from codeplan.config.base import Address, Settings
from codeplan.pool import Pool
from codeplan.stage import Account, Stage, StageResult


class AnySettings(Settings):
    temperature: float = 0.2
    count: int = 0
    path: Annotated[str, Address()] = ""


def stage(
    home: Path, name: str = "distill", version: int = 1, settings: dict[str, Any] | None = None, **inputs: Stage
) -> Stage:
    return Stage("role", name, version, AnySettings(**settings or {}), inputs, home)


def fail_to_wait(holder: str) -> None:
    pytest.fail(f"{holder} holds a stage that is free")


def test_the_fingerprint_covers_what_changes_the_result(tmp_path: Path) -> None:
    first = stage(tmp_path)
    other = [
        stage(tmp_path, name="judge"),
        stage(tmp_path, version=2),
        stage(tmp_path, settings={"temperature": 0.3}),
        stage(tmp_path, problems=stage(tmp_path, "problems")),
        stage(tmp_path, problems=stage(tmp_path, "problems", settings={"count": 2})),
    ]
    assert len({first.fingerprint, *(changed.fingerprint for changed in other)}) == 6


def test_the_fingerprint_covers_nothing_else(tmp_path: Path) -> None:
    here = stage(tmp_path / "here", settings={"count": 1, "path": "a"})
    there = stage(tmp_path / "there", settings={"path": "b", "count": 1})
    assert here.fingerprint == there.fingerprint
    assert here.folder != there.folder


def test_a_stage_is_done_when_it_says_so(tmp_path: Path) -> None:
    outcome = StageResult({"rows": Account(3, 1, {"broken": 2})}, {"loss": 0.5})
    one = stage(tmp_path)
    assert one.done() is None
    with one.lock(fail_to_wait):
        assert one.done() is None
        one.finish(outcome)
    assert stage(tmp_path).done() == outcome


def test_a_stage_whose_pool_was_deleted_is_not_done(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {"seed": 0})
    with pool.lock(0):
        pass
    one = stage(tmp_path)
    one.folder.mkdir(parents=True)
    one.finish(StageResult({}, pools=(pool.relative(tmp_path),)))
    assert one.done() is not None
    shutil.rmtree(pool.folder)
    assert one.done() is None


def test_rows_that_vanish_are_an_error() -> None:
    with pytest.raises(AssertionError, match="unaccounted"):
        Account(3, 1, {"broken": 1})


def _hold(home: Path, ready: Any, go: Any) -> None:
    with stage(home).lock(fail_to_wait, "run-of-the-other"):
        ready.set()
        go.wait()


@contextmanager
def held_by_another(home: Path) -> Iterator[Any]:
    """A process that holds the stage until it is killed."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(home, ready, go))
    other.start()
    try:
        assert ready.wait(60)
        yield other
    finally:
        other.kill()
        other.join()


def test_two_runs_do_not_work_on_one_stage_and_the_second_waits_for_the_first(tmp_path: Path) -> None:
    holders: list[str] = []
    with held_by_another(tmp_path) as other:

        def kill(holder: str) -> None:
            holders.append(holder)
            assert other.is_alive()
            other.kill()

        with stage(tmp_path).lock(kill, "mine") as folder:
            assert folder.is_dir()
            other.join()
    assert holders == [f"process {other.pid} on {socket.gethostname()}, MLflow run run-of-the-other"]
    with stage(tmp_path).lock(fail_to_wait):
        pass


class _Heard(io.StringIO):
    """A terminal's text, and an event when a word stands in it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word, self.heard = word, threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.word in self.getvalue():
            self.heard.set()
        return count


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_that_waited_for_a_stage_reuses_it_or_does_it(
    tmp_path: Path, new_home: Callable[[Path], Path], finished: bool
) -> None:
    from codeplan.config.loading import parse
    from codeplan.pipeline import build, run
    from codeplan.tracking import Tracker

    source = {"reader": "miniapps", "split": "train", "count": 2}
    execution = {"home": str(new_home(tmp_path / "home"))}
    whole = {"problems": {"train": source, "test": source}, "student": {"model": "m"}, "execution": execution}
    config = parse(whole)
    tracker = Tracker(config.tracking, tmp_path / "home")
    terminal = _Heard("waiting for it")
    second = threading.Thread(
        target=run, args=(config, "problems", tracker, Console(file=terminal, width=120)), daemon=True
    )
    train = build(config, "problems")["train"]
    with train.lock(fail_to_wait, "run-of-the-first"):
        second.start()
        assert terminal.heard.wait(60), terminal.getvalue()
        if finished:
            metrics = dict.fromkeys(("problems", "problems.with_solutions", "problems.with_hidden_tests"), 7)
            train.finish(StageResult({"problems": Account(7, 7)}, metrics))
    second.join(60)
    found = train.done()
    assert found is not None
    assert found.accounts["problems"].rows_out == (7 if finished else 2)
    assert f"process {os.getpid()} on" in terminal.getvalue()
    assert "MLflow run run-of-the-first" in terminal.getvalue()
