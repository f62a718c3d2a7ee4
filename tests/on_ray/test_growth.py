"""What a changed setting costs: a second run does only what is new, and its report is that of a run from nothing."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
from rich.console import Console
from small_pipeline import changed

from codeplan import pipeline
from codeplan.config import Config
from codeplan.config.loading import parse
from codeplan.stage import Stage, StageError
from codeplan.tracking import Tracker

Run = Callable[..., pipeline.Pipeline]


@pytest.fixture(scope="module")
def runner(
    ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]
) -> Iterator[Callable[[str], Run]]:
    """Runs pipelines in a home of that name."""
    root = tmp_path_factory.mktemp("growth")

    def in_home(name: str) -> Run:
        home = root / name
        if not home.exists():
            new_home(home)

        def run(*overrides: tuple[str, Any]) -> pipeline.Pipeline:
            plain = changed(*overrides, ("execution.home", str(home)))
            config: Config = parse(plain)
            tracker = Tracker(config.tracking, home)
            return pipeline.run(config, "report", tracker, Console(quiet=True))

        return run

    return in_home


@pytest.fixture(scope="module")
def first(runner: Callable[[str], Run]) -> pipeline.Pipeline:
    """A run of the tiny configuration, in the home that the tests share."""
    return runner("shared")()


def new(stage: Stage, metric: str) -> float:
    result = stage.done()
    assert result is not None
    return result.metrics[metric]


def work(found: pipeline.Pipeline, before: pipeline.Pipeline) -> dict[str, float]:
    """What a run did that the one before it had not done: steps, sequences, example verdicts and hidden verdicts."""
    metrics = {
        "steps": ("student", "trained.steps.new"),
        "sequences": ("samples", "sampled.new_sequences"),
        "example verdicts": ("samples", "sampled.new_example_verdicts"),
        "programs": ("verdicts", "judged.new_programs"),
    }
    return {
        name: new(found[role], metric) if found[role].fingerprint != before[role].fingerprint else 0
        for name, (role, metric) in metrics.items()
    }


def report(found: pipeline.Pipeline) -> str:
    return (found["report"].folder / "report.json").read_text(encoding="utf-8")


PROBLEMS = 12


def test_a_longer_limit_of_hidden_tests_judges_anew_and_samples_nothing(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    did = work(runner("shared")(("judging.hidden_tests.time_s", 3.0)), first)
    assert did["steps"] == did["sequences"] == did["example verdicts"] == 0
    assert did["programs"] > 0


def test_another_comparator_judges_anew_and_trains_nothing(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    did = work(runner("shared")(("judging.comparator", "exact")), first)
    assert did["steps"] == 0
    assert did["sequences"] <= 3 * PROBLEMS, "final programs of plans that can be chosen now"
    assert did["example verdicts"] > 0
    assert did["programs"] > 0


def test_another_point_on_the_curve_only_counts(runner: Callable[[str], Run], first: pipeline.Pipeline) -> None:
    found = runner("shared")(("report.plan_counts", [1, 2, 3]))
    assert not any(work(found, first).values())
    assert report(found) != report(first)


def test_the_oracle_adds_a_program_per_problem_and_one_from_another_problems_plan(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    did = work(runner("shared")(("sampling.oracle", True)), first)
    assert did["steps"] == did["example verdicts"] == 0
    assert did["sequences"] == 2 * PROBLEMS
    assert did["programs"] <= 2 * PROBLEMS, "equal programs share a verdict"


MORE_PLANS = ("sampling.plans", 5)
MORE_TRIALS = ("sampling.trials", 2)
MORE_STEPS = ("training.steps", 30)
COUNTS = ("report.plan_counts", [1, 5])


def test_more_plans_and_then_more_trials_add_the_new_ones(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    plans = runner("shared")(MORE_PLANS, COUNTS)
    did = work(plans, first)
    assert did["steps"] == 0
    per_problem = 2 + 2 * 1 + (2 + 2 * 1)  # plans, their trials, and as many for the control
    assert PROBLEMS * per_problem <= did["sequences"] <= PROBLEMS * (per_problem + 5), (
        "and a final program per plan at most"
    )

    trials = runner("shared")(MORE_PLANS, COUNTS, MORE_TRIALS)
    did = work(trials, plans)
    assert did["steps"] == 0
    per_problem = 5 * 1 + 5 * 1
    assert PROBLEMS * per_problem <= did["sequences"] <= PROBLEMS * (per_problem + 5)


def test_more_steps_under_a_constant_schedule_resume_the_shorter_training(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    assert work(runner("shared")(MORE_STEPS), first)["steps"] == 10


def test_the_result_equals_that_of_a_run_from_nothing(runner: Callable[[str], Run], first: pipeline.Pipeline) -> None:
    everything = (MORE_STEPS, MORE_PLANS, MORE_TRIALS, COUNTS, ("sampling.oracle", True))
    grown = runner("shared")(*everything)  # from the pool and the training of the tests before, where they ran
    from_nothing = runner("new")(*everything)
    assert new(from_nothing["student"], "trained.steps.new") == 30
    assert new(from_nothing["samples"], "sampled.new_sequences") >= new(grown["samples"], "sampled.new_sequences")
    assert from_nothing["report"].fingerprint == grown["report"].fingerprint
    assert report(from_nothing) == report(grown)


def part_of(stage: Stage, table: str) -> Path:
    """A file of a pool that holds some of a stage's records."""
    result = stage.done()
    assert result is not None
    return next(stage.home / name for name in result.parts if PurePath(name).match(f"{table}/*"))


def test_lost_parts_of_pools_are_made_again_and_only_these(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    before = report(first)
    tables = (("samples", "plans"), ("samples", "verdicts-*"), ("verdicts", "verdicts"))
    for part in [part_of(first[role], table) for role, table in tables]:
        part.unlink()
    assert [role for role, stage in first.items() if stage.done() is None] == ["samples", "verdicts"]
    again = runner("shared")(("report.seed", 1))
    assert new(again["samples"], "sampled.new_sequences") == 3 * PROBLEMS, "the plans"
    assert new(again["samples"], "sampled.new_example_verdicts") > 0
    assert new(again["verdicts"], "judged.new_programs") > 0
    shutil.rmtree(first["report"].folder)
    assert report(runner("shared")()) == before


def test_a_part_that_was_cut_off_stops_the_run_with_its_name(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    part = part_of(first["samples"], "programs")
    content = part.read_bytes()
    part.write_bytes(content[:-100])
    with pytest.raises(StageError, match=f"^{part} cannot be read .*delete it and run the same command$"):
        runner("shared")(("report.seed", 2))
    part.write_bytes(content)


def test_a_deleted_pool_is_sampled_again(runner: Callable[[str], Run], first: pipeline.Pipeline) -> None:
    home, before = first["samples"].home, report(first)
    shutil.rmtree(home / "pools")
    shutil.rmtree(first["report"].folder)
    assert report(runner("shared")()) == before


def test_plans_that_come_out_otherwise_are_not_mixed_with_what_was_made_before(
    runner: Callable[[str], Run], first: pipeline.Pipeline
) -> None:
    """The folder of the plans is deleted, and the teacher now answers otherwise."""
    stage = first["plans"]
    shutil.rmtree(stage.folder)
    for path in (stage.home / "answers").glob("*/*.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored["answer"]["text"] = "1. Do it otherwise."
        path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(StageError, match="not the same") as raised:
        runner("shared")()
    assert all(str(first[role].folder) in str(raised.value) for role in ("student", "samples", "verdicts", "report"))
