"""The requests of a distillation, one per solution and sample, and the plan in an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeplan.config import TeacherConfig
from codeplan.records import Plan, Problem
from codeplan.teacher.plans import clean_plan, leakage
from codeplan.teacher.prompts import reads_solution, render
from codeplan.teacher.reasoning import only_closes_reasoning, strip_reasoning
from codeplan.teacher.requests import Answer, TeacherRequest

NO_PLAN = "no_plan_in_answer"


@dataclass(frozen=True)
class PlanRequest:
    """A request for the plan behind one solution."""

    problem_id: str
    solution_index: int
    solution: str
    request: TeacherRequest

    def plan(self, answer: Answer, *, cached: bool, reasoning_unmarked: bool = False) -> Plan | None:
        """The plan in an answer, truncated or not; None where it holds none.

        Args:
            answer: the teacher's answer.
            cached: whether nothing was paid for it in this run.
            reasoning_unmarked: whether this teacher's answers begin with reasoning of which only the end is marked; a
                truncated answer without that mark is reasoning alone.
        """
        text = clean_plan(answer.text)
        if not text or (reasoning_unmarked and answer.truncated and not only_closes_reasoning(answer.text)):
            return None
        return Plan(
            problem_id=self.problem_id,
            author=self.request.model,
            solution_index=self.solution_index,
            sample_index=self.request.sample_index,
            text=text,
            request_key=self.request.key,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            cost_usd=0.0 if cached else answer.cost_usd,
            cached=cached,
            leakage=leakage(text, self.solution),
            finished=not answer.truncated,
        )

    def explain_missing(self, answer: Answer) -> tuple[str, str]:
        """Why an answer holds no plan: a name to count it by, and a sentence."""
        spent = f" after {answer.completion_tokens} tokens" if answer.completion_tokens else ""
        if answer.truncated:
            limit = max_tokens_setting(self.request.max_tokens)
            reason = "truncated_before_plan"
            message = f"truncated before the plan (finish_reason {answer.finish_reason}){spent}; raise {limit}"
        elif answer.filtered:
            reason, message = "content_filter", f"content filter of the provider (finish_reason {answer.finish_reason})"
        elif answer.refusal and not answer.text.strip():
            reason, message = "declined", f"the model declined: {answer.refusal[:100]!r}"
        elif not answer.text.strip():
            ending = f" (finish_reason {answer.finish_reason})" if answer.finish_reason else ""
            reason, message = "empty_answer", f"the answer is empty{ending}{spent}"
        elif not strip_reasoning(answer.text).strip():
            reason, message = "only_reasoning", "the answer is reasoning alone"
        else:
            reason, message = NO_PLAN, f"no plan in {answer.text[:100]!r}"
        return reason, f"{self.problem_id}: {message}"


def max_tokens_setting(value: int | None) -> str:
    """The length limit as messages name it, with its value where it has one."""
    return "teacher.max_tokens" + (f", now {value}" if value is not None else "")


def build_plan_requests(problems: Sequence[Problem], teacher: TeacherConfig, host: str) -> list[PlanRequest]:
    """All requests of a distillation, in the problems' order, then by solution, then by sample.

    A prompt that reads no solution has one plan per problem and sample, with solution_index -1.

    Each sample has a seed of its own, so that an endpoint that honours seeds does not write the same plan again.

    Args:
        problems: the problems whose solutions are explained; solutions of whitespace alone are skipped.
        teacher: the model, prompt and sampling settings.
        host: what stands for the endpoint in the requests' keys.
    """
    return [
        PlanRequest(
            problem_id=problem.problem_id,
            solution_index=index,
            solution=solution,
            request=TeacherRequest.model_validate(
                {
                    "host": host,
                    "model": teacher.model,
                    "messages": render(teacher.prompt, problem, solution),
                    "temperature": teacher.temperature,
                    "top_p": teacher.top_p,
                    "max_tokens": teacher.max_tokens,
                    "seed": None if teacher.seed is None else teacher.seed + sample,
                    "sample_index": sample,
                }
            ),
        )
        for problem in problems
        for index, solution in _explained(problem, teacher)
        for sample in range(teacher.plans_per_solution)
    ]


def _explained(problem: Problem, teacher: TeacherConfig) -> Iterator[tuple[int, str]]:
    """The solutions of a problem that get plans, with their indices."""
    if not reads_solution(teacher.prompt):
        yield -1, ""
        return
    for index, solution in enumerate(problem.solutions[: teacher.solutions_per_problem]):
        if solution.strip():
            yield index, solution
