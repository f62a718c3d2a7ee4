"""What each stage does: read records, hand them to the room that knows how, write records, account for every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from codeplan import problems, records
from codeplan.config import Config, ExecutionConfig
from codeplan.progress import Bar
from codeplan.records import Plan, Problem, Program, Record, Verdict
from codeplan.stages import Account, Outcome, Stage, StageError, write_text
from codeplan.tracking import Run

PROBLEMS = "problems.parquet"
PLANS = "plans.parquet"
VERDICTS = "verdicts.parquet"
REPORT_FILES = {".png", ".md", ".html", ".json", ".csv"}
ROWS_OF_A_TABLE = 500  # enough to read in MLflow's UI, small enough to load there


@dataclass(frozen=True)
class Work:
    """A stage at work: where it reads and writes, and where it shows itself."""

    config: Config
    role: str
    title: str
    stage: Stage
    run: Run
    console: Console
    journey: ExitStack

    @property
    def folder(self) -> Path:
        """Where the stage writes."""
        return self.stage.folder

    def read(self, name: str, file: str, kind: type[records.R]) -> list[records.R]:
        """The records of one of the stage's inputs; empty where the road has no such input."""
        stage = self.stage.inputs.get(name)
        return records.read(kind, stage.folder / file) if stage is not None else []

    def on_ray(self) -> ExecutionConfig:
        """Have a Ray cluster, from the first stage that needs one to the journey's end; returns how to use it.

        Raises:
            UserError: it cannot be had, or can never give what the stage asks for.
        """
        from codeplan.on_ray.cluster import cluster, require

        self.journey.enter_context(cluster(self.config.execution))
        require(self.stage.name, self.config.execution, *needs(self.config.execution)[self.stage.name])
        return self.config.execution

    @contextmanager
    def bar(self, total: int, unit: str) -> Iterator[Bar]:
        """Show progress while the block runs."""
        with Bar(self.console, self.title, total, unit).shown() as bar:
            yield bar


def read_problems(work: Work) -> Outcome:
    """Read the problems of one split."""
    source = work.config.problems.train if work.role == "train" else work.config.problems.test
    reading = problems.read(source, work.config.problems.comparator)
    _usable(work.role, reading.problems)
    records.write(work.folder / PROBLEMS, Problem, reading.problems)
    rows = [_head(problem, "problem_id", "level", "question") for problem in reading.problems[:ROWS_OF_A_TABLE]]
    work.run.dataset(f"{source.reader}-{work.role}", work.stage.fingerprint, rows, context=work.role)
    found = reading.problems
    metrics = {
        "problems": len(found),
        "problems.with_solutions": sum(bool(each.solutions) for each in found),
        "problems.with_example_tests": sum(each.example_tests is not None for each in found),
        "problems.with_hidden_tests": sum(each.hidden_tests is not None for each in found),
    }
    return Outcome(accounts={"problems": reading.account}, metrics=metrics)


def _usable(role: str, found: Sequence[Problem]) -> None:
    """Stop before anything is paid where nothing could come of it."""
    if role == "train" and not any(each.solutions for each in found):
        raise StageError(f"none of the {len(found)} training problems has a solution: there is nothing to learn from")
    if role == "test" and not any(each.hidden_tests for each in found):
        raise StageError(f"none of the {len(found)} test problems has hidden tests: nothing could be judged")


def distill(work: Work) -> Outcome:
    """Ask the teacher for the plans behind the problems' solutions."""
    from codeplan.on_ray.distill import distill as distill_all

    asked = work.config.teacher.model_copy(
        update={key: work.stage.settings[key] for key in ("solutions_per_problem", "plans_per_solution")}
    )
    given = work.read("problems", PROBLEMS, Problem)
    requests = sum(min(len(each.solutions), asked.solutions_per_problem) for each in given) * asked.plans_per_solution
    cache = Path(work.config.execution.home) / "answers"
    execution = work.on_ray()
    with work.bar(requests, "plans") as bar:
        made = distill_all(given, asked, execution, cache, lambda tally: bar.advance(tally.rows, tally.cost_usd))
    if work.role == "plans" and not made.plans:
        raise StageError(f"the teacher's {requests} answers hold no plan: {dict(made.account.losses)}")
    records.write(work.folder / PLANS, Plan, made.plans)
    work.run.table(
        [_head(plan, "problem_id", "text", "leakage") for plan in made.plans[:ROWS_OF_A_TABLE]], "plans.json"
    )
    metrics = {
        "plans": len(made.plans),
        "plan.leakage": fmean(plan.leakage for plan in made.plans) if made.plans else 0.0,
        "teacher.prompt_tokens": made.tally.prompt_tokens,
        "teacher.completion_tokens": made.tally.completion_tokens,
        "teacher.cost_usd": made.tally.cost_usd,
        "teacher.cached": made.tally.cached,
        "teacher.truncated": made.tally.truncated,
        **{f"teacher.left_out.{name}": count for name, count in made.left_out.items()},
    }
    for note in made.notes():
        work.console.print(f"  {work.title}: {note}", highlight=False, markup=False)
    return Outcome(accounts={"solutions": made.account}, metrics=metrics)


