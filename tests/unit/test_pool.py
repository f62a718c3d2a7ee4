"""Pools: records that grow in parts, and survive their writers."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.pool import PROBLEMS_PER_BLOCK, BlockMarkers, Pool, blocks
from codeplan.records import Plan


def plan(index: int, text: str = "") -> Plan:
    return Plan(problem_id="p", author="student", sample_index=index, text=text)


def test_records_come_back_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {"seed": 1})
    for part in ([plan(0), plan(1)], [], [plan(2)]):
        pool.add("plans", 3, Plan, part)
    assert pool.read("plans", 3, Plan) == [plan(0), plan(1), plan(2)]
    assert pool.read("plans", 4, Plan) == []
    assert len(pool.parts("plans", 3)) == 2, "an empty part writes no file"
    assert pool.read_table("plans", 3, Plan, ["sample_index"]).to_pydict() == {"sample_index": [0, 1, 2]}


def test_pools_of_other_identities_are_apart(tmp_path: Path) -> None:
    one, other = (Pool.open(tmp_path, "samples", {"seed": seed}) for seed in (1, 2))
    one.add("plans", 0, Plan, [plan(0)])
    assert other.read("plans", 0, Plan) == []
    assert Pool.open(tmp_path, "samples", {"seed": 1}) == one


@given(st.lists(st.integers(), max_size=3 * PROBLEMS_PER_BLOCK))
def test_blocks_hold_every_item_once_and_in_order(items: list[int]) -> None:
    parts = blocks(items)
    assert [item for part in parts for item in part] == items
    assert all(len(part) == PROBLEMS_PER_BLOCK for part in parts[:-1])


def _add_under_lock(folder: Path, ready: Any, count: int) -> None:
    pool = Pool(folder)
    ready.wait()
    for _ in range(count):
        with pool.lock(0):
            pool.add("plans", 0, Plan, [plan(len(pool.read("plans", 0, Plan)))])


def test_writers_of_one_block_take_turns(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writers = [context.Process(target=_add_under_lock, args=(pool.folder, ready, 5)) for _ in range(3)]
    for writer in writers:
        writer.start()
    ready.set()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert [record.sample_index for record in pool.read("plans", 0, Plan)] == list(range(15))


def test_a_text_that_no_file_can_hold_does_not_stop_the_pool(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    pool.add("plans", 0, Plan, [plan(0, "\ud800")])
    assert pool.read("plans", 0, Plan)[0].text == "?"


def test_a_part_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool.open(tmp_path, "samples", {})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(OSError, match="No space left"):
        pool.add("plans", 0, Plan, [plan(0)])
    assert list((pool.folder / "plans").iterdir()) == []


def test_looking_at_a_pool_writes_nothing(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {"seed": 1})
    assert pool.read("plans", 0, Plan) == []
    assert list(tmp_path.iterdir()) == []
    with pool.lock(0):
        assert (pool.folder / "identity.json").read_text() == '{\n "seed": 1\n}'


def test_markers_name_missing_blocks_and_add_up(tmp_path: Path) -> None:
    markers = BlockMarkers(tmp_path)
    markers.put(0, {"plans": 3, "plans.dropped.plan_too_long": 1})
    markers.put(2, {"plans": 4})
    assert markers.missing(4) == [1, 3]
    assert markers.total(3) == {"plans": 7, "plans.dropped.plan_too_long": 1}
    assert markers.get(1) is None
