"""Names and values that MLflow rejects, checked against its own rules and a real SQLite store."""

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.validation import _validate_metric, _validate_param, _validate_tag

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import Tracker, TrackingError, names
from codeplan.tracking import tracker as tracking

ODD = [
    "普及+/提高",
    "普及-/提高",
    "1200-1399 (div. 2)",
    "1200-1399 [div. 2]",
    "",
    " ",
    "..",
    ".",
    "/",
    "/a",
    "a/",
    "a//b",
    "a/../b",
    "a/./b",
    "100 %",
    "100 $",
    "🙂",
    "🙃",
    "line\nbreak",
    "line\tbreak",
    "nul\0",
    "half \ud800",
    "half \udc00",
    "x" * 400,
    "x" * 401,
    "a\n",
    "'quoted'",
    "a:b",
    "all",
]


def config(name: str = "test") -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Tracker:
    return Tracker(
        TrackingConfig(experiment="an (odd) name/.. 普\n"), new_home(tmp_path_factory.mktemp("names") / "home")
    )


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.sampled_from(ODD), st.text(max_size=300)), st.sampled_from(["", "pass_at_1.direct."]))
def test_every_sanitized_key_is_valid(name: str, above: str) -> None:
    key = names.key(above + name)
    _validate_metric(key, 1.0, 0, 0)
    _validate_param(key, "1")
    _validate_tag(key, "1")
    assert names.key(key) == key, "a valid key is unchanged"


def test_sanitized_names_do_not_collide() -> None:
    for made in (names.key, names.file_name, lambda name: names.label(name, 100)):
        assert len({made(name) for name in ODD}) == len(ODD)


def test_valid_names_are_unchanged() -> None:
    for name in ("pass_at_1.codeplan.all", "rows.problems.dropped.no solution", "sampling.plans", "普及.a-b/c:d"):
        assert names.key(name) == name
    assert names.file_name("report/plans.json") == "report/plans.json"
    assert names.label("codeplan 普 (2)", 500) == "codeplan 普 (2)"


def test_invalid_names_and_values_are_stored_sanitized(tracker: Tracker) -> None:
    client = MlflowClient(tracker.uri)
    metrics = {f"pass_at_1.direct.{name}": number / 2 for number, name in enumerate(ODD)}
    metrics |= {f"level {number}": 1.0 for number in range(1500)}
    rows = [{"level": name, "count": number} for number, name in enumerate(ODD)]
    with tracker.experiment(config("odd\n" * 200 + "\ud800"), {"an odd (tag)": "half \ud800\0" * 2000}) as run:
        run.metrics({**metrics, "not a number": math.nan, "infinite": math.inf})
        run.params({"a (b)": "p" * 9000, "a [b]": {"c+": None}})
        run.tag(**{"a (b)": "1"})
        run.table(rows, "../odd (name).json")
        run.text("half \ud800", "/x (1)/y%2e.txt")
        run.dataset("d (1)\n" * 200, "f" * 64, "half \ud800", {"path": "\ud800"}, {"num_rows": 3})
        run.dataset("empty", "f" * 64, "train", {}, {})
        run.describe("half \ud800" * 9000)
    kept = client.get_run(run.run_id)
    assert len(kept.data.metrics) == len(ODD) + 1500 + 2
    assert sorted(value for key, value in kept.data.metrics.items() if "direct" in key) == [
        number / 2 for number in range(len(ODD))
    ]
    assert math.isnan(kept.data.metrics["not a number"])
    assert {len(value) for key, value in kept.data.params.items() if key.startswith("a _b_")} == {4, 6000}
    assert len(kept.inputs.dataset_inputs) == 2
    folders = [file.path for file in client.list_artifacts(run.run_id) if file.is_dir]
    files = [file.path for folder in ("", *folders) for file in client.list_artifacts(run.run_id, folder or None)]
    assert {Path(name).suffix for name in files} >= {".yaml", ".json", ".txt"}
    assert kept.info.status == "FINISHED"


@pytest.mark.parametrize("statement", ["DROP TABLE metrics", "DROP TABLE tags"])
def test_failure_of_mlflow_is_reported_after_the_run(
    tmp_path: Path, new_home: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(tracking, "_FLUSH_S", 5.0)
    home = new_home(tmp_path / "home")
    tracker = Tracker(TrackingConfig(), home)
    reached: list[str] = []

    def work() -> None:
        with tracker.experiment(config(), {}) as parent:
            with sqlite3.connect(home / "mlflow.db") as connection:
                connection.execute(statement)
            with tracker.stage(parent, "report", {"stage": "report"}) as stage:
                stage.metrics({"a": 1.0})
                stage.tag(b="2")
            reached.append("end")

    with pytest.raises(
        TrackingError, match=r"its files are written, but .* writes have not reached MLflow at"
    ) as error:
        work()
    assert reached == ["end"]
    assert "no such table" in str(error.value)
    assert "\n" not in str(error.value)
