"""The one definition of each task: its prompt, its output head, its target, and what may be cut.

Training and generation both encode through this module, so a student never gets a prompt in a form it was not
trained on.

A prompt is: prefix token, question, starter code (where the problem has some), plan (tasks that follow one), marker.
Where it is longer than its limit, the question's tail is cut, and nothing else: benchmarks state the problem first and
repeat the example tests last. A target is cut at its limit as well, and then has no EOS token: the student must not
learn that programs end in the middle.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from codeplan.config import TASKS, StudentConfig, Task, TrainingConfig
from codeplan.records import Problem

VERSION = 1
"""Raised when a prompt or a target changes; a student trained under another version is refused."""

Head = Literal["code", "plan"]
TooLong = Literal["plan_too_long", "starter_code_too_long"]

_QUESTION = "\nQUESTION:\n"
_STARTER = "\nSTARTER CODE:\n"
_PLAN = "\nPLAN:\n"
_CODE = "\nCODE:\n"

HEADINGS = (_QUESTION, _STARTER, _PLAN, _CODE)
"""Headings of the prompts, which no problem contains; a tokenizer trained from scratch should have seen them."""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """What defines a task.

    Attributes:
        prefix: special token that opens the prompt.
        marker: text that ends the prompt and introduces the target.
        head: output head of the target, where plans have a head of their own.
        follows_plan: whether a plan is part of the prompt.
    """

    prefix: str
    marker: str
    head: Head
    follows_plan: bool


DEFINITIONS: dict[Task, TaskDefinition] = {
    "code": TaskDefinition("[GEN_CODE]", _CODE, "code", follows_plan=False),
    "plan": TaskDefinition("[GEN_PLAN]", _PLAN, "plan", follows_plan=False),
    "plan_code": TaskDefinition("[GEN_CODE_BY_PLAN]", _CODE, "code", follows_plan=True),
}

PREFIXES = tuple(definition.prefix for definition in DEFINITIONS.values())


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """Lengths in tokens: of a prompt, of a prompt that holds a plan, and of a target with its EOS token."""

    source: int
    plan_source: int
    target: int

    @classmethod
    def of(cls, student: StudentConfig) -> TokenLimits:
        """The limits that a configuration sets."""
        return cls(student.max_source_tokens, student.max_plan_source_tokens, student.max_target_tokens)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and how many more were cut off to keep within the limit."""

    ids: list[int]
    cut: int


class PromptTooLongError(ValueError):
    """What may not be cut is longer than the limit; ``part`` says what is too long."""

    def __init__(self, part: TooLong, problem_id: str, needed: int, limit: int) -> None:
        super().__init__(
            f"{problem_id}: {part.replace('_', ' ')}: prompt needs {needed} tokens beside the question, the "
            f"limit is {limit}; raise student.max_source_tokens or student.max_plan_source_tokens"
        )
        self.part = part


def tasks_of(training: TrainingConfig) -> tuple[Task, ...]:
    """The tasks that a training's mixture contains."""
    return tuple(task for task in TASKS if training.mixing.get(task, 0.0) > 0)


def prompt_task(task: Task, trained: Collection[Task]) -> Task:
    """The task whose prefix a prompt of ``task`` has.

    A student that was not trained on ``plan_code`` follows plans under the prefix of ``code``, as in the paper's
    released code.
    """
    return "code" if task == "plan_code" and task not in trained else task


def encode_source(
    task: Task, problem: Problem, plan: str, tokenizer: Any, limits: TokenLimits, *, trained: Collection[Task] = TASKS
) -> Encoded:
    """A task's prompt as token ids; only the question's tail is ever cut.

    Args:
        task: whose prompt to make.
        problem: gives question and starter code.
        plan: the plan to follow; empty for tasks that follow none.
        tokenizer: a Hugging Face tokenizer with `PREFIXES`.
        limits: the prompt's length limit is taken from here.
        trained: the tasks that the student was trained on; see `prompt_task`.

    Raises:
        PromptTooLongError: prefix, starter code, plan and marker alone are longer than the limit.
        ValueError: a plan is given to a task that follows none.
    """
    definition = DEFINITIONS[task]
    if plan and not definition.follows_plan:
        raise ValueError(f"task {task} follows no plan, but got one for {problem.problem_id}")
    limit = limits.plan_source if definition.follows_plan else limits.source
    prefix = DEFINITIONS[prompt_task(task, trained)].prefix
    before = [tokenizer.convert_tokens_to_ids(prefix), *text_ids(_QUESTION, tokenizer)]
    question = text_ids(clean(problem.question), tokenizer)
    starter = text_ids(_STARTER + clean(problem.starter_code), tokenizer) if problem.starter_code.strip() else []
    followed = text_ids(_PLAN + clean(plan), tokenizer) if definition.follows_plan else []
    marker = text_ids(definition.marker, tokenizer)
    bare = len(before) + len(starter) + len(marker)
    room = limit - bare - len(followed)
    if room < 0:
        part: TooLong = "starter_code_too_long" if bare > limit else "plan_too_long"
        raise PromptTooLongError(part, problem.problem_id, limit - room, limit)
    return Encoded([*before, *question[:room], *starter, *followed, *marker], max(0, len(question) - room))


def encode_target(text: str, tokenizer: Any, limits: TokenLimits) -> Encoded:
    """A program or a plan as token ids with the EOS token, or cut at the limit without one."""
    ids = [*text_ids(clean(text), tokenizer), tokenizer.eos_token_id]
    return Encoded(ids[: limits.target], max(0, len(ids) - limits.target))


def decode_target(ids: list[int], tokenizer: Any) -> str:
    """The text of generated token ids, without special tokens."""
    return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def clean(text: str) -> str:
    """Text as a student sees it: UTF-8, line feeds only, no blank lines around it."""
    plain = text.encode("utf-8", "replace").decode("utf-8")
    return plain.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()


def text_ids(text: str, tokenizer: Any) -> list[int]:
    """A piece of text as token ids, without special tokens around it."""
    # split_special_tokens: a question that contains "</s>" or a prefix must not be able to forge one.
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"])
