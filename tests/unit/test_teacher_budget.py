"""Prices, and a budget that is never exceeded however the requests fall."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from codeplan.teacher.budget import Budget, Price
from codeplan.teacher.requests import Answer, ChatMessage, Request


def test_prices_are_for_a_million_tokens():
    price = Price(prompt_usd=0.5, completion_usd=2.0)
    assert price.cost(1_000_000, 0) == 0.5
    assert price.of(Answer(text="", prompt_tokens=2_000_000, completion_tokens=500_000)) == 2.0


@given(content=st.text(), limit=st.integers(1, 10_000))
def test_no_answer_costs_more_than_the_most_it_can(content, limit):
    # One byte a token is the worst that any tokenizer can do.
    message = ChatMessage(role="user", content=content)
    request = Request(host="h", model="m", messages=(message,), temperature=0, top_p=1, max_tokens=limit, seed=0)
    price = Price(3.0, 15.0)
    assert price.at_most(request) > price.cost(len(content.encode()), limit)


@given(
    limit=st.integers(0, 100),
    requests=st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1), st.integers(0, 3)), max_size=40),
)
def test_a_budget_is_kept_and_used_up(limit, requests):
    """Each request may cost ``most`` and really costs a share of it, after some turns of the loop."""
    spent: list[float] = []
    refused: list[int] = []

    async def ask(budget: Budget, most: int, share: float, turns: int) -> None:
        if not await budget.reserve(most):
            refused.append(most)
            return
        for _ in range(turns):
            await asyncio.sleep(0)
        spent.append(most * share)
        await budget.settle(most, most * share)

    async def ask_all() -> None:
        budget = Budget(limit)
        await asyncio.wait_for(asyncio.gather(*(ask(budget, *each) for each in requests)), 10)

    asyncio.run(ask_all())
    assert sum(spent) <= limit + 1e-6
    assert len(spent) + len(refused) == len(requests)
    assert all(sum(spent) + most > limit - 1e-6 for most in refused)


def test_what_was_spent_before_counts():
    async def scenario() -> tuple[bool, bool]:
        budget = Budget(10.0, spent_usd=8.0)
        return await budget.reserve(3.0), await budget.reserve(2.0)

    assert asyncio.run(scenario()) == (False, True)
