"""Ray Tune over any work: runs trials within the cluster's resources, and stops those that a scheduler gives up.

What a trial does is a function; Tune only knows its numbers. A trial itself asks for no CPU: the workers that it starts
do, so no more trials run at once than their workers have room for. So a trial never waits for resources that another
waiting trial holds.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from codeplan.errors import StopRequested

TrialConfig = Mapping[str, Any]

STEP = "step"
"""The metric that schedulers take for time: optimizer steps."""

_MEMORY = 512 * 1024 * 1024
"""Bytes that a trial's own process reserves, so that many of them are spread over the nodes."""


class TrialWork(Protocol):
    """What a trial does."""

    def __call__(self, trial: TrialConfig, monitor: Monitor) -> Mapping[str, float]:
        """Do the work, and return its numbers; an exception marks the trial as failed, and no other trial."""
        ...


class Monitor:
    """A trial's line to Tune."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[Mapping[str, float] | None, BaseException | None]] = queue.Queue()
        self._stop = threading.Event()

    def report(self, metrics: Mapping[str, float]) -> None:
        """Pass on intermediate numbers, `STEP` among them; a scheduler may then ask the trial to stop."""
        self._events.put((metrics, None))

    def stop_requested(self) -> bool:
        """Whether the trial should stop where it can be resumed."""
        return self._stop.is_set()

    def request_stop(self) -> None:
        """Ask the trial to stop."""
        self._stop.set()

    def end(self, metrics: Mapping[str, float] | None, error: BaseException | None = None) -> None:
        """Pass on the last numbers, or why there are none."""
        self._events.put((None if metrics is None else {**metrics, "done": True}, error))

    def next(self) -> Mapping[str, float]:
        """Wait for the next numbers; raises what the work raised."""
        metrics, error = self._events.get()
        if error is not None:
            raise error
        return metrics or {"done": True}


class WorkTrial(tune.Trainable):
    """A trial: the work runs in a thread of its own, so that it can be asked to stop and waited for."""

    def setup(self, config: dict[str, Any], work: TrialWork | None = None) -> None:
        """Start the work."""
        assert work is not None
        self._trial_work = work
        self._start(config)

    def _start(self, config: dict[str, Any]) -> None:
        self._trial_monitor = Monitor()
        self._trial_thread = threading.Thread(target=self._run, args=(config, self._trial_monitor), name="trial")
        self._trial_thread.start()

    def _run(self, config: dict[str, Any], monitor: Monitor) -> None:
        try:
            monitor.end(self._trial_work(config.get("trial", config), monitor))
        except StopRequested as error:
            # Stopped by the scheduler it is over; stopped with the whole search it is run again, as if it had failed.
            monitor.end(None, None if monitor.stop_requested() else error)
        except BaseException as error:
            monitor.end(None, error)

    def step(self) -> dict[str, Any]:
        """Wait for the work's next numbers."""
        return dict(self._trial_monitor.next())

    def cleanup(self) -> None:
        """Ask the work to stop, and wait until what it started has ended, so that its resources are free."""
        self._trial_monitor.request_stop()
        self._trial_thread.join()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another trial, without starting a new process."""
        self.cleanup()
        self._start(new_config)
        return True


class StopFlag(Stopper):
    """Ends the whole experiment once it is set."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop one trial."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Whether to stop all."""
        return self.event.is_set()

    def __getstate__(self) -> dict[str, Any]:
        """Without the event: Tune saves its stoppers, and an event cannot be saved."""
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Not set."""
        self.event = threading.Event()


@dataclass(frozen=True)
class Search:
    """Which trials there are.

    Attributes:
        trials: all of them, where they are known beforehand.
        searcher: suggests them one by one, where they are not.
        count: how many trials a searcher suggests.
        scheduler: stops trials early; None runs all to their end.
    """

    trials: Sequence[TrialConfig] = ()
    searcher: Searcher | None = None
    count: int = 0
    scheduler: TrialScheduler | None = None


def run_trials(work: TrialWork, search: Search, *, concurrent: int, folder: Path, stop: threading.Event) -> None:
    """Run all trials; each keeps its own results.

    Args:
        work: what a trial does; pickled to the trials' processes.
        search: which trials there are.
        concurrent: trials at once.
        folder: for Tune's own files.
        stop: once set, running trials are asked to stop, and no other is started.
    """
    if stop.is_set() or not (search.trials or search.count):
        return
    os.environ |= {
        "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a configuration start where the command runs
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # trials keep their own results
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that was stopped lacks the final numbers
        "TUNE_RESULT_BUFFER_LENGTH": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
    }
    # It reports failed and unfinished trials as errors of its own; trials report themselves.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    flag = StopFlag()
    flag.event = stop
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(WorkTrial, work=work), _resources()),
        param_space={"trial": tune.grid_search(list(search.trials))} if search.trials else None,
        tune_config=tune.TuneConfig(
            num_samples=search.count or 1,
            search_alg=search.searcher,
            scheduler=search.scheduler,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent.resolve()),
            stop=flag,
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()


def room_for(claims: Sequence[tuple[float, float]]) -> int:
    """How many trials the cluster has room for at once, at least 1.

    Args:
        claims: CPUs and GPUs of each stage of a trial, of which one runs at a time.
    """
    has = ray.cluster_resources()
    ratios = [
        has.get(kind, 0.0) / wanted
        for claim in claims
        for kind, wanted in zip(("CPU", "GPU"), claim, strict=True)
        if wanted
    ]
    return max(1, int(min(ratios, default=1.0)))


def _resources() -> tune.PlacementGroupFactory:
    memory = min(_MEMORY, int(ray.cluster_resources().get("memory", 0)) // 64)
    return tune.PlacementGroupFactory([{"CPU": 0, "memory": max(1, memory)}])
