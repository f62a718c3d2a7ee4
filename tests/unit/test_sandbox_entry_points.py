"""Which definition of a program the tests call, and when predefined names are available."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite

IMPORTS = (
    "from heapq import *\nfrom itertools import *\nfrom functools import *\nfrom typing import *\nfrom math import *\n"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(Limits(time_s=1.0)) as warm:
        yield warm


def call(entry_point: str, *args: Any, expected: Any, comparator: Any = None) -> Suite:
    return Suite("call", cases=(Case(args=args, expected=expected),), entry_point=entry_point, comparator=comparator)


@pytest.mark.parametrize(
    "name",
    [
        "merge",
        "reduce",
        "count",
        "bisect",
        "Counter",
        "heapify",
        "re",
        "math",
        "inf",
        "max",
        "sum",
        "pow",
        "map",
        "open",
    ],
)
def test_program_may_redefine_every_predefined_name(sandbox: Judge, name: str) -> None:
    suite = call(name, [2, 1], expected=[1, 2])
    method = f"class Solution:\n    def {name}(self, xs):\n        xs.sort()\n        return xs"
    for program in (method, IMPORTS + method, f"def {name}(xs):\n    xs.sort()\n    return xs"):
        verdict = sandbox.judge(program, suite)
        assert verdict.passed, (program, verdict.message)
    assert not sandbox.judge("pass", suite).passed  # a predefined name is not a definition of the program


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("class Solution:\n    @staticmethod\n    def f(x): return x", Outcome.PASSED),
        ("class Solver:\n    def f(self, x): return x", Outcome.PASSED),
        ("def f(): pass\nclass Solution:\n    def f(self, x): return x", Outcome.PASSED),  # a function of the same name
        ("class A:\n    def f(self, x): return x\nclass B:\n    def f(self, x): return x", Outcome.RUNTIME_ERROR),
        ("from operator import pos as f", Outcome.PASSED),
        ("import builtins\nbuiltins.max = lambda x: x\ndef f(x): return max(x)", Outcome.PASSED),
        ("def f(x: List[int]) -> Optional[int]: return heapq.nsmallest(1, [x])[0]", Outcome.PASSED),
        ("def f(x): return gcd(x, 5) + int(sqrt(0)) + len(digits) - 10", Outcome.PASSED),
        ("x = 1", Outcome.RUNTIME_ERROR),
    ],
)
def test_function_is_resolved_in_order(sandbox: Judge, program: str, expected: Outcome) -> None:
    verdict = sandbox.judge(program, call("f", 1, expected=1))
    assert verdict.outcome is expected, verdict.message


KEYS = "def f(stock): return sorted(type(key).__name__ for key in stock)"


@pytest.mark.parametrize(
    ("comparator", "argument", "expected"),
    [
        ("apps", {"3": 2, "-10": 1}, ["int", "int"]),
        ("apps", {"3": 2, "x": 1}, ["str", "str"]),
        ("apps", {}, []),
        ("tokens", {"3": 2}, ["str"]),
        ("exact", {"3": 2}, ["str"]),
    ],
)
def test_apps_comparator_turns_integer_keys_into_integers(
    sandbox: Judge, comparator: str, argument: Any, expected: Any
) -> None:
    verdict = sandbox.judge(KEYS, call("f", argument, expected=expected, comparator=comparator))
    assert verdict.passed, verdict.message


def test_dict_with_integer_keys_can_be_returned(sandbox: Judge) -> None:
    suite = call("f", {"1": 2}, expected={"1": 2}, comparator="apps")
    assert sandbox.judge("def f(stock): return {key: value for key, value in stock.items()}", suite).passed


SOLUTION = "class Solution:\n    def f(self, nums: List[int], k: int) -> int: return len(nums) + k"
CHECK = "def check(candidate):\n    assert candidate(nums=[1], k=2) == 3\n    assert candidate(nums=[], k=1) == 1\n"


@pytest.mark.parametrize(
    "suite",
    [
        Suite("assert", tests=(f"{CHECK}\n\ncheck(Solution().f)\n",), entry_point="Solution().f"),
        Suite("assert", tests=(CHECK,), entry_point="Solution().f"),
        Suite("assert", tests=("assert Solution().f([1], 2) == 3",)),
        Suite("assert", tests=("candidate = Solution().f\nassert candidate([1], 2) == 3",)),
        Suite("assert", tests=("assert s.f([1], k=2) == 3",), setup="s = Solution()"),
    ],
)
def test_methods_of_solution_in_assert_tests(sandbox: Judge, suite: Suite) -> None:
    verdict = sandbox.judge(SOLUTION, suite)
    assert verdict.passed, verdict.message
    assert sandbox.judge(SOLUTION.replace("+ k", "- k"), suite).outcome is Outcome.WRONG_ANSWER
    assert sandbox.judge("class Solution: pass", suite).outcome is Outcome.RUNTIME_ERROR
    cheat = (
        "class All:\n    def __eq__(self, other): return True\nclass Solution:\n    def f(self, nums, k): return All()"
    )
    assert sandbox.judge(cheat, suite).outcome is Outcome.UNSEPARABLE


STATEFUL = """
class Cell: value = 3
class Store:
    def __init__(self, size=2): self.size, self.cell, self.kept = size, Cell(), {}
    def put(self, key, value): self.kept[key] = value
    def get(self, key): return self.kept[key]
    def __eq__(self, other): return True
    def __add__(self, other): return 3
    def __len__(self): return 3
    def __enter__(self): return self
    def __exit__(self, *error): pass
