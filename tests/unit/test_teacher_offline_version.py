"""The offline teacher's version stands for its plans: they are pinned, whatever it explained before."""

import ast
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from codeplan.problems import miniapps
from codeplan.teacher.offline import write_plan
from codeplan.teacher.offline.plan_writer import VERSION
from codeplan.teacher.offline.statements import steps_of

STATEMENTS = (
    "x = [v for v in x if v > 3]",
    "x = sorted(x); y = 'é'; x = sorted(x)",
    "if x: y = input(); print(y)",
    "n = int(input())",
    "n = int(\n    input())",
    "for v in x: x.append(v)",
    "s = '''a\n b'''; t = 1",
    "def f(a):\n    b = sum(a)\n    return b",
    "def f(a):\n    return b",
    "while True:\n    n = int(input())\n    break",
    "try:\n    y = 1\nexcept E:\n    y = 2\nelse:\n    pass",
    "sys.stdin.readline()",
    "stdin.readline().strip()",
    "a = '\f'; b = 2",
    "\fb = 2; b = 3",
    "print(x)\r",
    "print(x, sys.stdin.read(), end='')",
    "match n:\n    case 1:\n        n += 1\n    case _:\n        n <<= 1",
)


def test_the_plans_of_a_version_are_pinned() -> None:
    # Whoever changes these on purpose changes VERSION, so that plans and answers of before are not reused.
    programs = [problem.solutions[0] for split in ("train", "test") for problem in miniapps.generate(split, 60, seed=7)]
    programs += [*STATEMENTS, "n = raw_input()\nfor i in [1, 2]:\n\tprint n, i\nelse:\n    exec 'x'\n"]
    plans = "\n\n".join(map(write_plan, programs))
    assert VERSION == "83855830b3ba81cb202b"
    assert (
        hashlib.sha256(plans.encode()).hexdigest() == "43914b0b9afffa08edcf3bd9727603cea3b18fc21f241fed88fed72c1e4661ca"
    )


@given(st.lists(st.sampled_from(STATEMENTS), max_size=8).map("\n".join))
def test_a_statement_that_was_explained_before_has_the_step_that_it_has_alone(program: str) -> None:
    texts = [line.strip().partition(" ")[2] for line in write_plan(program).splitlines()]
    assert texts == [" ".join(step.text.split()) for step in steps_of(ast.parse(program).body)]
