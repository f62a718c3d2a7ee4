"""Writes that outlive an MLflow server that goes away, and a process that is killed: against a real server."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow_parts import Forwarder, MlflowServer, postgres

from codeplan.cli.track import track
from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import PARENT, Tracker, TrackingError, left_behind, outbox, tracker

NewHome = Callable[[Path], Path]


def config(name: str = "test") -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, new_home: NewHome) -> Iterator[MlflowServer]:
    folder = new_home(tmp_path_factory.mktemp("server"))
    server = MlflowServer(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"), folder / "log")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def forwarder(server: MlflowServer) -> Iterator[Forwarder]:
    forwarder = Forwarder(server.port)
    yield forwarder
    forwarder.down()


@pytest.fixture
def client(server: MlflowServer) -> MlflowClient:
    return MlflowClient(server.uri)


def points(client: MlflowClient, run_id: str, key: str = "loss") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def waiting(home: Path) -> int:
    return sum(left_behind.waiting_writes(home).values())


def runs_named(client: MlflowClient, name: str) -> list:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, f"attributes.run_name = '{name}'")


def test_server_killed_and_started_again_in_the_middle_loses_no_point(
    tmp_path: Path, server: MlflowServer, client: MlflowClient
) -> None:
    tracker = Tracker(TrackingConfig(uri=server.uri), tmp_path)
    times = []
    with tracker.experiment(config(), {}) as parent:
        with tracker.stage(parent, "student", {}) as stage:
            for step in range(150):
                if step == 50:
                    server.kill()
                times.append(int(time.time() * 1000))
                stage.metrics({"loss": 1 / (step + 1), "rate": 5}, step)
        with tracker.stage(parent, "began while away", {}) as later:
            assert later.run_id.startswith("local-"), "nobody waits for a server that is away"
            later.table([{"plan": "1. Read."}], "plans.json")
            later.text(f"kept by {later.run_id}", "folder/note.txt")
            (tmp_path / "report.md").write_bytes(f"[run]({later.link})\r\n\xff".encode("latin-1"))
            later.file(tmp_path / "report.md")
            later.describe(f"[itself]({later.link})")
            later.tag(made_from=later.run_id)
        server.start()
    assert points(client, stage.run_id) == [(step, 1 / (step + 1)) for step in range(150)]
    logged = [point.timestamp for point in client.get_metric_history(stage.run_id, "rate")]
    assert len(logged) == 150
    assert all(0 <= at - before < 1000 for at, before in zip(logged, times, strict=True)), "not when they arrived"
    found = client.get_run(later.run_id)
    assert found.data.tags[PARENT] == parent.run_id
    assert found.data.tags["codeplan.made_from"] == later.run_id, "the local id was replaced"
    assert json.loads(found.data.tags["mlflow.loggedArtifacts"]) == [{"path": "plans.json", "type": "table"}]
    assert client.load_table(found.info.experiment_id, "plans.json", [later.run_id])["plan"].tolist() == ["1. Read."]
    page = f"#/experiments/{found.info.experiment_id}/runs/{found.info.run_id}"
    assert found.data.tags["mlflow.note.content"] == f"[itself]({page})"
    note, report = (Path(client.download_artifacts(later.run_id, name)) for name in ("folder/note.txt", "report.md"))
    assert note.read_text() == f"kept by {found.info.run_id}"
    assert report.read_bytes() == f"[run]({page})\r\n\xff".encode("latin-1"), "nothing else was changed"
    assert {client.get_run(run.run_id).info.status for run in (parent, stage, later)} == {"FINISHED"}
    assert not outbox.found(tmp_path)


def _writes_while_away(home: Path, uri: str, began: Any, away: Any, said: Any, killed: bool) -> None:
    tracker._FLUSH_S = 1.0
    try:
        tracking = Tracker(TrackingConfig(uri=uri), home)
        with tracking.experiment(config(), {}) as parent:
            began.set()
            away.wait(60)
            with tracking.stage(parent, f"pushed {killed}", {}) as stage:
                for step in range(1200):
                    stage.metrics({"loss": step}, step)
                stage.text("kept", "note.txt")
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
    except TrackingError as error:
        said.send(str(error))


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "kill -9"])
def test_what_a_process_left_is_pushed_once(
    tmp_path: Path, forwarder: Forwarder, client: MlflowClient, capfd: pytest.CaptureFixture[str], killed: bool
) -> None:
    address = forwarder.uri.replace("//", "//me:made-up-word@")
    fork = multiprocessing.get_context("fork")  # MLflow takes seconds to import
    began, away, (said, say) = fork.Event(), fork.Event(), fork.Pipe(duplex=False)
    process = fork.Process(target=_writes_while_away, args=(tmp_path, address, began, away, say, killed))
    process.start()
    began.wait(60)
    forwarder.down()
    away.set()
    process.join()
    assert process.exitcode == (-signal.SIGKILL if killed else 0)
    if not killed:
        message = said.recv()
        assert "writes have not reached MLflow" in message
        assert f"codeplan track --push --home {tmp_path}" in message
        assert "made-up-word" not in message
    count = waiting(tmp_path)
    assert count > 1200
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"made-up-word" not in kept
    with pytest.raises(SystemExit):
        track(tmp_path, push=True, uri=address)
    printed = capfd.readouterr()
    assert "does not take them" in printed.err
    assert printed.err.count("\n") == 1
    assert "made-up-word" not in printed.out + printed.err
    assert waiting(tmp_path) >= count

    forwarder.up()
    copy = shutil.copytree(tmp_path / outbox.FOLDER, tmp_path / "copy")
    track(tmp_path, push=True, uri=address)
    printed = capfd.readouterr()
    assert f"{waiting_in(copy):,} writes sent" in printed.out
    assert "made-up-word" not in printed.out
    assert waiting(tmp_path) == 0
    # As if the process that sent it had been killed before the first acknowledgement.
    shutil.copytree(copy, tmp_path / outbox.FOLDER, dirs_exist_ok=True)
    track(tmp_path, push=True, uri=address)

    (run,) = runs_named(client, f"pushed {killed}")
    assert points(client, run.info.run_id) == [(step, float(step)) for step in range(1200)]
    assert run.info.status == ("FAILED" if killed else "FINISHED")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["note.txt"]


def waiting_in(copy: Path) -> int:
    return sum(outbox.count(folder) for folder in (copy / "waiting").glob("[0-9]*"))


def test_lost_answers_make_no_run_and_no_point_twice(
    tmp_path: Path, forwarder: Forwarder, client: MlflowClient
) -> None:
    tracking = Tracker(TrackingConfig(uri=forwarder.uri), tmp_path)
    with tracking.experiment(config(), {}) as parent:
        forwarder.lose_answers = True
        with tracking.stage(parent, "lost answers", {}) as stage:
            assert forwarder.lost.wait(60), "the run was created, and the writer was not told"
            forwarder.lose_answers = False
            stage.metrics({"loss": 1.0}, 0)
            forwarder.lost.clear()
            forwarder.lose_answers = True
            stage.metrics({"loss": 2.0}, 1)
            assert forwarder.lost.wait(60)
            forwarder.lose_answers = False
            stage.metrics({"loss": 3.0}, 2)
    (run,) = runs_named(client, "lost answers")
    assert points(client, run.info.run_id) == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_experiment_within_another_begins_and_ends_while_the_server_is_away(
    tmp_path: Path, forwarder: Forwarder, client: MlflowClient
) -> None:
    tracking = Tracker(TrackingConfig(uri=forwarder.uri), tmp_path)
    with tracking.experiment(config("sweep of one"), {}):
        forwarder.down()
        with tracking.experiment(config("trial"), {}) as trial, tracking.stage(trial, "stage of trial", {}) as stage:
            stage.metrics({"loss": 1.0})
        forwarder.up()
    (run,) = runs_named(client, "stage of trial")
    assert run.data.tags[PARENT] == trial.run_id
    assert points(client, run.info.run_id) == [(0, 1.0)]
    assert client.get_run(trial.run_id).info.status == "FINISHED"


def _killed_at_once(home: Path) -> None:
    with Tracker(TrackingConfig(), home).experiment(config(), {}) as run:
        for step in range(500):
            run.metrics({"loss": step}, step)
        os.kill(os.getpid(), signal.SIGKILL)


def test_next_run_on_the_home_sends_what_a_killed_process_left(tmp_path: Path, new_home: NewHome) -> None:
    new_home(tmp_path)
    killed = multiprocessing.get_context("fork").Process(target=_killed_at_once, args=(tmp_path,))
    killed.start()
    killed.join()
    assert waiting(tmp_path) > 0
    tracking = Tracker(TrackingConfig(), tmp_path)
    while waiting(tmp_path):
        time.sleep(0.05)
    client = MlflowClient(tracking.uri)
    (run,) = runs_named(client, "test")
    assert points(client, run.info.run_id) == [(step, float(step)) for step in range(500)]
    assert run.info.status == "FAILED"


def test_rejected_writes_are_kept_and_reported_and_hold_up_no_other(tmp_path: Path, new_home: NewHome) -> None:
    tracking = Tracker(TrackingConfig(), new_home(tmp_path))

    def reject_two() -> None:
        with tracking.experiment(config(), {}) as run:
            run.params({"count": 1})
            for step in range(11):
                run.metrics({"loss": step}, step)
                if step == 5:
                    run.params({"count": 2, "other": 3})
                    run.file(tmp_path / "missing.png")

    with pytest.raises(TrackingError, match=r"rejected a write: .*1 more.*rejected\.jsonl") as error:
        reject_two()
    assert "missing.png" in str(error.value)
    client = MlflowClient(tracking.uri)
    (run,) = runs_named(client, "test")
    assert points(client, run.info.run_id) == [(step, float(step)) for step in range(11)]
    params = run.data.params
    assert (params["count"], params["other"]) == ("1", "3")
    kept = [json.loads(line) for line in outbox.rejected_path(tmp_path).read_text().splitlines()]
    assert kept[-1]["record"]["entries"] == [["param", "count", "2"]]
    assert "missing.png" in kept[0]["why"]
    assert not outbox.found(tmp_path)


def _many_points(home: Path, uri: str, number: int, start: Any) -> None:
    start.wait(60)
    with Tracker(TrackingConfig(uri=uri), home).experiment(config(f"writer {number}"), {}) as run:
        for step in range(200):
            run.metrics({"loss": step, "rate": number}, step)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_every_metric_of_eight_concurrent_writers_is_there(tmp_path: Path, new_home: NewHome, store: str) -> None:
    fork = multiprocessing.get_context("fork")
    with ExitStack() as stack:
        uri = ""
        if store == "postgresql":
            try:
                uri = stack.enter_context(postgres())
            except FileNotFoundError as error:
                pytest.skip(str(error))
            tables = fork.Process(target=Tracker, args=(TrackingConfig(uri=uri), tmp_path))
            tables.start()  # in a process of its own: those forked below must not share its connections
            tables.join()
        else:
            new_home(tmp_path)
        start = fork.Barrier(8)
        writers = [fork.Process(target=_many_points, args=(tmp_path, uri, number, start)) for number in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0] * 8
        client = MlflowClient(uri or f"sqlite:///{tmp_path / 'mlflow.db'}")
        for number in range(8):
            (run,) = runs_named(client, f"writer {number}")
            assert points(client, run.info.run_id) == [(step, float(step)) for step in range(200)]
            assert points(client, run.info.run_id, "rate") == [(step, float(number)) for step in range(200)]
            assert run.info.status == "FINISHED"
        assert not outbox.found(tmp_path)
