"""Stages: identity apart from execution, done markers, locks."""

import io
import multiprocessing
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from rich.console import Console

from codeplan import records
from codeplan.config import ExecutionConfig, TrackingConfig
from codeplan.config.base import Address, Settings
from codeplan.records import Plan, RecordsError
from codeplan.stage import Account, Stage, StageError, StageResult, require_same_inputs
from codeplan.stages import StageRun, distill


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


def test_a_stage_is_done_while_its_parts_of_pools_are_there(tmp_path: Path) -> None:
    part = tmp_path / "pools" / "samples" / "00000.000.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"1234")
    one = stage(tmp_path)
    one.folder.mkdir(parents=True)
    one.finish(StageResult({}, parts={"pools/samples/00000.000.parquet": 4}))
    assert one.done() is not None
    part.write_bytes(b"123")
    assert one.done() is None
    shutil.rmtree(part.parent)
    assert one.done() is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b"{}", b'{"accounts": 1, "metrics": {}}', b"\xff"])
def test_a_damaged_done_marker_is_an_error_that_names_the_folder(tmp_path: Path, content: bytes) -> None:
    one = stage(tmp_path)
    one.folder.mkdir(parents=True)
    (one.folder / "done.json").write_bytes(content)
    with pytest.raises(StageError, match=f"done.json is damaged; delete the folder {one.folder} and run the same"):
        one.done()


def test_records_that_are_lost_or_damaged_are_an_error_that_names_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "plans.parquet"
    for content in (None, b"", b"garbage"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RecordsError, match=f"plans.parquet is missing or damaged .*delete the folder {tmp_path} "):
            records.read(Plan, path)


class Chain:
    """Plans, a student that read them, and samples of the student; the plans are asked for again."""

    def __init__(self, home: Path) -> None:
        self.plans = Stage("plans", "distill", 1, AnySettings(), {}, home)
        self.student = Stage("student", "finetune", 1, AnySettings(), {"plans": self.plans}, home)
        self.samples = Stage("samples", "sample", 1, AnySettings(), {"student": self.student}, home)

    def finish(self, digest: str) -> None:
        with self.plans.lock(fail_to_wait):
            self.plans.finish(StageResult({}, digest=digest))
        for one in (self.student, self.samples):
            with one.lock(fail_to_wait):
                one.finish(StageResult({}))


def test_what_was_made_from_other_plans_is_not_used_with_these(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    require_same_inputs([chain.plans, chain.student, chain.samples])
    chain.finish("one")
    names = [one.result_id for one in (chain.plans, chain.student, chain.samples)]
    shutil.rmtree(chain.plans.folder)
    require_same_inputs([chain.plans, chain.student, chain.samples])  # the same plans may come again
    with chain.plans.lock(fail_to_wait):
        chain.plans.finish(StageResult({}, digest="other"))
    with pytest.raises(StageError, match=f"delete {chain.student.folder}, {chain.samples.folder} and run the same"):
        require_same_inputs([chain.plans, chain.student, chain.samples])
    with pytest.raises(StageError, match="asked for again"), chain.student.lock(fail_to_wait):
        pass
    shutil.rmtree(chain.student.folder)
    shutil.rmtree(chain.samples.folder)
    chain.finish("other")
    assert not set(names) & {one.result_id for one in (chain.plans, chain.student, chain.samples)}
    assert chain.student.fingerprint == Chain(tmp_path).student.fingerprint


def test_an_interrupted_stage_does_not_resume_with_other_plans(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with chain.plans.lock(fail_to_wait):
        chain.plans.finish(StageResult({}, digest="one"))
    with chain.student.lock(fail_to_wait):
        pass
    with chain.plans.lock(fail_to_wait):
        chain.plans.finish(StageResult({}, digest="other"))
    assert chain.student.is_outdated()


def test_the_digest_of_plans_covers_their_texts_and_not_what_they_cost() -> None:
    plan = Plan(problem_id="p", author="m", text="1. Add.", cost_usd=0.5)
    paid_before = plan.model_copy(update={"cost_usd": 0.0, "cached": True})
    assert distill.digest([plan]) == distill.digest([paid_before])
    others = [[], [plan.model_copy(update={"text": "1. Sub."})], [plan.model_copy(update={"finished": False})]]
    assert len({distill.digest([plan]), *map(distill.digest, others)}) == 4


def test_who_adds_to_a_pool_is_said_once() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, width=120)
    work = StageRun(
        stage(Path("home")),
        "judge",
        ExecutionConfig(),
        None,  # type: ignore[arg-type]
        TrackingConfig(),
        console,
        ExitStack(),
    )
    tell = work.tell_waiting("the verdicts")
    tell("process 1 on here")
    tell("process 2 on there")
    assert terminal.getvalue() == (
        "  judge: another run is adding to the verdicts (process 1 on here); waiting for it\n"
    )


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
