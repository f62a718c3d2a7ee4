"""Stages: identity apart from execution, done markers, claims."""

import multiprocessing
from pathlib import Path

import pytest

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


def _hold(home: Path, ready: object, go: object) -> None:
    with stage(home).claimed():
        ready.set()  # type: ignore[attr-defined]
        go.wait()  # type: ignore[attr-defined]


def test_two_runs_do_not_work_on_one_stage_and_a_kill_frees_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(StageError, match="another run works on stage distill"), stage(tmp_path).claimed():
            pass
    finally:
        other.kill()
        other.join()
    with stage(tmp_path).claimed() as folder:
        assert folder.is_dir()


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
