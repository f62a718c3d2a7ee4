"""Metrics, the board and alerts that name them, and the log of events."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from cluster_files import KUBERNETES, built, containers, find, pod_templates

from codeplan.config import ExecutionConfig
from codeplan.errors import StopRequested, UserError
from codeplan.stage import Account, StageResult
from codeplan.stages.events import log_end, watched_run, watched_stage
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.plan_collection import RequestCounts
from codeplan.teacher.replies import Replies
from codeplan.teacher.requests import Answer
from codeplan.watching import Watch
from codeplan.watching.log import worker_log
from codeplan.watching.metrics import COMMON_TAGS, METRICS, STAGES, Metric
from codeplan.watching.watch import EVENTS, export_to

ROOT = Path(__file__).parents[2]
BOARD = json.loads((ROOT / "cluster" / "grafana" / "codeplan.json").read_text())
PROMETHEUS = ROOT / "cluster" / "prometheus"
DOCS = (ROOT / "docs" / "watching.md").read_text()
BY_SERIES = {
    f"{metric.exported_name}{suffix}": metric
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]] + [rule["expr"] for rule in alerts()]


class Counts:
    """An exporter that remembers."""

    def __init__(self) -> None:
        self.values: list[tuple[str, float, dict[str, str]]] = []

    def record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
        assert tags.keys() == {*COMMON_TAGS, *metric.tags}
        self.values.append((metric.name, value, tags))

    def total(self, name: str, **tags: str) -> float:
        return sum(value for found, value, has in self.values if found == name and tags.items() <= has.items())


@pytest.fixture
def counts() -> Iterator[Counts]:
    export_to(Counts())  # drops what other tests left
    exporter = Counts()
    export_to(exporter)
    yield exporter
    export_to(None)


def test_metrics_have_names_in_prometheus_style() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch("codeplan_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.description.endswith(".")
        assert bool(metric.buckets) == (metric.kind == "histogram")


def test_every_query_is_promql_with_declared_metrics_and_tags() -> None:
    for query in queries():
        promql_parser.parse(query)
        for series, labels in re.findall(r"\b(ray_codeplan_\w+)(?:\{([^}]*)\})?", query):
            metric = BY_SERIES[series]
            assert set(re.findall(r"(\w+)\s*[=!]~?", labels)) <= {*COMMON_TAGS, *metric.tags}, query
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        promql_parser.parse("sum by (run) (rate(x_total[1m])")


def test_every_metric_is_on_the_board_and_in_the_docs() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    for metric in METRICS:
        assert re.search(rf"\b{metric.exported_name}(_bucket)?\b", shown), metric.name
        assert f"| `{metric.exported_name}` | {metric.kind} | {', '.join(metric.tags)} | {metric.description} |" in DOCS
    assert set(re.findall(r"`(ray_codeplan_\w+)`", DOCS)) == {metric.exported_name for metric in METRICS}


def test_the_board_is_one_that_grafana_loads() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Run", "Teacher", "Sampling", "Judging", "Training", "Cluster"]
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert [variable["type"] for variable in variables.values()] == ["datasource", "query", "query"]
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} covers another panel"
        taken |= cells
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"]))
            assert used <= variables.keys()
            assert used == {"run", "ray_job"} or "codeplan" not in target["expr"]


def test_prometheus_reads_rays_list_of_nodes() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (scrape,) = config["scrape_configs"]
    assert scrape["file_sd_configs"] == [{"files": ["/tmp/ray/prom_metrics_service_discovery.json"]}]
    assert [(PROMETHEUS / file).is_file() for file in config["rule_files"]] == [True]
    assert all(rule.keys() >= {"alert", "expr", "annotations"} for rule in alerts())


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed")
def test_prometheus_accepts_its_files(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "alerts.yml").write_text((tmp_path / "alerts.yml").read_text().replace("for: 10m", "for: long"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_component_for_kubernetes_finds_the_metrics_ports(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "overlays" / "gpu" / "kustomization.yaml"
    component = "../../components/pod-monitor"
    overlay.write_text(overlay.read_text().replace("components:", f"components:\n  - {component}"))
    objects = built(overlay.parent)
    assert f"- {component}" in DOCS
    policy = find(objects, "NetworkPolicy", "prometheus")
    kubernetes_validate.validate(policy, "1.34", strict=True)
    monitor = find(objects, "PodMonitor", "ray")
    cluster = find(objects, "RayCluster", "codeplan")
    assert monitor["metadata"]["namespace"] == cluster["metadata"]["namespace"]
    assert monitor["spec"]["selector"]["matchLabels"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    ((opened,),) = [rule["ports"] for rule in policy["spec"]["ingress"]]
    for group, template in pod_templates(cluster).items():
        ports = {port["name"]: port["containerPort"] for one in containers(template) for port in one.get("ports", [])}
        assert ports[endpoint["port"]] == opened["port"], group


def test_counters_wait_for_an_exporter_and_gauges_do_not(counts: Counts) -> None:
    export_to(None)
    watch = Watch(run="r", stage="judge", identity="0123456789abcdef")
    watch.count(STAGES, outcome="reused")
    watch.count(STAGES, outcome="reused")
    watch.count(STAGES, 0, outcome="failed")
    export_to(counts)
    common = {"run": "r", "ray_job": "", "stage": "judge", "identity": "0123456789ab"}
    assert counts.values == [(STAGES.name, 2, {**common, "outcome": "reused"})]
    watch.count(STAGES, outcome="computed")
    assert counts.total(STAGES.name) == 3


def test_replies_of_the_teacher_are_counted_by_what_became_of_them(counts: Counts, tmp_path: Path) -> None:
    paid = Answer(text="a plan", prompt_tokens=10, completion_tokens=20, cost_usd=0.5)
    replies = [
        Reply(key="1", status="answered", answer=paid, seconds=2.0, retried=("rate_limited", "timeout")),
        Reply(key="2", status="answered", answer=paid, cached=True),
        Reply(key="3", status="failed", reason="rejected", message="no"),
        Reply(key="4", status="over_budget"),
        Reply(key="5", status="over_budget"),
        Reply(key="6", status="stopped", message="a wrong key"),
    ]
    with watched_run("toy", "distill", "r1", ExecutionConfig(home=str(tmp_path))) as log:
        advanced: list[RequestCounts] = []
        taken = Replies({reply.key: 2 for reply in replies}, advanced.append, log.watch)
        for reply in taken.summarized(iter(replies)):
            taken.add(reply)
    assert taken.by_key == {reply.key: reply for reply in replies}
    assert sum(part.rows for part in advanced) == 6
    answers = "codeplan_teacher_answers_total"
    assert [counts.total(answers, outcome=outcome) for outcome in ("answered", "cached", "failed")] == [1, 1, 1]
    assert counts.total(answers) == 6
    assert counts.total("codeplan_teacher_tokens_total", kind="prompt") == 10
    assert counts.total("codeplan_teacher_tokens_total") == 30
    assert counts.total("codeplan_teacher_cost_usd_total") == 0.5
    assert counts.total("codeplan_teacher_retries_total", reason="timeout") == 1
    assert counts.total("codeplan_failures_total", kind="rejected") == 1
    assert counts.total("codeplan_failures_total", kind="refused") == 1
    pending = [value for name, value, _ in counts.values if name == "codeplan_teacher_requests_pending"]
    assert pending == [5, 4, 3, 2, 1, 0, 0]
    lines = read(tmp_path / "logs" / "r1.jsonl")
    assert [line["event"] for line in lines] == ["run_started", "budget_reached", "teacher_summary", "run_finished"]
    assert lines[2]["retries"] == {"rate_limited": 1, "timeout": 1}
    assert lines[2]["failures"] == {"rejected": 1, "refused": 1}


def test_a_stage_that_fails_is_counted_and_logged(counts: Counts, tmp_path: Path) -> None:
    with watched_run("toy", "judge", "r2", ExecutionConfig(home=str(tmp_path))) as log:
        log.watch = watch = log.watch.at("distill plans", "f" * 64)
        with watched_stage(watch):
            log_end(watch, StageResult(accounts={"plans": Account(3, 2, {"truncated": 1})}), 1.25, computed=True)
        log.watch = watch = log.watch.at("finetune", "e" * 64)
        with pytest.raises(StopRequested), watched_stage(watch):
            raise StopRequested("asked to")
        logging.getLogger("codeplan.student").warning("the tokenizer\nhas %d tokens", 3)
        with pytest.raises(UserError), watched_stage(watch):
            raise UserError("no such\nmodel")
    with pytest.raises(UserError), watched_run("toy", "judge", "r2", ExecutionConfig(home=str(tmp_path))):
        raise UserError("no such\nmodel")
    lines = read(tmp_path / "logs" / "r2.jsonl")
    assert [(line["event"], line["level"], line["stage"]) for line in lines] == [
        ("run_started", "info", ""),
        ("stage_started", "info", "distill plans"),
        ("stage_finished", "info", "distill plans"),
        ("stage_started", "info", "finetune"),
        ("stage_stopped", "warning", "finetune"),
        ("log", "warning", "finetune"),
        ("stage_started", "info", "finetune"),
        ("stage_failed", "error", "finetune"),
        ("run_finished", "info", ""),
        ("run_started", "info", ""),
        ("run_failed", "error", ""),
    ]
    assert {line["run"] for line in lines} == {"r2"}
    assert lines[2]["rows"] == {"plans": {"in": 3, "out": 2, "dropped": {"truncated": 1}}}
    assert lines[5]["message"] == "the tokenizer\nhas 3 tokens"
    assert (lines[7]["kind"], lines[7]["message"]) == ("UserError", "no such model")
    assert lines[7]["identity"] == "e" * 64
    assert counts.total("codeplan_stages_total", outcome="failed") == 1
    assert counts.total("codeplan_failures_total", kind="stage") == 1
    assert not any(isinstance(handler, logging.FileHandler) for handler in EVENTS.handlers)


def test_an_actor_logs_beside_its_run(tmp_path: Path) -> None:
    watch = Watch(run="r3", stage="judge", log=str(tmp_path / "r3.jsonl"))
    try:
        worker_log(watch)
        worker_log(watch)
        assert not list(tmp_path.iterdir())
        watch.event("judge_actor_restarted", level=logging.WARNING, node="n1")
        (path,) = tmp_path.glob("r3.*.jsonl")
        (line,) = read(path)
        assert (line["event"], line["node"], line["stage"]) == ("judge_actor_restarted", "n1", "judge")
    finally:
        for name in ("codeplan.events", "codeplan"):
            logger = logging.getLogger(name)
            for handler in [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]:
                logger.removeHandler(handler)
                handler.close()


def test_a_log_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with watched_run("toy", "judge", "r4", ExecutionConfig(home=str(tmp_path))) as log:
        log.watch.event("stage_started")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
