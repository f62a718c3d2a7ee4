"""A pipeline on a real cluster: what Prometheus scrapes of it is what its stages report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_parts import free_port
from prometheus_client.parser import text_string_to_metric_families
from ray_head import RayHead
from small_pipeline import changed

from codeplan.watching.metrics import COMMON_TAGS, METRICS, PREFIX

SHIPPED = Path(__file__).parents[2] / "cluster"
CODEPLAN = Path(sys.executable).with_name("codeplan")
Samples = list[tuple[str, dict[str, str], float]]
"""Name, labels and value."""


@pytest.fixture(scope="module")
def prometheus(head: RayHead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prometheus that runs while the pipeline does, with the shipped files; empty where there is none."""
    if not (program := shutil.which("prometheus")):
        yield ""
        return
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(SHIPPED / "prometheus", folder, dirs_exist_ok=True)
    nodes = str(head.folder / "ray" / "session_latest" / "prom_metrics_service_discovery.json")
    config = (folder / "prometheus.yml").read_text()
    for shipped, here in (("/tmp/ray/prom_metrics_service_discovery.json", nodes), ("interval: 10s", "interval: 1s")):
        assert shipped in config
        config = config.replace(shipped, here)
    (folder / "prometheus.yml").write_text(config)
    listens = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={listens}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, f"--storage.tsdb.path={folder / 'data'}"], stdout=log, stderr=log)
    until = time.monotonic() + 60
    try:
        while not asked(f"http://{listens}", "count(up == 1)"):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.2)
        yield f"http://{listens}"
    finally:
        server.terminate()
        server.wait(30)


def asked(prometheus: str, query: str, path: str = "query", **more: float) -> list[dict[str, Any]]:
    """What a query gives; empty while the server starts."""
    asks = urllib.parse.urlencode({"query": query, **more})
    with (
        suppress(urllib.error.URLError),
        urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{asks}", timeout=30) as response,
    ):
        found: list[dict[str, Any]] = json.loads(response.read())["data"]["result"]
        return found
    return []


