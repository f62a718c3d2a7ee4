"""Stages: identity apart from execution, done markers, claims."""

import io
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codeplan.stages import Account, Outcome, Stage, StageError, digest, write_text


def stage(
    home: Path, name: str = "distill", version: int = 1, settings: dict[str, object] | None = None, **inputs: Stage
) -> Stage:
    return Stage(name, version, settings or {"temperature": 0.2}, inputs, home)


def test_the_fingerprint_covers_what_changes_the_result(tmp_path: Path) -> None:
    first = stage(tmp_path)
    other = [
        stage(tmp_path, name="judge"),
        stage(tmp_path, version=2),
        stage(tmp_path, settings={"temperature": 0.3}),
        stage(tmp_path, problems=stage(tmp_path, "problems")),
        stage(tmp_path, problems=stage(tmp_path, "problems", settings={"count": 2})),
    ]
    assert len({first.fingerprint, *(each.fingerprint for each in other)}) == 6


def test_the_fingerprint_covers_nothing_else(tmp_path: Path) -> None:
    here = stage(tmp_path / "here", settings={"a": 1, "b": 2})
    there = stage(tmp_path / "there", settings={"b": 2, "a": 1})
    assert here.fingerprint == there.fingerprint
    assert here.folder != there.folder


def test_a_stage_is_done_when_it_says_so(tmp_path: Path) -> None:
    outcome = Outcome({"rows": Account(3, 1, {"broken": 2})}, {"loss": 0.5})
    one = stage(tmp_path)
    assert one.done() is None
    with one.claimed():
        assert one.done() is None
        one.finish(outcome)
    assert stage(tmp_path).done() == outcome


def test_rows_that_vanish_are_an_error() -> None:
    with pytest.raises(AssertionError, match="unaccounted"):
        Account(3, 1, {"broken": 1})


def _hold(home: Path, ready: Any, go: Any) -> None:
    with stage(home).claimed("run-of-the-other"):
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
    told: list[str] = []
    with held_by_another(tmp_path) as other:
        with pytest.raises(StageError, match="another run works on stage distill"), stage(tmp_path).claimed():
            pass

        def kill(holder: str) -> None:
            told.append(holder)
            assert other.is_alive()
            other.kill()

        with stage(tmp_path).claimed("mine", kill) as folder:
            assert folder.is_dir()
            other.join()
    assert told == [f"process {other.pid} on {socket.gethostname()}, MLflow run run-of-the-other"]
    with stage(tmp_path).claimed(on_wait=lambda holder: pytest.fail(f"{holder} holds a stage that is free")):
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
    from codeplan.loading import parse
    from codeplan.pipeline import road, travel
    from codeplan.tracking import Tracker

    source = {"reader": "miniapps", "split": "train", "count": 2}
    execution = {"home": str(new_home(tmp_path / "home"))}
    whole = {"problems": {"train": source, "test": source}, "student": {"model": "m"}, "execution": execution}
    config = parse(whole)
    tracker = Tracker(config.tracking, tmp_path / "home")
    terminal = _Heard("waiting for it")
    second = threading.Thread(
        target=travel, args=(config, "problems", tracker, Console(file=terminal, width=120)), daemon=True
    )
    train = road(config)["train"]
    with train.claimed("run-of-the-first"):
        second.start()
        assert terminal.heard.wait(60), terminal.getvalue()
        if finished:
            train.finish(Outcome({"problems": Account(7, 7)}))
    second.join(60)
    found = train.done()
    assert found is not None
    assert found.accounts["problems"].rows_out == (7 if finished else 2)
    assert f"process {os.getpid()} on" in terminal.getvalue()
    assert "MLflow run run-of-the-first" in terminal.getvalue()


def test_a_folders_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({before, renamed, digest(tmp_path)}) == 3


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "done.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["done.json"]
