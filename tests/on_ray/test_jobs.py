"""Jobs of other people's code on a real cluster with a token: streams that break, ends, exit codes."""

from __future__ import annotations

import threading

import pytest
from mlflow_parts import Forwarder
from ray_head import RayHead, start

from codeplan.submission import UnknownJobError, UnreachableError, find, log_stream
from codeplan.submission.api import JobApi

LINES = "import time\nfor number in range(120): print('line', number, 'ä' * (number % 7)); time.sleep(0.05)"


def test_a_broken_stream_is_taken_up_again_without_a_line_twice_or_missing(
    head: RayHead, api: JobApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarder = Forwarder(head.dashboard_port)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", forwarder.uri)
    job = find(start(api, LINES))
    shown: list[str] = []
    cuts = [10, 40, 80]

    def write(text: str) -> None:
        shown.append(text)
        if cuts and "".join(shown).count("\n") >= cuts[0]:
            cuts.pop(0)
            forwarder.down()
            threading.Timer(0.5, forwarder.up).start()

    try:
        assert job.wait(write) == 0
    finally:
        forwarder.down()
    assert not cuts, "it was cut three times"
    assert "".join(shown) == "".join(f"line {number} {'ä' * (number % 7)}\n" for number in range(120))


def test_a_cluster_that_goes_away_is_given_up_and_one_that_forgot_the_job_is_named(
    head: RayHead, api: JobApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "OUTAGE_S", 2.0)
    forwarder = Forwarder(head.dashboard_port)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", forwarder.uri)
    said: list[str] = []
    job_id = start(api, "print('here', flush=True); import time; time.sleep(600)")
    job = find(job_id, notify=said.append)
    with pytest.raises(UnreachableError, match=rf"away for 2 s .*codeplan logs -f {job_id} .*submit it again"):
        job.wait(lambda _: forwarder.down())
    assert "trying again for 2 s" in said[0]
    forwarder.up()
    assert job.refresh() == "RUNNING"
    assert find(job_id).stop()
    api.delete_job(job_id)
    with pytest.raises(UnknownJobError, match="no longer knows"):
        job.wait(lambda _: None)
    forwarder.down()


def test_exit_codes_reach_the_client(api: JobApi) -> None:
    ends = {"raise SystemExit(3)": 3, "raise SystemExit(130)": 130, "import os; os.kill(os.getpid(), 9)": 137}
    started = {start(api, code): expected for code, expected in ends.items()}
    for job_id, expected in started.items():
        assert find(job_id).wait(lambda _: None) == expected


def test_a_job_that_does_not_start_is_said_to_wait(api: JobApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "PENDING_S", 1.0)
    job_id = start(api, "pass", entrypoint_resources={"nowhere": 1})

    def notify(sentence: str) -> None:
        raise InterruptedError(sentence)

    with pytest.raises(InterruptedError, match=rf"{job_id} has not started for 1 s: .*waiting for resources"):
        find(job_id, notify=notify).wait(lambda _: None)