def finetune(work: Work) -> Outcome:
    """Fine-tune the student on code and plans."""
    from codeplan.on_ray.train import finetune as finetune_all

    execution = work.on_ray()
    with work.bar(work.config.training.steps, "steps") as bar:
        done = 0

        def report(metrics: Mapping[str, float]) -> None:
            nonlocal done
            step = int(metrics["step"])
            if done == 0:
                bar.skip(step)  # the first report comes after the start-up, or after the steps of a run before this
            bar.advance(step - done if done else 0, note=f"loss {metrics['loss']:.3f}")
            done = step
            work.run.metrics({key: value for key, value in metrics.items() if key != "step"}, step)

        trained = finetune_all(
            work.read("problems", PROBLEMS, Problem),
            work.read("plans", PLANS, Plan),
            work.config.student,
            work.config.training,
            execution,
            work.folder,
            report,
        )
    return Outcome(accounts=trained.accounts, metrics=trained.metrics)


def sample(work: Work) -> Outcome:
    """Sample plans and programs for the test problems, in three stages."""
    from codeplan.on_ray.judges import JudgePool
    from codeplan.on_ray.sample import part_problems, read_parts, sample_all

    given = work.read("problems", PROBLEMS, Problem)
    oracle = {plan.problem_id: plan for plan in work.read("oracle", PLANS, Plan)}
    execution = work.on_ray()
    with work.bar(len(given), "problems") as bar:
        bar.skip(part_problems(work.folder, len(given)))
        pool = JudgePool.start(execution.judge_actors, limits(work.config))
        try:
            model = work.stage.inputs["student"].folder / "student"
            sample_all(
                given,
                oracle,
                model=model,
                pool=pool,
                sampling=work.config.sampling,
                execution=execution,
                folder=work.folder,
                advance=bar.advance,
            )
        finally:
            pool.stop()
    sampled = read_parts(work.folder)
    rows = [_head(plan, "problem_id", "sample_index", "text") for plan in sampled.plans[:ROWS_OF_A_TABLE]]
    work.run.table(rows, "student_plans.json")
    answered = {program.problem_id for program in sampled.programs}
    tokens = sum(each.tokens for each in sampled.programs) + sum(each.completion_tokens for each in sampled.plans)
    metrics = {
        "sampled.plans": len(sampled.plans),
        "sampled.programs": len(sampled.programs),
        "sampled.tokens": tokens,
        "sampled.unfinished_programs": sum(not each.finished for each in sampled.programs),
        "sampled.unfinished_plans": sum(not each.finished for each in sampled.plans),
    }
    lost = _losses(sampled.programs)
    accounts = {
        "problems": Account(len(given), len(answered)),
        "plans": Account(len(sampled.plans), sum(not each.lost for each in sampled.plans), _losses(sampled.plans)),
        "programs": Account(len(sampled.programs), len(sampled.programs) - lost.total(), lost),
    }
    return Outcome(accounts=accounts, metrics=metrics)


