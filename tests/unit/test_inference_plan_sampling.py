"""Plan sampling in three phases, with a student whose every answer is known."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.inference.plan_sampling import TeacherPlans, foreign_plans, sample
from codeplan.inference.samples import Samples, needs_examples, pool_key, view
from codeplan.inference.settings import SampleSettings
from codeplan.records import Plan, Problem
from codeplan.student.generation_request import Generation, GenerationRequest
from codeplan_sandbox import Case, CaseResult, Outcome, Suite, SuiteVerdict

SETTINGS = SampleSettings(plans=4, trials=2, fewest_plans=3)


def problem(name: str, *, shows_examples: bool = True) -> Problem:
    suite = Suite(kind="stdin", cases=(Case(f"{name}\n", "2\n"),)) if shows_examples else None
    return Problem(problem_id=name, dataset="d", split="test", level="l", question="?", example_tests=suite)


class Scripted:
    """Writes plans "plan 0", "plan 1" ..., and code that names its prompt; odd plans lead to good programs."""

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        assert (temperature, top_p) == (SETTINGS.temperature, SETTINGS.top_p)
        self.requests += requests
        return [Generation(self._write(request), 3, finished=True) for request in requests]

    def _write(self, request: GenerationRequest) -> str:
        if request.task == "plan":
            return f"plan {request.rng_key.rsplit('/', 1)[1]}"
        return f"{request.task} {request.plan} {'good' if request.plan.endswith(('1', '3')) else 'bad'}"


class Judge:
    """Passes programs that end with "good"; counts what it runs."""

    def __init__(self) -> None:
        self.programs = 0

    def __call__(self, programs: Sequence[tuple[str, Suite]]) -> list[SuiteVerdict]:
        assert len(set(programs)) == len(programs), "equal programs are judged once"
        self.programs += len(programs)
        outcomes = [Outcome.PASSED if code.endswith("good") else Outcome.WRONG_ANSWER for code, _ in programs]
        return [SuiteVerdict(outcome, 1, (CaseResult(outcome),)) for outcome in outcomes]


ORACLE = {
    name: Plan(problem_id=name, author="teacher", solution_index=0, text=f"teacher's {number}")
    for number, name in enumerate("op")
}
FORWARD = {"p": Plan(problem_id="p", author="teacher", text="from the question")}


def grow(
    pool: Samples,
    settings: SampleSettings,
    student: Scripted | None = None,
    judge: Judge | None = None,
    problems: Sequence[Problem] = (problem("p"),),
) -> Samples:
    """The pool, with all that the settings ask for."""
    new = sample(problems, TeacherPlans(ORACLE, FORWARD), student or Scripted(), judge or Judge(), settings, pool=pool)
    for part in new:
        pool += part
    return pool


def sampled(settings: SampleSettings = SETTINGS, student: Scripted | None = None, *problems: Problem) -> Samples:
    """What the settings ask for, sampled from nothing."""
    return view(grow(Samples(), settings, student, None, problems or (problem("p"),)), settings)


def finals(samples: Samples) -> set[int]:
    return {prog.plan_index for prog in samples.programs if (prog.arm, prog.phase) == ("codeplan", "final")}


def test_the_three_stages_and_their_controls() -> None:
    samples = sampled()
    assert [plan.text for plan in samples.plans] == ["plan 0", "plan 1", "plan 2", "plan 3"]
    assert Counter((program.arm, program.phase) for program in samples.programs) == {
        ("direct", "final"): 1,
        ("sampled", "trial"): SETTINGS.budget(4),
        ("codeplan", "trial"): 8,
        ("oracle", "final"): 1,
        ("foreign", "final"): 1,
        ("codeplan", "final"): 2,
    }
    # Of any three plans one is good, so a bad one is never chosen.
    assert finals(samples) == {1, 3}
    assert {verdict.suite for verdict in samples.verdicts} == {"example"}


def test_final_programs_are_written_only_for_plans_that_can_be_chosen() -> None:
    assert finals(sampled(SETTINGS.model_copy(update={"fewest_plans": 4}))) == {1, 3}
    assert finals(sampled(SETTINGS.model_copy(update={"fewest_plans": 1}))) == {0, 1, 2, 3}


def test_without_example_tests_every_plan_can_be_chosen_and_nothing_is_judged() -> None:
    settings = SETTINGS.model_copy(update={"fewest_plans": 4})
    samples = sampled(settings, None, problem("p", shows_examples=False))
    assert samples.verdicts == []
    assert finals(samples) == {0, 1, 2, 3}


def test_every_sequence_has_its_own_rng_key_and_a_prompt_of_training() -> None:
    student = Scripted()
    sampled(SETTINGS, student, problem("p"), problem("q"))
    assert len({request.rng_key for request in student.requests}) == len(student.requests)
    prompts = {(request.task, bool(request.plan)) for request in student.requests}
    assert prompts == {("code", False), ("plan", False), ("plan_code", True)}
    greedy = {request.rng_key.split("/")[2] for request in student.requests if request.greedy}
    assert greedy == {"direct", "final", "oracle", "foreign"}


@pytest.mark.parametrize("names", [["p", "q"], ["q", "p"]])
def test_a_sample_does_not_depend_on_other_problems(names: list[str]) -> None:
    together = sampled(SETTINGS, None, *map(problem, names))
    assert [program for program in together.programs if program.problem_id == "p"] == sampled().programs


settings_of_a_stage = st.builds(
    lambda plans, trials, finals, fewest, arms: SampleSettings(
        plans=plans, trials=trials, finals=finals, fewest_plans=min(fewest, plans), **arms
    ),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 5),
    st.fixed_dictionaries({arm: st.booleans() for arm in ("control", "oracle", "foreign", "teacher_plan")}),
).flatmap(lambda made: st.sampled_from([made, made.code_only()]))


@given(st.lists(settings_of_a_stage, min_size=1, max_size=4))
def test_a_pool_that_grew_holds_what_sampling_from_nothing_gives(history: list[SampleSettings]) -> None:
    pool = Samples()
    for settings in history:
        pool = grow(pool, settings)
        assert view(pool, settings) == sampled(settings)


@given(st.lists(settings_of_a_stage, min_size=2, max_size=4))
def test_nothing_is_generated_or_judged_twice(history: list[SampleSettings]) -> None:
    student, judge, pool = Scripted(), Judge(), Samples()
    for settings in history:
        pool = grow(pool, settings, student, judge)
    keys = [request.rng_key for request in student.requests]
    assert len(keys) == len(set(keys))
    assert judge.programs == len({(verdict.problem_id, verdict.program_key) for verdict in pool.verdicts})


def test_without_a_control_nothing_is_sampled_or_judged_for_it() -> None:
    with_control, without = Scripted(), Scripted()
    samples = sampled(SETTINGS.model_copy(update={"control": False}), without)
    whole = sampled(SETTINGS, with_control)
    assert [program for program in whole.programs if program.arm != "sampled"] == samples.programs
    assert len(with_control.requests) - len(without.requests) == SETTINGS.budget(4)


def test_a_student_that_learned_from_code_alone_is_asked_for_programs_from_the_question_alone() -> None:
    student, whole = Scripted(), sampled()
    samples = sampled(SETTINGS.code_only(), student)
    assert {(request.task, request.plan) for request in student.requests} == {("code", "")}
    assert samples.programs == [program for program in whole.programs if program.arm in {"direct", "sampled"}]


def test_the_teachers_plan_for_a_question_is_followed_where_there_is_one() -> None:
    settings, student = SETTINGS.model_copy(update={"teacher_plan": True}), Scripted()
    samples = sampled(settings, student, problem("p"), problem("q"))
    found = [program for program in samples.programs if program.arm == "teacher_plan"]
    assert [(program.problem_id, program.phase) for program in found] == [("p", "final")]
    (request,) = (request for request in student.requests if request.rng_key.split("/")[2] == "teacher_plan")
    assert (request.task, request.plan, request.greedy) == ("plan_code", "from the question", True)


def test_more_plans_generate_only_the_new_ones() -> None:
    student = Scripted()
    pool = grow(Samples(), SETTINGS, student)
    before = len(student.requests)
    larger = SETTINGS.model_copy(update={"plans": 6})
    grow(pool, larger, student)
    new = Counter(request.rng_key.split("/")[2] for request in student.requests[before:])
    assert new["plan"] == 2
    assert new["trial"] == 2 * larger.trials
    assert new["sampled"] == larger.budget(6) - SETTINGS.budget(4)
    assert "direct" not in new
    assert "oracle" not in new
    assert "foreign" not in new


def test_sampled_finals_are_beside_the_greedy_one_and_the_greedy_one_alone_is_run_on_the_examples() -> None:
    student = Scripted()
    samples = sampled(SETTINGS.model_copy(update={"finals": 3}), student)
    made = Counter(request.greedy for request in student.requests if request.rng_key.split("/")[2] == "final")
    assert made == {True: 2, False: 6}
    keys = {program.key for program in samples.programs if needs_examples(program)}
    assert {verdict.program_key for verdict in samples.verdicts} == keys
    greedy = {prog.key for prog in samples.programs if (prog.arm, prog.phase) == ("codeplan", "final")}
    assert greedy <= keys


def test_programs_are_sampled_from_the_plans_alone_that_can_be_chosen_from_all() -> None:
    settings = SETTINGS.model_copy(update={"finals": 2, "fewest_plans": 1})
    samples = sampled(settings, Scripted())
    finals = Counter(prog.plan_index for prog in samples.programs if (prog.arm, prog.phase) == ("codeplan", "final"))
    from_all = sampled(settings.model_copy(update={"fewest_plans": settings.plans}), Scripted())
    best = {prog.plan_index for prog in from_all.programs if (prog.arm, prog.phase) == ("codeplan", "final")}
    assert set(finals) == set(range(settings.plans)) > best
    assert {plan: count for plan, count in finals.items() if count == 3} == dict.fromkeys(best, 3)
    assert view(samples, settings).programs == sorted(samples.programs, key=pool_key)


@given(st.dictionaries(st.text(), st.sampled_from(["a", "b", "c"])))
def test_foreign_plans_are_other_problems_plans_with_other_texts(texts: dict[str, str]) -> None:
    plans = {name: Plan(problem_id=name, author="teacher", text=text) for name, text in texts.items()}
    found = foreign_plans(plans, plans)
    assert set(found) == (set(plans) if len(set(texts.values())) > 1 else set())
    for name, plan in found.items():
        assert plan.problem_id != name
        assert plan.text != texts[name]
    assert foreign_plans(dict(reversed(plans.items())), plans) == found
    some = set(list(plans)[::2])
    assert foreign_plans(plans, some) == {name: plan for name, plan in found.items() if name in some}


class TooLong(Scripted):
    """Cannot be asked to follow "plan 1": the prompt is too long."""

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        written = super().generate(requests, temperature=temperature, top_p=top_p)
        too_long = Generation("", 0, finished=False, dropped="plan_too_long")
        pairs = zip(requests, written, strict=True)
        return [too_long if request.plan == "plan 1" else text for request, text in pairs]


def test_a_program_whose_prompt_is_too_long_is_named_and_never_judged() -> None:
    samples = sampled(SETTINGS, TooLong())
    dropped = [program for program in samples.programs if program.dropped]
    assert {(program.plan_index, program.dropped) for program in dropped} == {(1, "plan_too_long")}
    assert not {program.key for program in dropped} & {verdict.program_key for verdict in samples.verdicts}
    assert finals(samples) >= {3}


class NoSecondPlan(Scripted):
    """Cannot be asked for its second plan."""

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        written = super().generate(requests, temperature=temperature, top_p=top_p)
        dropped = Generation("", 0, finished=False, dropped="starter_code_too_long")
        pairs = zip(requests, written, strict=True)
        return [dropped if request.rng_key.endswith("/plan/1") else text for request, text in pairs]


def test_no_program_is_asked_for_where_its_plan_was_dropped() -> None:
    student = NoSecondPlan()
    samples = sampled(SETTINGS, student)
    assert [plan.dropped for plan in samples.plans] == ["", "starter_code_too_long", "", ""]
    assert {prog.dropped for prog in samples.programs if prog.plan_index == 1} == {"starter_code_too_long"}
    assert not [request for request in student.requests if request.task == "plan_code" and not request.plan]