@pytest.fixture(scope="module")
def home(
    head: RayHead, prometheus: str, tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]
) -> Path:
    """The home of a pipeline that ran on the cluster, to the end of judging."""
    del prometheus  # it has been started before
    folder = tmp_path_factory.mktemp("watched")
    home = new_home(folder / "home")
    where = {"execution.home": str(home), "execution.ray_address": f"127.0.0.1:{head.gcs_port}"}
    (folder / "toy.yaml").write_text(yaml.safe_dump(changed(("name", "toy"), *where.items())))
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(head.token)}
    command = [str(CODEPLAN), "judge", str(folder / "toy.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def scraped(head: RayHead, run: str) -> Samples:
    """The run's samples on all metrics ports, as Ray's service discovery names them to Prometheus."""
    found: Samples = []
    (discovery,) = (head.folder / "ray" / "session_latest").glob("prom_metrics_service_discovery.json")
    for group in json.loads(discovery.read_text()):
        for target in group["targets"]:
            with (
                suppress(urllib.error.URLError),  # those of the head and the autoscaler have fixed ports
                urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as response,
            ):
                for family in text_string_to_metric_families(response.read().decode()):
                    found += [(sample.name, sample.labels, sample.value) for sample in family.samples]
    return [sample for sample in found if sample[0].startswith(f"{PREFIX}codeplan_") and sample[1]["run"] == run]


@pytest.fixture(scope="module")
def samples(head: RayHead, home: Path) -> Samples:
    """What is exported once the last report of the run's processes has arrived: that of the last stage's end."""
    (run,) = {log.name.split(".")[0] for log in (home / "logs").iterdir()}
    until = time.monotonic() + 60
    while True:
        found = scraped(head, run)
        if total(found, "stages_total", stage="judge") or time.monotonic() > until:
            return found
        time.sleep(0.5)


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for found, has, value in samples if found == f"{PREFIX}codeplan_{name}" and labels.items() <= has.items()
    )


def result(home: Path, stage: str, pattern: str = "*") -> dict[str, Any]:
    (marker,) = (home / "stages" / stage).glob(f"{pattern}/done.json")
    found: dict[str, Any] = json.loads(marker.read_text())
    return found


def test_counts_are_those_of_the_stages(home: Path, samples: Samples) -> None:
    assert total(samples, "stages_total", outcome="computed") == len(list((home / "stages").glob("*/*/done.json")))

    plans = result(home, "distill")["accounts"]["plan requests"]["rows_in"]
    assert total(samples, "teacher_answers_total") == plans == 40
    answers = [json.loads(path.read_text()) for path in (home / "answers").glob("*/*.json")]
    cached = total(samples, "teacher_answers_total", outcome="cached")  # the check's
    assert total(samples, "teacher_answers_total", outcome="answered") == len(answers) - cached
    assert total(samples, "teacher_answer_seconds_count") == len(answers) - cached
    assert total(samples, "teacher_requests_in_flight") == 0

    assert total(samples, "training_steps_total") == 20
    assert total(samples, "training_tokens_total") > 0

    sampled = result(home, "sample")["metrics"]
    assert total(samples, "sampled_sequences_total") == sampled["sampled.new_sequences"] > 0
    assert total(samples, "sampled_tokens_total") == sampled["sampled.tokens"]
    assert total(samples, "sampled_problems_total") == 12
    assert total(samples, "judged_programs_total", stage="sample") == sampled["sampled.new_example_verdicts"]

    judged = result(home, "judge")["metrics"]
    assert total(samples, "judged_programs_total", stage="judge") == judged["judged.new_programs"] > 0
    outcomes = Counter(
        {name.removeprefix("verdicts."): count for name, count in judged.items() if name.startswith("verdicts.")}
    )
    for outcome, count in outcomes.items():
        assert total(samples, "judged_programs_total", stage="judge", outcome=outcome) == count, outcome
    assert total(samples, "judged_tests_total", stage="judge") >= judged["judged.new_programs"]
    assert total(samples, "pool_records_total", pool="verdicts") == judged["judged.new_programs"]
    assert total(samples, "failures_total") == 0


def test_what_is_exported_is_declared(samples: Samples) -> None:
    declared = {metric.exported_name: metric for metric in METRICS}
    for name, labels, _ in samples:
        metric = declared[re.sub("_(bucket|sum|count|created)$", "", name)]
        assert {*COMMON_TAGS, *metric.tags} <= labels.keys(), name
        assert labels["stage"]


@pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed")
def test_the_board_shows_the_run_in_a_real_prometheus(prometheus: str, samples: Samples, home: Path) -> None:
    (run,) = {log.name.split(".")[0] for log in (home / "logs").iterdir()}
    assert samples
    board = json.loads((SHIPPED / "grafana" / "codeplan.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    shown, empty = [], []
    drawn = {"start": time.time() - 600, "end": time.time(), "step": 1}  # what ended processes counted is in the past
    for expression in expressions:
        query = expression.replace("$__rate_interval", "5m").replace("$run", run).replace("$ray_job", ".*")
        # What a process counted in its last seconds may not have been scraped.
        selected = re.findall(r"\bray_codeplan_\w+\{[^}]*\}", query)
        if selected and all(asked(prometheus, f"last_over_time({one}[10m])") for one in selected):
            shown.append(expression)
            if not asked(prometheus, query, "query_range", **drawn):
                empty.append(expression)
    assert empty == []
    assert len(shown) > len(expressions) / 3
    assert asked(prometheus, "ALERTS") == []


def test_the_log_has_the_events(home: Path) -> None:
    (log,) = (home / "logs").glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["run_started", "run_finished"]
    for line in lines:
        assert {"time", "level", "event", "run", "ray_job", "stage", "identity"} <= line.keys()
        assert line["run"] == log.stem
    finished = [line for line in lines if line["event"] == "stage_finished"]
    stages = [line["stage"] for line in finished]
    assert stages == ["problems train", "problems test", "distill plans", "finetune", "sample", "judge"]
    assert all(line["seconds"] >= 0 and line["identity"] for line in finished)
    assert finished[2]["rows"]["plan requests"] == {"in": 40, "out": 40, "dropped": {}}
    assert [line["step"] for line in lines if line["event"] == "checkpoint_written"] == [10, 20]
    (summary,) = [line for line in lines if line["event"] == "teacher_summary"]
    assert sum(summary["requests"].values()) == 40
    assert summary["failures"] == summary["retries"] == {}
