"""Prices, and a budget that is never exceeded in any order of requests."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.teacher.budget import LocalBudget, Price
from codeplan.teacher.requests import Answer, ChatMessage, TeacherRequest


def test_prices_are_per_million_tokens():
    price = Price(prompt_usd=0.5, completion_usd=2.0)
    assert price.cost(1_000_000, 0) == 0.5
    assert price.answer_cost(Answer(text="", prompt_tokens=2_000_000, completion_tokens=500_000)) == 2.0


@settings(deadline=None)
@given(content=st.text(), limit=st.integers(1, 10_000))
def test_no_answer_costs_more_than_max_cost(content, limit):
    # One token per byte is the worst that any tokenizer can do.
    message = ChatMessage(role="user", content=content)
    request = TeacherRequest(host="h", model="m", messages=(message,), temperature=0, top_p=1, max_tokens=limit, seed=0)
    price = Price(3.0, 15.0)
    assert price.max_cost(request) > price.cost(len(content.encode()), limit)


@settings(deadline=None)
@given(
    limit=st.integers(0, 100),
    requests=st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1), st.integers(0, 3)), max_size=40),
)
def test_a_budget_is_never_exceeded_and_is_used_up(limit, requests):
    """Each request may cost ``most`` and really costs a fraction of it, after some turns of the loop."""
    spent: list[float] = []
    refused: list[int] = []

    async def ask(budget: LocalBudget, most: int, fraction: float, turns: int) -> None:
        if not await budget.reserve(most):
            refused.append(most)
            return
        for _ in range(turns):
            await asyncio.sleep(0)
        spent.append(most * fraction)
        await budget.release(most, most * fraction)

    async def ask_all() -> None:
        budget = LocalBudget(limit)
        await asyncio.wait_for(asyncio.gather(*(ask(budget, *request) for request in requests)), 10)

    asyncio.run(ask_all())
    assert sum(spent) <= limit + 1e-6
    assert len(spent) + len(refused) == len(requests)
    assert all(sum(spent) + most > limit - 1e-6 for most in refused)


def test_earlier_spending_counts():
    async def scenario() -> tuple[bool, bool]:
        budget = LocalBudget(10.0, spent_usd=8.0)
        return await budget.reserve(3.0), await budget.reserve(2.0)

    assert asyncio.run(scenario()) == (False, True)