"""


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("s = Store(4)\ns.put(1, 'a')\nassert (s.size, s.get(1), s.cell.value) == (4, 'a', 3)", Outcome.PASSED),
        ("s = Store()\nassert s.get(1) == 'a'", Outcome.RUNTIME_ERROR),
        ("s = Store()\ntry:\n    s.get(1)\nexcept KeyError: pass", Outcome.PASSED),
        ("assert Store().nothing == 1", Outcome.RUNTIME_ERROR),
        ("assert Store() == 3", Outcome.UNSEPARABLE),
        ("assert Store() + 1 == 3", Outcome.UNSEPARABLE),
        ("assert len(Store()) == 3", Outcome.UNSEPARABLE),
        ("assert isinstance(Store(), int)", Outcome.UNSEPARABLE),
        ("assert isinstance(Store(), Store)", Outcome.UNSEPARABLE),
        ("with Store() as s: pass", Outcome.UNSEPARABLE),
        ("s = Store()\ns.size = 4", Outcome.UNSEPARABLE),
        ("import copy\ncopy.deepcopy(Store())", Outcome.UNSEPARABLE),
        ("assert Store().__class__", Outcome.UNSEPARABLE),
    ],
)
def test_objects_created_by_tests(sandbox: Judge, test: str, expected: Outcome) -> None:
    verdict = sandbox.judge(STATEFUL, Suite("assert", tests=(test,)))
    assert verdict.outcome is expected, verdict.message


def test_predefined_names_only_in_leetcode_style_suites(sandbox: Judge) -> None:
    suite = Suite("assert", tests=(CHECK,), entry_point="f")
    assert sandbox.judge(SOLUTION, suite).outcome is Outcome.RUNTIME_ERROR  # List is not defined, as under plain Python
    assert sandbox.judge(f"from typing import List\n{SOLUTION}", suite).passed


def test_each_test_gets_a_new_solution_object(sandbox: Judge) -> None:
    program = "class Solution:\n    calls = 0\n    def f(self):\n        self.calls += 1\n        return self.calls"
    test = "def check(candidate):\n    assert candidate() == 1"
    assert sandbox.judge(program, Suite("assert", tests=(test, test), entry_point="Solution().f")).passed


SCOPES = {
    "a parameter of the function's name": "def check(inc):\n    assert inc(1) == 2\n\ncheck(inc)",
    "a name bound in another scope": "def helper():\n    inc = 5\n    return inc\n\nassert inc(helper()) == 6",
    "a comprehension's variable": "assert [inc for inc in [1]] == [1]\nassert inc(1) == 2",
    "used in a lambda alone": "assert (lambda x: inc(x))(1) == 2",
    "a global of a function": "def set_up():\n    global start\n    start = 1\n\nset_up()\nassert inc(start) == 2",
    "a handler's name": "try:\n    raise ValueError\nexcept ValueError as inc_error:\n    assert inc(1) == 2",
}


@pytest.mark.parametrize("name", SCOPES)
def test_names_not_defined_at_the_top_level_of_a_test_refer_to_the_program(sandbox: Judge, name: str) -> None:
    suite = Suite("assert", tests=(SCOPES[name],))
    assert sandbox.judge("def inc(x):\n    return x + 1", suite).outcome is Outcome.PASSED
    assert sandbox.judge("def inc(x):\n    return x + 2", suite).outcome is Outcome.WRONG_ANSWER