def judge(work: Work) -> Outcome:
    """Run every program on its problem's hidden tests; equal programs share a verdict."""
    from codeplan.on_ray.judges import JudgePool
    from codeplan.on_ray.sample import read_parts
    from codeplan.on_ray.verdicts import judge_all

    programs = read_parts(work.stage.inputs["samples"].folder).programs
    hidden = {each.problem_id: each.hidden_tests for each in work.read("problems", PROBLEMS, Problem)}
    tasks = {
        _task(each): (each.code, suite)
        for each in programs
        if not each.lost and (suite := hidden[each.problem_id]) is not None
    }
    execution = work.on_ray()
    with work.bar(len(tasks), "programs") as bar:
        pool = JudgePool.start(execution.judge_actors, limits(work.config))
        try:
            verdicts = judge_all(tasks, pool, work.folder, bar)
        finally:
            pool.stop()
    records.write(work.folder / VERDICTS, Verdict, verdicts)
    rows = [each.model_dump(mode="json") for each in verdicts[:ROWS_OF_A_TABLE]]
    work.run.table(rows, "verdicts.json")
    losses = Counter(each.lost or "without hidden tests" for each in programs if _task(each) not in tasks)
    metrics: dict[str, float] = {"verdicts": len(verdicts)}
    for verdict in verdicts:
        key = f"verdicts.{verdict.outcome.value}"
        metrics[key] = metrics.get(key, 0) + 1
    account = Account(len(programs), len(programs) - losses.total(), losses)
    return Outcome(accounts={"programs": account}, metrics=metrics)


def report(work: Work) -> Outcome:
    """Count, compare, and draw."""
    from codeplan.evaluation import problem_page
    from codeplan.evaluation import report as reports
    from codeplan.on_ray.sample import read_parts

    given = work.read("problems", PROBLEMS, Problem)
    sampled = read_parts(work.stage.inputs["samples"].folder)
    verdicts = [*sampled.verdicts, *work.read("verdicts", VERDICTS, Verdict)]
    sampled_records: dict[str, Any] = {
        "oracle_plans": work.read("oracle", PLANS, Plan),
        "student_plans": sampled.plans,
        "programs": sampled.programs,
        "verdicts": verdicts,
        "sampling": work.config.sampling,
    }
    made = reports.build(given, plans=work.read("plans", PLANS, Plan), report=work.config.report, **sampled_records)
    reports.write(made, work.folder)
    write_text(work.folder / "problems.html", problem_page.render(given, **sampled_records))
    return Outcome(accounts={"problems": Account(len(given), made.problems)}, metrics=made.metrics())


def needs(execution: ExecutionConfig) -> dict[str, tuple[float, float]]:
    """What each stage that runs on Ray asks for at once, by the stage's name: CPUs and GPUs."""
    workers, samplers, judges = execution.train_workers, execution.sample_actors, execution.judge_actors
    return {
        "distill": (0.0, 0.0),
        "finetune": (workers, workers * execution.gpus_per_worker),
        "sample": ((samplers + judges) / 2, samplers * execution.gpus_per_worker),
        "judge": (judges / 2, 0.0),
    }


def limits(config: Config) -> Any:
    """The sandbox's limits."""
    from codeplan_sandbox import Limits

    mebibyte = 1024 * 1024
    return Limits(
        time_s=config.judging.time_s,
        total_s=config.judging.total_s,
        memory_bytes=config.judging.memory_mb * mebibyte,
        output_bytes=config.judging.output_mb * mebibyte,
    )


def show_report(stage: Stage, run: Run, console: Console) -> None:
    """Print the table, and keep the report's files with the experiment's run."""
    from codeplan.evaluation import report as reports
    from codeplan.evaluation.tables import table

    made = reports.load(stage.folder)
    console.print()
    console.print(table(made))
    for sentence in made.conclusions:
        console.print(f"- {sentence}", highlight=False, markup=False)
    console.print(f"\nfigure  {stage.folder / 'figure_plans.png'}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"report  {stage.folder / 'report.md'}", highlight=False, markup=False, soft_wrap=True)
    run.metrics(made.metrics())
    run.describe((stage.folder / "report.md").read_text(encoding="utf-8"))
    for path in sorted(each for each in stage.folder.iterdir() if each.suffix in REPORT_FILES):
        if path.name not in {"done.json", "identity.json"}:
            run.file(path, "report")


def _losses(sampled: Sequence[Plan] | Sequence[Program]) -> Counter[str]:
    return Counter(each.lost for each in sampled if each.lost)


def _task(program: Program) -> tuple[str, str]:
    return program.problem_id, program.key


def _head(record: Record, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


STEPS: Mapping[str, Callable[[Work], Outcome]] = {
    "problems": read_problems,
    "distill": distill,
    "finetune": finetune,
    "sample": sample,
    "judge": judge,
    "report": report,
}
"""What each stage does, by the stage's name."""
