"""What a distillation asks: one question for each solution and sample, and the plan that an answer makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codeplan.config import TeacherConfig
from codeplan.records import Plan, Problem
from codeplan.teacher.plans import clean_plan, leakage
from codeplan.teacher.prompts import render
from codeplan.teacher.requests import Answer, Request
from codeplan.teacher.thoughts import ends_unopened_thoughts, without_thoughts

NO_PLAN = "no_plan_in_answer"


@dataclass(frozen=True)
class Question:
    """One request, and whose it is."""

    problem_id: str
    solution_index: int
    solution: str
    request: Request

    def plan(self, answer: Answer, *, cached: bool, thinks_unopened: bool = False) -> Plan | None:
        """The plan in an answer; None where it holds none.

        Args:
            answer: what the teacher said.
            cached: whether nothing was paid for it in this run.
            thinks_unopened: whether this teacher thinks first and marks only the end; an answer that the length limit
                cut off before such a mark is all thoughts.
        """
        text = clean_plan(answer.text)
        if not text or (thinks_unopened and answer.truncated and not ends_unopened_thoughts(answer.text)):
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
        )

    def why_no_plan(self, answer: Answer) -> tuple[str, str]:
        """Why an answer holds no plan: a word for counting, and a sentence."""
        limit = self.request.max_tokens
        spent = f" after {answer.completion_tokens} tokens" if answer.completion_tokens else ""
        if answer.truncated:
            stated = "teacher.max_tokens" + (f", now {limit}" if limit is not None else "")
            reason, said = "cut_off_before_plan", f"cut off (finish_reason length){spent}; raise {stated}"
        elif answer.filtered:
            reason, said = "content_filter", f"ended by the provider's filter (finish_reason {answer.finish_reason})"
        elif answer.refusal and not answer.text.strip():
            reason, said = "declined", f"the model declines: {answer.refusal[:100]!r}"
        elif not answer.text.strip():
            ending = f" (finish_reason {answer.finish_reason})" if answer.finish_reason else ""
            reason, said = "empty_answer", f"the answer is empty{ending}{spent}"
        elif not without_thoughts(answer.text).strip():
            reason, said = "only_thoughts", "the answer is thoughts alone"
        else:
            reason, said = NO_PLAN, f"no plan in {answer.text[:100]!r}"
        return reason, f"{self.problem_id}: {said}"


def questions(problems: Sequence[Problem], teacher: TeacherConfig, host: str) -> list[Question]:
    """All questions of a distillation, in the problems' order, then by solution, then by sample.

    Each sample has a seed of its own, so that an endpoint that keeps to seeds does not write the same plan again.

    Args:
        problems: whose solutions are explained; solutions of blanks alone are passed over.
        teacher: what is asked.
        host: what stands for the endpoint in the requests' keys.
    """
    return [
        Question(
            problem_id=problem.problem_id,
            solution_index=index,
            solution=solution,
            request=Request.model_validate(
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
        for index, solution in enumerate(problem.solutions[: teacher.solutions_per_problem])
        if solution.strip()
        for sample in range(teacher.plans_per_solution)
    ]
