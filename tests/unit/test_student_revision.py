"""Models on the hub: a student is built from the commit that its settings were resolved to."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.student.errors import StudentError
from codeplan.student.revision import resolve_revision
from codeplan.student.settings import FinetuneSettings

FolderOf = Callable[[str, str], Path]
OLD, NEW = "a" * 40, "b" * 40


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub with one repository, ``someone/model``, whose main branch a POST moves from one commit to the next."""

    folders: dict[str, Path]
    main: str

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        type(self).main = NEW
        self._send(200, {}, b"")

    def _answer(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts[:3] != ["someone", "model", "resolve"]:
            known = parts[:4] == ["api", "models", "someone", "model"]  # whose folder of chat templates is looked for
            self._send(404, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"}, b"")
            return
        commit = self.main if parts[3] == "main" else parts[3]
        if commit not in self.folders:
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"")
            return
        path = self.folders[commit].joinpath(*parts[4:])
        if not path.is_file():
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b"")
            return
        content = path.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        self._send(200, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(model_folder: FolderOf, tmp_path: Path) -> Iterator[str]:
    old = model_folder("gpt2", "t5")
    new = tmp_path / "new"
    shutil.copytree(old, new)
    weights = load_file(new / "model.safetensors")
    save_file(
        {name: tensor + 1.0 for name, tensor in weights.items()}, new / "model.safetensors", metadata={"format": "pt"}
    )
    Hub.folders, Hub.main = {OLD: old, NEW: new}, OLD
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


BUILD = """
import json, os, sys, urllib.request
from codeplan.config import StudentConfig, TrainingConfig
from codeplan.student.errors import StudentError
from codeplan.student.model import build_student
from codeplan.student.revision import find_model
from codeplan.student.settings import FinetuneSettings

def resolved(**student):
    return FinetuneSettings.of(StudentConfig(model="someone/model", **student), TrainingConfig())

def weight(student):
    return float(build_student(student, []).model.get_input_embeddings().weight[5, 5])

said = {}
if sys.argv[1] == "online":
    before = resolved()
    urllib.request.urlopen(os.environ["HF_ENDPOINT"], data=b"").close()
    said["within the process"] = resolved().revision
    find_model.cache_clear()
    said["before"], said["after"] = before.revision, resolved().revision
    said["commit"] = resolved(revision="a" * 40).revision
    said["weight before"], said["weight after"] = weight(before.pinned_student), weight(resolved().pinned_student)
    said["identities differ"] = before.identity() != resolved().identity()
    said["branch and commit are one"] = before.identity() == resolved(revision="a" * 40).identity()
else:
    said["after"], said["weight before"] = resolved().revision, weight(resolved(revision="a" * 40).pinned_student)
try:
    resolved(revision="no-such-branch")
except StudentError as error:
    said["error"] = str(error)
print(json.dumps(said))
"""


def build(hub: str, home: Path, **environment: str) -> dict[str, object]:
    """In a process of its own: the libraries read their environment once."""
    settings = {"PYTHONPATH": os.pathsep.join(sys.path), "HF_ENDPOINT": hub, "HF_HOME": str(home), **environment}
    mode = "offline" if environment else "online"
    done = subprocess.run(
        [sys.executable, "-c", BUILD, mode], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_model_is_loaded_at_the_resolved_commit_although_main_moved(hub: str, tmp_path: Path) -> None:
    said = build(hub, tmp_path / "home")
    assert said["before"] == said["within the process"] == said["commit"] == OLD
    assert said["after"] == NEW
    assert said["weight after"] == pytest.approx(said["weight before"] + 1.0)
    assert said["identities differ"]
    assert said["branch and commit are one"]
    assert "at revision 'no-such-branch' cannot be loaded" in said["error"]
    assert "answers HTTP 404" in said["error"]

    # Without the hub, the cache knows what main was, and has both commits' files.
    offline = build(hub, tmp_path / "home", HF_HUB_OFFLINE="1")
    assert (offline["after"], offline["weight before"]) == (NEW, said["weight before"])
    assert "HF_HUB_OFFLINE is set, and no copy is in the Hugging Face cache" in offline["error"]


def test_folders_and_students_from_scratch_have_no_revision(model_folder: FolderOf) -> None:
    assert resolve_revision(StudentConfig(init="scratch")) == ""
    assert resolve_revision(StudentConfig(model=str(model_folder("gpt2", "t5")))) == ""
    assert resolve_revision(StudentConfig(model="someone/model", revision=OLD)) == OLD
    with pytest.raises(StudentError, match="not the name of a Hugging Face repository"):
        resolve_revision(StudentConfig(model="no/such/model"))


def test_a_revision_of_a_folder_is_refused(model_folder: FolderOf) -> None:
    student = StudentConfig(model=str(model_folder("gpt2", "t5")), revision="main")
    with pytest.raises(StudentError, match=r"is a folder; leave student\.revision out"):
        FinetuneSettings.of(student, TrainingConfig())


def test_equal_mixtures_are_one_training() -> None:
    def identity(**training: object) -> dict[str, object]:
        return FinetuneSettings.of(StudentConfig(init="scratch"), TrainingConfig.model_validate(training)).identity()

    ones = {"code": 1, "plan": 1, "plan_code": 1}
    assert identity() == identity(weights=ones) == identity(mixing=dict.fromkeys(ones, 2.0))
    assert identity(mixing={"code": 0.2, "plan": 0.3}) == identity(mixing={"code": 2, "plan": 3, "plan_code": 0})
    assert identity(weights={"plan": 0.5}) != identity() != identity(mixing={**ones, "code": 2})


STATUS = """
problems:
  train: {reader: miniapps, split: train, count: 2}
  test: {reader: miniapps, split: test, count: 2}
student: {model: someone/model}
"""


def test_a_fresh_process_that_imported_nothing_yet_resolves_a_hub_model(hub: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(STATUS, encoding="utf-8")
    settings = {"PYTHONPATH": os.pathsep.join(sys.path), "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hub")}
    command = [sys.executable, "-m", "codeplan.cli.main", "status", config, "--json"]
    command += ["-s", f"execution.home={tmp_path / 'runs'}"]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["student"]["state"] == "missing"


def test_a_folder_counts_by_its_content_and_not_by_where_it_is(model_folder: FolderOf, tmp_path: Path) -> None:
    folder = model_folder("gpt2", "t5")
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))

    def identity(where: Path) -> dict[str, object]:
        return FinetuneSettings.of(StudentConfig(model=str(where)), TrainingConfig()).identity()

    assert identity(copy) == identity(folder)
    assert str(folder) not in json.dumps(identity(folder))
    (copy / "README.md").write_text("another", encoding="utf-8")
    assert identity(copy) != identity(folder)


def test_trainings_of_another_length_share_a_trajectory_under_a_constant_schedule_only() -> None:
    def trajectory(**training: object) -> dict[str, object]:
        student = StudentConfig.model_validate({"init": "scratch", "architecture": {"model_type": "t5"}})
        return FinetuneSettings.of(student, TrainingConfig.model_validate(training)).trajectory

    assert trajectory(steps=10) == trajectory(steps=20)
    assert trajectory(steps=10) != trajectory(steps=10, seed=1)
    assert trajectory(steps=10, schedule="cosine") != trajectory(steps=20, schedule="cosine")
