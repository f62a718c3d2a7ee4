"""What each stage does, a file each: its version, its settings, what it asks of a cluster, and how it runs."""

from collections.abc import Callable, Mapping

from codeplan.config import ExecutionConfig
from codeplan.stage import StageResult
from codeplan.stages import distill, finetune, judge, problems, report, sample
from codeplan.stages.run import Observer, StageRun

IN_ORDER = ("problems", "distill", "finetune", "sample", "judge", "report")
"""Names of the stages, in the order in which they run."""

RUN: Mapping[str, Callable[[StageRun], StageResult]] = {
    "problems": problems.run,
    "distill": distill.run,
    "finetune": finetune.run,
    "sample": sample.run,
    "judge": judge.run,
    "report": report.run,
}
"""What each stage does, by its name."""

RESOURCES: Mapping[str, Callable[[ExecutionConfig], tuple[float, float]]] = {
    "distill": distill.resources,
    "finetune": finetune.resources,
    "sample": sample.resources,
    "judge": judge.resources,
}
"""The CPUs and GPUs that each stage on Ray asks for at once, by its name."""

__all__ = ["IN_ORDER", "RESOURCES", "RUN", "Observer", "StageRun"]
