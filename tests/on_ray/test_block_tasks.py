"""Blocks of problems as tasks on Ray."""

from __future__ import annotations

import os

import pytest

from codeplan.errors import UserError
from codeplan.on_ray.block_tasks import each_block
from codeplan.stage import StageError

pytestmark = pytest.mark.usefixtures("ray_cluster")


def test_results_come_in_the_order_of_the_blocks() -> None:
    driver = os.getpid()

    def work(block: int) -> tuple[int, bool]:
        return block * block, os.getpid() != driver

    assert list(each_block(work, range(5))) == [(block * block, True) for block in range(5)]


def test_an_error_that_a_user_can_act_on_is_raised_as_such() -> None:
    def work(block: int) -> int:
        if block == 2:
            raise UserError("block 2 is damaged; delete it")
        return block

    results = each_block(work, range(4))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(StageError, match=r"^block 2 is damaged; delete it$"):
        next(results)
