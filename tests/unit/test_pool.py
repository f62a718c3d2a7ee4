"""Pools: records that grow in parts, and survive their writers."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.pool import PROBLEMS_PER_BLOCK, BlockMarkers, Pool, PoolError, blocks
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


def test_a_part_takes_the_next_number_and_none_is_overwritten(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    for index in range(3):
        pool.add("plans", 0, Plan, [plan(index)])
    pool.parts("plans", 0)[0].unlink()
    pool.add("plans", 0, Plan, [plan(0)])
    assert [record.sample_index for record in pool.read("plans", 0, Plan)] == [1, 2, 0]
    assert [part.name for part in pool.parts("plans", 0)] == [f"00000.{number:03d}.parquet" for number in (1, 2, 3)]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    pool.add("plans", 0, Plan, [plan(0)])
    (part,) = pool.parts("plans", 0)
    for content in (part.read_bytes()[:-20], b"", b"garbage"):
        part.write_bytes(content)
        with pytest.raises(PoolError, match=r"00000.000.parquet cannot be read .*delete it and run the same command"):
            pool.read("plans", 0, Plan)


def test_a_killed_writers_files_are_removed_with_the_next_lock_of_the_block(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    pool.add("plans", 0, Plan, [plan(0)])
    mine, others = (pool.folder / "plans" / f".{block}.000.parquet.dead" for block in ("00000", "00001"))
    for leftover in (mine, others):
        leftover.touch()
    with pool.lock(0):
        assert not mine.exists()
        assert others.exists(), "another process may be writing it"
    assert pool.read("plans", 0, Plan) == [plan(0)]


def _hold(folder: Path, ready: Any, go: Any) -> None:
    with Pool(folder).lock(0), Pool(folder).lock_whole(print):
        ready.set()
        go.wait()


def test_a_writer_that_waits_says_for_whom(tmp_path: Path) -> None:
    pool = Pool.open(tmp_path, "samples", {})
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(pool.folder, ready, go))
    other.start()
    assert ready.wait(60)
    holders: list[str] = []

    def release(holder: str) -> None:
        holders.append(holder)
        go.set()

    with pool.lock(0, release), pool.lock_whole(holders.append):
        pass
    other.join(60)
    assert holders[0].startswith(f"process {other.pid} on ")


def marked(home: Path) -> tuple[Pool, BlockMarkers]:
    """A stage that finished two blocks of one part each."""
    pool, markers = Pool.open(home, "samples", {}), BlockMarkers(home / "stages", home)
    markers.folder.mkdir()
    for block in (0, 1):
        pool.add("plans", block, Plan, [plan(block)])
        markers.put(block, {"plans": 1}, pool.parts("plans", block))
    return pool, markers


def test_a_block_is_finished_while_its_parts_are_there(tmp_path: Path) -> None:
    pool, markers = marked(tmp_path)
    assert markers.missing(3) == [2]
    names = [part.relative_to(tmp_path).as_posix() for part in pool.folder.rglob("*.parquet")]
    assert sorted(markers.parts(2)) == sorted(names)
    pool.add("plans", 0, Plan, [plan(5)])
    assert markers.missing(2) == [], "more parts do no harm"
    (part,) = pool.parts("plans", 1)
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    assert markers.missing(2) == [1]
    part.unlink()
    assert markers.missing(2) == [1]
    part.write_bytes(content)
    assert markers.missing(2) == []
    shutil.rmtree(pool.folder)
    assert markers.missing(2) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b'{"plans": 3}', b"\xff"])
def test_a_damaged_marker_does_not_count(tmp_path: Path, content: bytes) -> None:
    _, markers = marked(tmp_path)
    (markers.folder / "blocks" / "00001.json").write_bytes(content)
    assert markers.missing(2) == [1]


def test_markers_add_up(tmp_path: Path) -> None:
    markers = BlockMarkers(tmp_path, tmp_path)
    markers.put(0, {"plans": 3, "plans.dropped.plan_too_long": 1}, [])
    markers.put(2, {"plans": 4}, [])
    assert markers.missing(4) == [1, 3]
    assert markers.total(3) == {"plans": 7, "plans.dropped.plan_too_long": 1}
    assert markers.get(1) is None
