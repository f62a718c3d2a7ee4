"""Plan sampling in three stages, with a student whose every answer is known."""

from collections import Counter
from collections.abc import Sequence

import pytest

from codeplan.config import SamplingConfig
from codeplan.evaluation.sampling import sample
from codeplan.evaluation.selection import pool_size
from codeplan.records import Plan, Problem
from codeplan.student.asks import Ask, Generation
from codeplan_sandbox import Case, CaseResult, Outcome, Suite, Verdict

SAMPLING = SamplingConfig(plans=4, trials=2, plan_counts=(3,))


def problem(name: str, *, shows_examples: bool = True) -> Problem:
    suite = Suite(kind="stdin", cases=(Case(f"{name}\n", "2\n"),)) if shows_examples else None
    return Problem(problem_id=name, dataset="d", split="test", level="l", question="?", example_tests=suite)


class Scripted:
    """Writes plans "plan 0", "plan 1" ..., and code that says what it was asked; odd plans lead to good programs."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def generate(self, asks: Sequence[Ask], *, temperature: float, top_p: float) -> list[Generation]:
        assert (temperature, top_p) == (SAMPLING.temperature, SAMPLING.top_p)
        self.asked += asks
        return [Generation(self._write(ask), 3, finished=True) for ask in asks]

    def _write(self, ask: Ask) -> str:
        if ask.task == "plan":
            return f"plan {ask.stream.rsplit('/', 1)[1]}"
        return f"{ask.task} {ask.plan} {'good' if ask.plan.endswith(('1', '3')) else 'bad'}"


def run_examples(tasks: Sequence[tuple[str, Suite]]) -> list[Verdict]:
    assert len({(code, suite) for code, suite in tasks}) == len(tasks), "equal programs are judged once"
    outcomes = [Outcome.PASSED if code.endswith("good") else Outcome.WRONG_ANSWER for code, _ in tasks]
    return [Verdict(outcome, 1, (CaseResult(outcome),)) for outcome in outcomes]


def test_the_three_stages_and_their_controls() -> None:
    student = Scripted()
    oracle = {"p": Plan(problem_id="p", author="teacher", solution_index=0, text="teacher's 1")}
    samples = sample([problem("p")], oracle, student, run_examples, SAMPLING)

    assert [plan.text for plan in samples.plans] == ["plan 0", "plan 1", "plan 2", "plan 3"]
    written = Counter((each.arm, each.phase) for each in samples.programs)
    assert written == {
        ("direct", "final"): 1,
        ("sampled", "trial"): pool_size(SAMPLING, 4),
        ("codeplan", "trial"): 8,
        ("oracle", "final"): 1,
        ("codeplan", "final"): 2,
    }
    # Of any three plans one is good, so a bad one is never chosen.
    assert {each.plan_index for each in samples.programs if (each.arm, each.phase) == ("codeplan", "final")} == {1, 3}
    assert {each.suite for each in samples.verdicts} == {"example"}


def test_finals_are_written_only_for_plans_that_can_be_chosen() -> None:
    sampling = SAMPLING.model_copy(update={"plan_counts": (4,)})
    samples = sample([problem("p")], {}, Scripted(), run_examples, sampling)
    assert {each.plan_index for each in samples.programs if each.phase == "final" and each.plan_index >= 0} == {1, 3}


def test_without_example_tests_every_plan_can_be_chosen_and_nothing_is_judged() -> None:
    sampling = SAMPLING.model_copy(update={"plan_counts": (4,)})
    samples = sample([problem("p", shows_examples=False)], {}, Scripted(), run_examples, sampling)
    assert samples.verdicts == []
    assert {each.plan_index for each in samples.programs if each.phase == "final" and each.plan_index >= 0} == {
        0,
        1,
        2,
        3,
    }


def test_every_sequence_has_its_own_stream_and_prompts_are_those_of_training() -> None:
    student = Scripted()
    sample([problem("p"), problem("q")], {}, student, run_examples, SAMPLING)
    assert len({ask.stream for ask in student.asked}) == len(student.asked)
    assert {(ask.task, bool(ask.plan)) for ask in student.asked} == {
        ("code", False),
        ("plan", False),
        ("plan_code", True),
    }
    greedy = {ask.stream.split("/")[2] for ask in student.asked if ask.greedy}
    assert greedy == {"direct", "final"}


@pytest.mark.parametrize("names", [["p", "q"], ["q", "p"]])
def test_a_sample_does_not_depend_on_its_neighbours(names: list[str]) -> None:
    alone = sample([problem("p")], {}, Scripted(), run_examples, SAMPLING)
    together = sample([problem(name) for name in names], {}, Scripted(), run_examples, SAMPLING)
    assert [each for each in together.programs if each.problem_id == "p"] == alone.programs


class Choking(Scripted):
    """Cannot be asked to follow "plan 1": it is too long for a prompt."""

    def generate(self, asks: Sequence[Ask], *, temperature: float, top_p: float) -> list[Generation]:
        written = super().generate(asks, temperature=temperature, top_p=top_p)
        too_long = Generation("", 0, finished=False, lost="plan too long")
        return [too_long if ask.plan == "plan 1" else each for ask, each in zip(asks, written, strict=True)]


def test_a_program_that_could_not_be_asked_for_is_named_and_never_judged() -> None:
    samples = sample([problem("p")], {}, Choking(), run_examples, SAMPLING)
    lost = [each for each in samples.programs if each.lost]
    assert {(each.plan_index, each.lost) for each in lost} == {(1, "plan too long")}
    assert not {each.key for each in lost} & {each.program_key for each in samples.verdicts}
    assert {each.plan_index for each in samples.programs if (each.arm, each.phase) == ("codeplan", "final")} >= {3}


class Speechless(Scripted):
    """Cannot be asked for its second plan."""

    def generate(self, asks: Sequence[Ask], *, temperature: float, top_p: float) -> list[Generation]:
        written = super().generate(asks, temperature=temperature, top_p=top_p)
        lost = Generation("", 0, finished=False, lost="starter code too long")
        return [lost if ask.stream.endswith("/plan/1") else each for ask, each in zip(asks, written, strict=True)]


def test_nothing_is_asked_by_a_plan_that_is_lost() -> None:
    student = Speechless()
    samples = sample([problem("p")], {}, student, run_examples, SAMPLING)
    assert [plan.lost for plan in samples.plans] == ["", "starter code too long", "", ""]
    assert {each.lost for each in samples.programs if each.plan_index == 1} == {"starter code too long"}
    assert not [ask for ask in student.asked if ask.task == "plan_code" and not ask.plan]
