"""The problem page where MLflow shows it: a real server, its own user interface, a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser import MISSING, PROGRAM, tab
from mlflow import MlflowClient
from mlflow_parts import MlflowServer
from synthetic_experiment import SAMPLING, experiment

from codeplan.evaluation.problem_page import FILE, ROOM, PageBlock, page_problems, write
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples
from codeplan.inference.samples import Samples


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_page_works_in_the_artifact_view_of_mlflow(tmp_path: Path) -> None:
    records = experiment(20)
    samples = StudentSamples(Samples(records["student_plans"], records["programs"], records["verdicts"]))
    students = JudgedStudents.of(records["problems"], records["oracle_plans"], [], samples, SAMPLING)
    shown = page_problems(students, records["oracle_plans"], SAMPLING, "fresh")
    write([PageBlock.of(shown, "fresh", ROOM)], tmp_path / FILE, sampling=SAMPLING, final="fresh")
    server = MlflowServer(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"), tmp_path / "log")
    server.start()
    try:
        client = MlflowClient(server.uri)
        run = client.create_run("0").info.run_id
        client.log_artifact(run, str(tmp_path / FILE), "report")
        with tab(tmp_path / "profile", network=True) as page:
            page.resize(1400, 1000)
            page.open(f"{server.uri}/#/experiments/0/runs/{run}/artifacts/report/{FILE}")
            page.wait("document.querySelector('iframe.mlflow-html-iframe') !== null")
            # The sandboxed frame is of an origin of its own: a session beside the page's.
            frame = page.session_where("location.protocol === 'blob:' && document.documentElement?.dataset.ready")
            assert page.value("document.getElementById('status').textContent", frame) == "20 of 20 problems"
            page.value("document.querySelectorAll('#table tbody a')[3].click()", frame)
            page.wait("!document.getElementById('problem').hidden", frame)
            shown = page.value("document.getElementById('problem').textContent", frame)
            assert json.dumps(records["problems"][3].problem_id)[1:-1] in shown
            assert "report.final is fresh" in shown
            page.press("Escape", frame)
            page.wait("document.getElementById('problem').hidden", frame)
            page.value("document.getElementById('text').value = 'do step'; search()", frame)
            page.wait("list.progress === 1", frame)
            assert page.value("list.shown.length", frame) == 20
    finally:
        server.kill()
