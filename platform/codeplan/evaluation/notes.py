"""What a reader of the report must know to judge its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codeplan.config import CodeOnly
from codeplan.evaluation.conclusions import MIN_PROBLEMS, SIGNIFICANT, PoolSizes
from codeplan.evaluation.problem_summary import ProblemSummary
from codeplan.inference.settings import SampleSettings
from codeplan.stage import Account

WITHOUT_SOLUTION = "without_solution"
"""Why there is no plan request: not a plan that is missing."""


@dataclass(frozen=True)
class DirectCeiling:
    """What a direct student can solve at most where questions leave steps open, known by construction.

    Attributes:
        words: the expected fraction of problems for the best guess from the words of the questions.
        with_examples: the same for the best guess from the words and the example tests.
        examples_shown: whether the questions show their example tests.
    """

    words: float
    with_examples: float
    examples_shown: bool


@dataclass(frozen=True)
class GivenData:
    """What the report is told of its data, beside the records.

    Attributes:
        shown_hidden_tests: per problem, the number of hidden tests that its question shows as example tests.
        shown_left_out: whether the programs were judged without these.
        plan_requests: what became of the requests to the teacher, by role: ``plans``, ``oracle`` and ``forward``.
        code_only_steps: optimizer steps of the students that learned from code alone.
        ceiling: what a direct student can solve at most; None where no question leaves steps open.
    """

    shown_hidden_tests: Sequence[int]
    shown_left_out: bool
    plan_requests: Mapping[str, Account]
    code_only_steps: Mapping[CodeOnly, int]
    ceiling: DirectCeiling | None = None


def notes(
    seeds: Sequence[Sequence[ProblemSummary]],
    sampling: SampleSettings,
    pass_k: Sequence[int],
    teachers: Sequence[str],
    given: GivenData,
) -> tuple[str, ...]:
    """The notes that apply to a report.

    Args:
        seeds: by training seed, the test problems' summaries; at least one problem.
        sampling: the settings that their programs were sampled with.
        pass_k: the k of pass@k that were asked for.
        teachers: who wrote plans.
        given: what the records do not say.
    """
    about_students = (*_repeats(len(seeds)), *_code_only(given.code_only_steps), *_ceiling(given.ceiling))
    return (
        *_how_counted(sampling),
        *about_students,
        *_about_data(seeds, teachers, given),
        *_pass_k_left_out(sampling, pass_k),
        *_missing_plans(given.plan_requests),
    )


def _about_data(seeds: Sequence[Sequence[ProblemSummary]], teachers: Sequence[str], given: GivenData) -> Iterator[str]:
    """What the problems, plans and programs lack."""
    shown_hidden_tests = given.shown_hidden_tests
    problems = seeds[0]
    total = len(problems)
    programs, not_judged, unfinished = (
        sum(getattr(problem, name) for of_seed in seeds for problem in of_seed)
        for name in ("programs", "not_judged", "unfinished")
    )
    without_examples = sum(not problem.has_examples for problem in problems)
    with_teacher_plan = sum(problem.has_teacher_plan for problem in problems)
    with_oracle = sum(problem.has_oracle for problem in problems)
    applicable = {
        f"{without_examples:,} of {total:,} problems have no example test; there every choice is uniform.": True,
        f"The questions of {sum(map(bool, shown_hidden_tests)):,} of {total:,} problems show hidden tests as example "
        f"tests, {sum(shown_hidden_tests):,} in total, as MBPP does with the first assert; "
        + (
            "they were left out of the judging (judging.hidden_without_examples)."
            if given.shown_left_out
            else "judging.hidden_without_examples: true leaves them out."
        ): any(shown_hidden_tests),
        f"{100 * unfinished / programs:.1f} % of all programs were truncated at the length limit.": True,
        f"The oracle plan is made from a problem's own solution; {with_oracle:,} of {total:,} problems have one, and "
        "the oracle's rows count only those. It is an upper bound on plan quality, not a method.": with_oracle,
        f"The teacher's plan is written from the question alone, at temperature 0; {with_teacher_plan:,} of {total:,} "
        "problems have one, and its rows count only those.": with_teacher_plan,
        "The offline teacher that wrote plans is not an LLM: it derives them from a program's syntax tree.": any(
            teacher.startswith("offline") for teacher in teachers
        ),
        f"{not_judged:,} of {programs:,} programs have no verdict on the hidden tests; "
        "they count as not solved.": not_judged,
        f"With only {total} problems nothing is concluded; at least {MIN_PROBLEMS} are needed.": total < MIN_PROBLEMS,
    }
    yield from (note for note, applies in applicable.items() if applies)


def _how_counted(sampling: SampleSettings) -> Iterator[str]:
    """What the numbers are, whatever the data."""
    sizes = PoolSizes.of(sampling)
    plans = f"{sampling.plans} plan{'s' if sampling.plans > 1 else ''}"
    if sampling.control:
        yield (
            f"The equal-budget control chooses, by the same example tests, from {sizes.control:,} programs sampled "
            f"without a plan: as many sequences as {plans}, their trial programs and one final program."
        )
        yield (
            f"The plans' best trial is chosen from {sizes.trials:,} programs; it is compared with the control, which "
            "has one sequence more, and with as many programs without plans."
        )
    else:
        yield (
            "There is no equal-budget control (sampling.control: false): what CodePLAN solves beyond one greedy "
            f"program may come from its {sizes.control:,} sequences per answer alone, and not from plans."
        )
    yield (
        "Numbers for fewer plans are exact expectations over all subsets of the one pool. Intervals of fractions are "
        "Wilson intervals over problems; intervals of differences are a paired bootstrap over problems (BCa)."
    )
    yield (
        "A sentence above claims a direction where the interval excludes zero and the p-value of a paired permutation "
        f"test, corrected by Holm's method for all such comparisons, is below {SIGNIFICANT}, so that a report rarely "
        "makes any false claim."
    )
    if sampling.trials > 1:
        yield (
            "The value of each problem's best plan is biased upward where the same programs choose and score it; the "
            "cross-fitted value chooses by half of its trial programs and scores by the other half, over all splits."
        )


def _pass_k_left_out(sampling: SampleSettings, pass_k: Sequence[int]) -> Iterator[str]:
    """The k that exceed a pool's number of programs; there is nothing to say of a pool that was not asked for."""
    pools = (
        (sampling.controls, "", "programs were sampled per problem"),
        (sampling.finals, " of CodePLAN", "final programs were sampled from a plan (sampling.finals)"),
    )
    for size, whose, sampled in pools:
        left_out = [str(k) for k in pass_k if k > size]
        if size and left_out:
            yield f"pass@{', '.join(left_out)}{whose} is left out: only {size:,} {sampled}."


