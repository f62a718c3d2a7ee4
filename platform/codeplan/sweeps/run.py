"""Run a sweep: check it, run its trials on Ray Tune while a table shows them, and say what they found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from codeplan.config import SweepConfig
from codeplan.errors import StopRequested, UserError
from codeplan.files import write_text
from codeplan.pipeline import show_run
from codeplan.sweeps import space
from codeplan.sweeps.conclude import conclude
from codeplan.sweeps.live import watch
from codeplan.sweeps.objective import stop_objective
from codeplan.sweeps.population import SegmentWork, train_population
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trial_run import COMPARED, STOP, PipelineWork, TrialRequest
from codeplan.sweeps.trials import OVER, Trial
from codeplan.tracking import Run, Tracker, tags

if TYPE_CHECKING:
    from codeplan.on_ray.tune import Search, TrialWork


MLFLOW_RUN = "mlflow_run"
"""File in a sweep's folder with the id of its run in MLflow, which later starts of the sweep continue."""


class SweepStoppedError(UserError, StopRequested):
    """The sweep was stopped; the message says how to resume it."""


@dataclass(frozen=True)
class Suggest:
    """Draws a trial from an Optuna trial; a class of its own, because Tune saves its searchers to disk.

    Attributes:
        settings: the sweep's.
        base: the part of its configuration that decides trials; no address, which may hold a password.
    """

    settings: SweepConfig
    base: Mapping[str, Any]

    def __call__(self, trial: Any) -> dict[str, str]:
        """What the trial gets."""
        point = space.suggest(self.settings, self.base, trial)
        return TrialRequest(point, tuple(range(self.settings.repeats))).plain


def run(sweep: Sweep, tracker: Tracker, console: Console, exit_stack: ExitStack) -> list[Trial]:
    """Run the trials that are not over.

    Args:
        sweep: what to run.
        tracker: where it is logged.
        console: where the table is shown.
        exit_stack: keeps the cluster open.

    Returns:
        All trials of the sweep.

    Raises:
        SweepError: the sweep runs already, or its folder is that of another space.
        SweepStoppedError: it was stopped before all trials were over.
    """
    from codeplan.on_ray.cluster import cluster, require

    with sweep.held():
        exit_stack.enter_context(cluster(sweep.config.execution))
        for name, (cpus, gpus) in sweep.claims().items():
            require(name, sweep.config.execution, cpus, gpus)
        (sweep.folder / STOP).unlink(missing_ok=True)
        for trial in sweep.trials.all():
            if trial.state not in OVER:
                sweep.trials.put(trial.with_(state="waiting", error="", now=""))
        settings = sweep.settings.model_dump(mode="json", by_alias=True)
        about = {**tags.of_config(sweep.config), **tags.of_process()}
        kept = sweep.folder / MLFLOW_RUN
        before = kept.read_text(encoding="utf-8").strip() if kept.exists() else ""
        with tracker.sweep(sweep.name, about, {"sweep": settings, **sweep.decisive}, resumed=before) as parent:
            write_text(kept, parent.run_id)
            show_run(parent.run_id, console)
            stopped = _run_trials(sweep, parent, console)
            trials = sweep.trials.all()
            conclude(sweep, trials, parent, console)
            if stopped:
                over = sum(trial.state in OVER for trial in trials)
                raise SweepStoppedError(
                    f"stopped: {over} of {sweep.total} trials are over and kept; run the same command to resume"
                )
    return trials


def concurrent_trials(sweep: Sweep) -> int:
    """How many trials run at once: as many as the cluster has room for, or fewer where the configuration says so.

    Never more: two trials could each hold a part of the CPUs that both need.
    """
    from codeplan.on_ray.tune import room_for

    room = room_for(list(sweep.claims().values()))
    return min(sweep.settings.concurrent or room, room)


def _run_trials(sweep: Sweep, parent: Run, console: Console) -> bool:
    """Run them in a thread, so that this one can show them and take Ctrl-C; returns whether they were stopped."""
    from codeplan.on_ray.tune import run_trials

    work = PipelineWork(
        sweep.base, sweep.settings, sweep.folder.resolve(), sweep.goal, parent.run_id, parent.experiment_id
    )
    stop, ended = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def run_search(trial_work: TrialWork, search: Search) -> bool:
        concurrent = concurrent_trials(sweep)
        run_trials(trial_work, search, concurrent=concurrent, folder=sweep.folder / "tune", stop=stop)
        return stop.is_set()

    def tune() -> None:
        try:
            if sweep.settings.scheduler == "pbt":
                _train_population(sweep, work, run_search)
            else:
                for search in _searches(sweep):
                    run_search(work, search)
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    with ExitStack() as stack:
        show = stack.enter_context(watch(sweep, console))  # It reads problems: a Ctrl-C may still end the sweep here.
        thread = threading.Thread(target=tune, name="ray-tune", daemon=True)
        thread.start()
        # Not by joining the thread: Ctrl-C during a join with a timeout makes CPython 3.11 take it for ended.
        while not ended.is_set():
            try:
                ended.wait(0.5)
                show()
            except KeyboardInterrupt:
                if stop.is_set():
                    raise
                console.print("stopping: running trials keep their work and end; Ctrl-C again ends at once")
                (sweep.folder / STOP).touch()
                stop.set()
        show()
    if errors:
        raise errors[0]
    return stop.is_set()


def _train_population(sweep: Sweep, work: PipelineWork, run_search: Callable[[TrialWork, Search], bool]) -> None:
    from codeplan.on_ray.tune import Search

    def run_segment(segment_work: SegmentWork, members: list[dict[str, str]]) -> bool:
        return run_search(segment_work, Search(trials=members))

    compared = stop_objective(sweep.settings)
    train_population(work, sweep.population, sweep.config.training.steps, compared, run_segment)


def _searches(sweep: Sweep) -> Iterator[Search]:
    """The trials that are known and not over, then those that a searcher draws."""
    from codeplan.on_ray.tune import Search
    from codeplan.on_ray.tune_search import early_stopping

    settings = sweep.settings
    scheduler = None
    if settings.scheduler in {"asha", "median"}:
        compared = stop_objective(settings)
        scheduler = early_stopping(
            settings.scheduler,
            metric=COMPARED,
            mode="min" if compared.direction == "minimize" else "max",
            most_steps=sweep.most_steps,
            grace_steps=settings.grace_steps,
            reduction=settings.reduction,
        )
    yield Search(trials=[request.plain for request in sweep.unfinished()], scheduler=scheduler)
    if settings.search == "optuna":
        yield _optuna(sweep, scheduler)


def _optuna(sweep: Sweep, scheduler: Any) -> Search:
    from codeplan.on_ray.tune import Search
    from codeplan.on_ray.tune_search import optuna_search, resume_study

    modes: list[Literal["min", "max"]] = [
        "min" if objective.direction == "minimize" else "max" for objective in sweep.objectives
    ]
    log = sweep.folder / "optuna.log"
    searcher = optuna_search(
        Suggest(sweep.settings, sweep.decisive),
        metrics=[f"objective_{index}" for index in range(len(modes))],
        modes=modes,
        seed=sweep.settings.seed,
        log=log,
    )
    finished = resume_study(log)
    return Search(searcher=searcher, count=max(0, sweep.settings.points - finished), scheduler=scheduler)
