"""Prompts contain the question and the solution unchanged, and their versions change with their text."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.config import TeacherConfig
from codeplan.records import Problem
from codeplan.teacher import prompts
from codeplan.teacher.plan_requests import build_plan_requests
from codeplan.teacher.prompts import FORWARD, PROMPTS, PromptError, prompt_version, render, require_prompt, solution_in
from codeplan.teacher.requests import Answer


def problem(question: str = "Add two numbers.", solutions: tuple[str, ...] = (), name: str = "p") -> Problem:
    return Problem(problem_id=name, dataset="d", split="train", level="easy", question=question, solutions=solutions)


@settings(deadline=None)
@given(solution=st.text().filter(lambda text: text.strip()), question=st.text())
def test_the_solution_can_be_extracted_from_any_rendered_prompt(solution, question):
    messages = render("backward", problem(question.replace(prompts.SOLUTION_START, "")), solution)
    assert solution_in(messages[-1]["content"]) == solution.strip("\n").rstrip()


def test_a_prompt_is_a_conversation_that_ends_with_the_question():
    messages = render("backward", problem("A {solution} of {question}?"), "    x = {question}\n")
    roles = [message["role"] for message in messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert "A {solution} of {question}?" in messages[-1]["content"]
    assert f"{prompts.SOLUTION_START}\n    x = {{question}}\n{prompts.SOLUTION_END}" in messages[-1]["content"]


def test_a_long_question_is_shortened_in_the_middle_and_the_solution_never():
    solution = "x = 1\n" * 5000
    content = render("backward", problem("start " + "story " * 5000 + "end"), solution)[-1]["content"]
    assert len(content) < len(solution) + prompts.MAX_QUESTION_CHARACTERS + 1000
    assert "start " in content
    assert "end\n" in content
    assert solution.strip() in content


def test_an_unknown_prompt_and_an_empty_solution_are_refused_by_name():
    with pytest.raises(PromptError, match=r"sideways.*backward"):
        render("sideways", problem(), "x")
    with pytest.raises(PromptError, match=r"unknown prompt 'forward'; available: backward"):
        require_prompt(FORWARD)
    with pytest.raises(PromptError, match="problem p"):
        render("backward", problem(), " \n")


def test_a_plan_from_the_question_alone_sees_no_solution():
    messages = render(FORWARD, problem("Add {solution}.", ("print(sum(map(int, input().split())))",)), "")
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    text = "\n".join(message["content"] for message in messages)
    assert "Add {solution}." in messages[-1]["content"]
    assert solution_in(text) is None
    assert "input()" not in text
    assert prompt_version(FORWARD) != prompt_version("backward")
    teacher = TeacherConfig(prompt=FORWARD, solutions_per_problem=3)
    (request,) = build_plan_requests([problem(solutions=("a = 1", "b = 1"))], teacher, "host")
    assert (request.solution_index, request.solution) == (-1, "")
    assert len(build_plan_requests([problem(), problem(name="q")], teacher, "host")) == 2


def test_the_prompt_version_changes_with_the_text(monkeypatch):
    before = prompt_version("backward")
    assert before == prompt_version("backward")
    for change in ({"system": "other"}, {"exemplars": ()}, {"template": PROMPTS["backward"].template + "."}):
        monkeypatch.setitem(PROMPTS, "backward", dataclasses.replace(PROMPTS["backward"], **change))
        assert prompt_version("backward") != before
        monkeypatch.undo()


def test_plan_requests_are_ordered_and_each_sample_has_its_own_seed():
    given_problems = [
        problem("A", ("x = 1", " ", "y = 2", "z = 3"), "a"),
        problem("B", (), "b"),
        problem("C", ("w",), "c"),
    ]
    teacher = TeacherConfig(solutions_per_problem=3, plans_per_solution=2, seed=5)
    requests = build_plan_requests(given_problems, teacher, "host")
    shape = [(r.problem_id, r.solution_index, r.request.sample_index, r.request.seed) for r in requests]
    assert shape == [("a", 0, 0, 5), ("a", 0, 1, 6), ("a", 2, 0, 5), ("a", 2, 1, 6), ("c", 0, 0, 5), ("c", 0, 1, 6)]
    assert len({r.request.key for r in requests}) == len(requests)


def test_an_answer_becomes_a_plan_with_its_request_key_and_cost():
    (plan_request,) = build_plan_requests([problem("A", ("print(sum(values))",))], TeacherConfig(), "host")
    answer = Answer(text="Plan:\n1. Print.", prompt_tokens=5, completion_tokens=3, cost_usd=0.5)
    plan = plan_request.plan(answer, cached=False)
    assert plan is not None
    assert (plan.text, plan.request_key, plan.prompt_tokens, plan.cost_usd) == (
        "1. Print.",
        plan_request.request.key,
        5,
        0.5,
    )
    again = plan_request.plan(answer, cached=True)
    assert again is not None
    assert (again.cached, again.cost_usd) == (True, 0.0)
    assert plan_request.plan(Answer(text="```python\nprint(sum(values))\n```"), cached=False) is None
