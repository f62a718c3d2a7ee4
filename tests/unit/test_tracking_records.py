"""Records of the outbox: what is read back after a crash, what is sent in one request, arguments as JSON and back."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag

from codeplan.tracking import outbox, redacted
from codeplan.tracking.database import hidden
from codeplan.tracking.writes import batches, packed, unpacked

RECORDS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.floats(allow_nan=False)), max_size=8)


@given(RECORDS, st.integers(0, 200), st.integers(0, 8))
def test_outbox_whose_last_line_was_cut_off_keeps_the_lines_before(records: list, cut: int, acknowledged: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        writing = outbox.create(Path(home), "")
        for record in records:
            writing.append(record)
        acknowledged = min(acknowledged, len(records))
        if acknowledged:
            writing.acknowledge(writing.read()[acknowledged - 1], acknowledged)
        writing._lock_file.close()  # as when the process is killed
        segment = writing.folder / "000001.jsonl"
        whole = segment.read_bytes() if records else b""
        sent = len(b"".join(whole.splitlines(keepends=True)[:acknowledged]))
        kept = whole[: max(sent, len(whole) - cut)]
        if records:
            segment.write_bytes(kept)
        adopted = outbox.adopt(writing.folder)
        assert adopted is not None
        assert outbox.adopt(writing.folder) is None, "one process sends it"
        adopted.append({"run": "after"})
        expected = [json.loads(line) for line in kept[sent:].splitlines(keepends=True) if line.endswith(b"\n")]
        assert [waiting.record for waiting in adopted.read()] == [*expected, {"run": "after"}]
        assert adopted.left == outbox.count(writing.folder) == len(expected) + 1
        adopted._lock_file.close()


@given(st.lists(st.sampled_from(["metric", "param", "tag"]), max_size=2500))
def test_batches_keep_the_order_and_the_limits_of_a_request(kinds: list[str]) -> None:
    entries = [[kind, f"{kind}{number}", number] for number, kind in enumerate(kinds)]
    parts = batches(entries)
    for part in parts:
        counts = [sum(entry[0] == kind for entry in part) for kind in ("metric", "param", "tag")]
        assert sum(counts) <= 1000
        assert counts[1] <= 100
        assert counts[2] <= 100
    for kind in ("metric", "param", "tag"):
        sent = [entry for part in parts for entry in part if entry[0] == kind]
        assert sent == [entry for entry in entries if entry[0] == kind]


def test_last_value_of_a_tag_counts() -> None:
    assert batches([["tag", "a", "1"], ["tag", "b", "2"], ["tag", "a", "3"]]) == [
        [["tag", "a", "3"], ["tag", "b", "2"]]
    ]


def test_entities_survive_as_json() -> None:
    dataset = DatasetInput(Dataset("name", "digest", "code", "source ünicode"), [InputTag("context", "train")])
    text = json.dumps(packed([dataset, {"a": None, "b": (1, "local-" + "0" * 32)}]))
    entity, plain = unpacked(json.loads(text), lambda word: word.replace("local-" + "0" * 32, "known"))
    assert (entity.dataset.name, entity.dataset.source) == ("name", "source ünicode")
    assert [(tag.key, tag.value) for tag in entity.tags] == [("context", "train")]
    assert plain == {"a": None, "b": [1, "known"]}


def test_passwords_of_uris_are_masked_wherever_they_are() -> None:
    assert redacted("postgresql://me@host/db?sslmode=require&password=made%20up") == (
        "postgresql://me@host/db?sslmode=require&password=***"
    )
    address = "postgresql://me:made%20up@host/db"
    assert hidden(f"cannot log in to {address} with 'made up'", address) == (
        "cannot log in to postgresql://me:***@host/db with '***'"
    )
