"""CPU, memory, disk, network and GPUs of this machine while a block runs, on the run's page in MLflow.

MLflow's own monitors measure. Its thread is not used: it writes past the run's writer, and asks the server for the
run's state at every measurement.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from codeplan.tracking.runs import Run

_logger = logging.getLogger(__name__)


@contextmanager
def system_metrics(run: Run, every_s: float) -> Iterator[None]:
    """Measure every so many seconds, at least once; 0 measures nothing."""
    if not every_s:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_measure, args=(run, every_s, over), name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _measure(run: Run, every_s: float, over: threading.Event) -> None:
    try:
        monitors = _monitors()
        for monitor in monitors:
            monitor.collect_metrics()  # the first CPU utilization is that since the last call, and there was none
            monitor.clear_metrics()
        step, ended = 0, False
        while not ended:
            ended = over.wait(every_s)
            measured: dict[str, float] = {}
            for monitor in monitors:
                monitor.collect_metrics()
                measured |= {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
            run.metrics(measured, step)
            step += 1
    except Exception as error:  # psutil and NVML fail in containers in ways of their own; no run ends for it
        _logger.warning("system metrics are not measured: %s", error)


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        monitors.append(GPUMonitor())
    except Exception as error:  # no GPU, or no nvidia-ml-py
        _logger.debug("GPUs are not measured: %s", error)
    return monitors
