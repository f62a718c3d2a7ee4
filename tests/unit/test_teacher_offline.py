"""The offline teacher: plans that are short, regular, and determine their programs."""

import ast
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.problems import miniapps
from codeplan.problems.miniapps.operations import OPERATIONS, BoundOperation
from codeplan.teacher.offline import write_plan
from codeplan.teacher.offline.phrases import say
from codeplan.teacher.offline.plan_writer import MAX_STEP_CHARACTERS, MAX_STEPS
from codeplan.teacher.plans import clean_plan, leakage

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def rows(name: str) -> list[dict]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_a_plan_has_one_short_step_per_statement():
    program = """
values = list(map(int, input().split()))
values = [v for v in values if v % 2 == 0]
values = sorted(values, reverse=True)
print(sum(values))
"""
    assert write_plan(program) == (
        "1. Read a list of integers into values.\n"
        "2. Keep the even values.\n"
        "3. Sort values from high to low.\n"
        "4. Print the sum of values."
    )


def test_blocks_are_indented():
    program = """
n = int(input())
total = 0
for i in range(n):
    if i % 3 == 0 or i in seen:
        total += i
    else:
        break
print(total, end='')
"""
    assert write_plan(program) == (
        "1. Read one integer into n.\n"
        "2. Let total be 0.\n"
        "3. For each i of the numbers from 0 below n:\n"
        "  4. If i is divisible by 3 or i is in seen:\n"
        "    5. Add i to total.\n"
        "  6. Otherwise:\n"
        "    7. Leave the loop.\n"
        "8. Print total with end ''."
    )


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("x = [v for v in x if v > 3]", "Keep the items of x above 3."),
        ("words = [w for w in words if len(w) > 3]", "Keep the words longer than 3."),
        ("evens = [v for v in values if v % 2 == 0]", "Let evens be the even values."),
        ("values = values[-2:]", "Keep the last 2 values."),
        ("values = [v + 1 for v in values]", "Add 1 to each value."),
        ("values = [v + v % 3 for v in values]", "Replace each value v by v plus (v modulo 3)."),
        ("a, b = map(int, input().split())", "Read integers into a and b."),
        ("a, b = b, a", "Swap: let a and b be b and a."),
        ("print(' '.join(map(str, xs)))", "Print the texts of xs joined by ' '."),
        ("print(sum(1 for v in xs if v > 2))", "Print the count of each v of xs where v is above 2."),
        ("xs.sort(key=lambda p: p[1])", "Sort xs from low to high by from p to p at 1."),
        ("def f(a, *b): return a", "Define f of a and all b:"),
        ("x: int = 3", "Let x be 3."),
        ("x <<= 2", "Let x be x shifted left by 2."),
        ("import sys", "Use sys."),
        ("from math import gcd", "Take gcd from math."),
        ("while True: pass", "Repeat:"),
        ("raise ValueError('no')", "Raise ValueError of 'no'."),
        ("n = int(sys.stdin.readline())", "Read one integer into n."),
    ],
)
def test_statements_have_a_regular_phrase(statement, step):
    assert write_plan(statement).split("\n")[0] == f"1. {step}"


def test_every_miniapps_operation_has_its_own_plan():
    statements = [
        BoundOperation(operation, parameter).statement()
        for operation in OPERATIONS
        for parameter in operation.parameters or (None,)
    ]
    meanings = {step.split("= ")[1] for step in statements}
    plans = {write_plan(statement) for statement in statements}
    # Two operations may share a line where their code is the same for numbers and words.
    assert len(plans) >= len(meanings)
    assert max(len(plan) for plan in plans) < 90


def test_plans_of_miniapps_determine_their_programs():
    plans: dict[str, str] = {}
    for problem in miniapps.generate("train", 300):
        for solution in problem.solutions:
            assert plans.setdefault(write_plan(solution), solution) == solution
    assert len(plans) > 200


NAMES = st.sampled_from(["x", "y"]).map(lambda name: ast.Name(id=name, ctx=ast.Load()))
LEAVES = NAMES | st.sampled_from([0, 2, -1, "a"]).map(lambda value: ast.parse(repr(value), mode="eval").body)
OPERATORS = st.sampled_from([ast.Add(), ast.Sub(), ast.Mult(), ast.FloorDiv(), ast.BitXor()])
FUNCTIONS = st.sampled_from(["len", "str", "sum", "abs", "int", "f", "x.upper", "max"])


