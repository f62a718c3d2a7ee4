"""`mlflow server` on PostgreSQL with artifacts in an S3-compatible store, both on loopback."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient
from mlflow_parts import Forwarder, MlflowServer, postgres
from moto.server import ThreadedMotoServer

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import Tracker

BUCKET = "runs"
ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def config() -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": "test", "problems": {"train": source, "test": source}, "student": {"model": "m"}})


@pytest.fixture(scope="module")
def store() -> Iterator[Forwarder]:
    """The way to the S3-compatible store, which has one bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    forwarder = Forwarder(port)
    _bucket(forwarder).create()
    yield forwarder
    forwarder.down()
    server.stop()


def _bucket(store: Forwarder):
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.resource("s3", endpoint_url=store.uri, **keys).Bucket(BUCKET)


@pytest.fixture(scope="module")
def server(store: Forwarder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    try:
        database = postgres()
        uri = database.__enter__()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    variables = {**ACCESS, "MLFLOW_S3_ENDPOINT_URL": store.uri}
    server = MlflowServer(uri, f"s3://{BUCKET}", tmp_path_factory.mktemp("server") / "log", variables)
    server.start()
    yield server
    server.kill()
    database.__exit__(None, None, None)


def test_artifacts_wait_for_their_store_and_hold_up_no_metric(
    tmp_path: Path, server: MlflowServer, store: Forwarder
) -> None:
    client = MlflowClient(server.uri)
    tracker = Tracker(TrackingConfig(uri=server.uri), tmp_path)
    with tracker.experiment(config(), {}) as parent, tracker.stage(parent, "stage", {}) as stage:
        stage.table([{"plan": "1. Read."}], "plans.json")
        tracker._writer.flush(60)
        store.down()
        stage.text("kept", "folder/note.txt")
        for step in range(50):
            stage.metrics({"loss": step}, step)
        while len(client.get_metric_history(stage.run_id, "loss")) < 50:
            tracker._writer.flush(0.1)
        assert list((tmp_path / "tracking_outbox").rglob("note.txt")) != []
        store.up()
    assert client.load_table(client.get_run(stage.run_id).info.experiment_id, "plans.json")["plan"].tolist() == [
        "1. Read."
    ]
    assert Path(client.download_artifacts(stage.run_id, "folder/note.txt")).read_text() == "kept"
    kept = {entry.key.split("/artifacts/")[1] for entry in _bucket(store).objects.all()}
    assert kept == {"config.yaml", "plans.json", "folder/note.txt"}
    assert client.get_run(stage.run_id).info.status == "FINISHED"