def _ceiling(ceiling: DirectCeiling | None) -> Iterator[str]:
    """What a question that leaves steps open costs a student without plans."""
    if ceiling is None:
        return
    words = f"{100 * ceiling.words:.1f} % of these problems in expectation"
    if not ceiling.examples_shown:
        yield (
            f"A direct student that reads perfectly solves at most {words}: their questions leave steps open, and do "
            "not show the example tests, which only the selection among several programs or plans runs."
        )
        return
    yield (
        f"A direct student that reads perfectly solves, without trying steps on the example tests in the question, at "
        f"most {words}: the questions leave steps open. One that tries all of them on the example tests solves at most "
        f"{100 * ceiling.with_examples:.1f} %."
    )


def _repeats(seeds: int) -> Iterator[str]:
    if seeds > 1:
        yield (
            f"Every student was trained and sampled with {seeds} seeds; all numbers are means over them. Intervals "
            "over seeds are Student's t intervals of the seeds' means. A difference is concluded from the widest of "
            "its intervals over seeds, over problems and over both (crossed bootstrap); p-values are over problems."
        )


def _code_only(steps: Mapping[CodeOnly, int]) -> Iterator[str]:
    """What the students that learned from code alone were trained on."""
    if steps:
        named = {"steps": "as many optimizer steps", "examples": "about as many examples of code"}
        trained = "; ".join(f"{named[same]} ({count:,} steps)" for same, count in steps.items())
        yield (
            "The code-only students are conventional fine-tuning: the same problems, settings and seeds, but the code "
            f"task alone, for {trained}. Their controls have CodePLAN's budget."
        )


_READERS = {
    "plans": "The student learned from",
    "oracle": "The oracle arm has",
    "forward": "The arm of the teacher's plan has",
}


def _missing_plans(plan_requests: Mapping[str, Account]) -> Iterator[str]:
    """Which plans the student, and the oracle arm, had to do without."""
    for role, account in plan_requests.items():
        dropped = {name: count for name, count in account.dropped.items() if count and name != WITHOUT_SOLUTION}
        if dropped:
            reasons = ", ".join(f"{count:,} dropped ({name.replace('_', ' ')})" for name, count in dropped.items())
            who = _READERS[role]
            asked = account.rows_out + sum(dropped.values())
            yield f"{who} {account.rows_out:,} of {asked:,} plans that the teacher was to write: {reasons}."