def larger(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.builds(lambda sides, op: ast.BinOp(sides[0], op, sides[1]), pair, OPERATORS),
        inner.map(lambda operand: ast.UnaryOp(ast.USub(), operand)),
        pair.map(lambda sides: ast.Subscript(sides[0], sides[1], ast.Load())),
        pair.map(lambda sides: ast.Compare(sides[0], [ast.Lt()], [sides[1]])),
        pair.map(lambda sides: ast.BoolOp(ast.And(), list(sides))),
        st.builds(lambda name, argument: ast.Call(ast.parse(name, mode="eval").body, [argument], []), FUNCTIONS, inner),
        inner.map(lambda value: ast.Attribute(value, "size", ast.Load())),
    )


EXPRESSIONS = st.recursive(LEAVES, larger, max_leaves=5).map(ast.unparse)


@settings(deadline=None, max_examples=300)
@given(one=EXPRESSIONS, other=EXPRESSIONS)
def test_a_phrase_has_one_reading(one, other):
    trees = [ast.parse(source, mode="eval").body for source in (one, other)]
    if ast.dump(trees[0]) != ast.dump(trees[1]):
        assert say(trees[0]) != say(trees[1])


PHRASES: dict[str, str] = {}


@settings(max_examples=1500, deadline=None)
@given(EXPRESSIONS)
def test_no_two_different_expressions_share_a_phrase(source):
    tree = ast.parse(source, mode="eval").body
    assert PHRASES.setdefault(say(tree), ast.dump(tree)) == ast.dump(tree)


def test_python_2_is_explained_line_by_line():
    program = "n = raw_input()\nfor i in [1, 2]:\n\tprint n, i\nif n <> 3:\n    exec 'x'\nelse:\n    print 'b'\n"
    assert write_plan(program) == (
        "1. Read a line into n.\n"
        "2. For each i of the list of 1, 2:\n"
        "  3. Print n and i.\n"
        "4. Work with if, n, 3.\n"
        "  5. Work with exec, x.\n"
        "6. Otherwise:\n"
        "  7. Print 'b'."
    )


@pytest.mark.parametrize("program", ["", "\n\n", "# only a comment", '"""only a docstring"""'])
def test_a_program_without_statements_has_an_empty_plan(program):
    assert write_plan(program) == ""


@pytest.mark.parametrize(
    "program", ["x = " + "+".join(["1"] * 5000), "x = " + "(" * 500 + "1" + ")" * 500, "x = '" + "long " * 1000 + "'"]
)
def test_huge_expressions_are_truncated(program):
    plan = write_plan(program)
    assert plan
    assert len(plan) <= MAX_STEP_CHARACTERS + 10


def test_long_plan_drops_its_deepest_steps_first():
    program = "for a in b:\n  if a:\n    c = a\n" * 20 + "print(c)"
    steps = write_plan(program).split("\n")
    assert len(steps) <= MAX_STEPS
    assert steps[-1].endswith("Print c.")
    flat = write_plan("\n".join(f"x{number} = 1" for number in range(100))).split("\n")
    assert len(flat) == MAX_STEPS
    assert flat[-1] == f"{MAX_STEPS}. Go on for 61 more steps."


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["if x:", "  y = 1", "else:", "print x", "\tpass", "(", "elif", "'"])).map("\n".join)
)
def test_any_text_has_a_deterministic_plan(text):
    plan = write_plan(text)
    assert plan == write_plan(text)
    assert len(plan.split("\n")) <= MAX_STEPS


def test_human_solutions_have_plans_that_are_clean_and_do_not_leak():
    solutions = [solution for row in rows("apps_train150.jsonl.gz") for solution in row["solutions"][:4]]
    leaks = []
    for solution in solutions:
        plan = write_plan(solution)
        assert plan
        assert clean_plan(plan) == plan
        leaks.append(leakage(plan, solution))
    assert sum(leaks) / len(leaks) < 0.01
