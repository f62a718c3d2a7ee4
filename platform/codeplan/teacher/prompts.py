"""The teacher's prompts, by name.

A prompt's text enters the distill stage's fingerprint (`prompt_version`), so a changed word renews the plans. The
solution is between two markers, by which the offline teacher finds it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from codeplan.errors import UserError
from codeplan.records import Problem
from codeplan.stage import canonical

Message = dict[str, str]
"""A chat message: ``role`` and ``content``."""

SOLUTION_START = "<solution>"
SOLUTION_END = "</solution>"

MAX_QUESTION_CHARACTERS = 8000
"""Longer questions are shortened in the middle, where their background story is; solutions never are."""


class PromptError(UserError, ValueError):
    """A prompt that does not exist, or that cannot be rendered for a problem."""


@dataclass(frozen=True)
class Prompt:
    """A few-shot conversation that ends with the place for one question and one solution.

    Attributes:
        system: the system message.
        exemplars: questions with their solutions and plans.
        template: the user message; ``{question}`` and, where it is to be read, ``{solution}`` are filled in.
    """

    system: str
    exemplars: tuple[tuple[str, str, str], ...]
    template: str

    @property
    def reads_solution(self) -> bool:
        """Whether the plan is reasoned back from a solution; else it is made from the question alone."""
        return "{solution}" in self.template

    def messages(self, question: str, solution: str) -> list[Message]:
        """The conversation for one problem and one of its solutions."""
        conversation = [{"role": "system", "content": self.system}]
        for example, program, plan in self.exemplars:
            conversation.append({"role": "user", "content": self._fill(example, program)})
            conversation.append({"role": "assistant", "content": plan})
        return [*conversation, {"role": "user", "content": self._fill(question, solution)}]

    def _fill(self, question: str, solution: str) -> str:
        # One pass over the template: a question's text may itself contain what looks like a field.
        fields = {"{question}": question.strip(), "{solution}": solution.strip("\n").rstrip()}
        return re.sub(r"\{question\}|\{solution\}", lambda field: fields[field[0]], self.template)


# The method's step 1 (CodePLAN, arXiv 2403.13271, figure 2); the wording and the exemplar are our own.
_BACKWARD = Prompt(
    system=(
        "You are an experienced programmer who explains how a programming problem was solved. You are given a problem "
        "and a correct solution by a human. Reason backwards from the solution: write the plan that its author must "
        "have had in mind before writing it."
    ),
    exemplars=(
        (
            """A gardener measured the heights of n plants. She removes all plants that are lower than the average
height. Print how many plants stay.
Input: n on the first line, n integers on the second.""",
            """n = int(input())
h = list(map(int, input().split()))
print(len([x for x in h if x * n >= sum(h)]))""",
            """1. Read the number of plants and the list of their heights.
2. Work out the total of all heights.
3. Keep each height that, multiplied by the number of plants, is at least the total: this compares it with the average \
without a division.
4. Print how many heights were kept.""",
        ),
    ),
    template=(
        "Problem:\n{question}\n\n"
        f"Solution:\n{SOLUTION_START}\n{{solution}}\n{SOLUTION_END}\n\n"
        "Write the plan behind this solution, step by step: numbered steps, one sentence each, at most 12. Say what is "
        "read, what is worked out and how, and what is printed or returned; name the data structures, the formulas "
        "and the special cases that matter. Write plain English: no code, no quotations of the solution, nothing "
        "before or after the steps."
    ),
)

# The same form of plan, by someone who has to find the solution first.
_FORWARD = Prompt(
    system=(
        "You are an experienced programmer who plans how to solve a programming problem. You are given the problem "
        "alone. Find a correct and fast enough solution, and write the plan that a less experienced programmer can "
        "turn into a program."
    ),
    exemplars=_BACKWARD.exemplars,
    template=(
        "Problem:\n{question}\n\n"
        "Write the plan for a solution, step by step: numbered steps, one sentence each, at most 12. Say what is read, "
        "what is worked out and how, and what is printed or returned; name the data structures, the formulas and the "
        "special cases that matter. Write plain English: no code, nothing before or after the steps."
    ),
)

PROMPTS: dict[str, Prompt] = {"backward": _BACKWARD}
"""Those that ``teacher.prompt`` can name: the student learns from plans behind solutions."""

FORWARD = "forward"
"""Name of the prompt for a plan from the question alone."""


def reads_solution(name: str) -> bool:
    """Whether a prompt asks for the plan behind a solution, and not for one from the question alone."""
    return _prompt(name).reads_solution


def render(name: str, problem: Problem, solution: str) -> list[Message]:
    """The messages that ask for a plan for a problem: the plan behind a solution, where the prompt reads one.

    Raises:
        PromptError: there is no such prompt, or the solution that it reads is empty.
    """
    prompt = _prompt(name)
    if prompt.reads_solution and not solution.strip():
        raise PromptError(f"problem {problem.problem_id}: an empty solution has no plan; leave it out of the data")
    question = problem.question
    if len(question) > MAX_QUESTION_CHARACTERS:
        half = MAX_QUESTION_CHARACTERS // 2
        question = f"{question[:half]}\n[...]\n{question[-half:]}"
    return prompt.messages(question, solution)


def prompt_version(name: str) -> str:
    """64 hexadecimal digits that change with the prompt's text.

    Raises:
        PromptError: there is no such prompt.
    """
    messages = _prompt(name).messages("", "")
    return hashlib.sha256(canonical([messages, MAX_QUESTION_CHARACTERS]).encode()).hexdigest()


def require_prompt(name: str) -> None:
    """Check that ``teacher.prompt`` can have this value.

    Raises:
        PromptError: names those that there are.
    """
    if name not in PROMPTS:
        raise PromptError(f"teacher.prompt: unknown prompt {name!r}; available: {', '.join(sorted(PROMPTS))}")


def solution_in(text: str) -> str | None:
    """The solution between the markers of a rendered prompt; None where there is none."""
    _, found, rest = text.partition(f"{SOLUTION_START}\n")
    solution, closed, _ = rest.rpartition(f"\n{SOLUTION_END}")
    return solution if found and closed else None


def _prompt(name: str) -> Prompt:
    if name == FORWARD:
        return _FORWARD
    require_prompt(name)
    return PROMPTS[name]
