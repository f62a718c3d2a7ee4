"""Checkpoints of training: DeepSpeed's files, what they are a checkpoint of, and a list of the files each worker wrote.

Where files of a checkpoint are missing, DeepSpeed loads the rest and only logs a warning. So each
worker lists its files with their sizes, and a checkpoint is loaded whole or not at all.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from codeplan.errors import one_line
from codeplan.student.errors import StudentError, library_errors

STATE = "state.json"
_TAG = "engine"


@dataclass(frozen=True)
class CheckpointState:
    """What a checkpoint holds beside DeepSpeed's files.

    Attributes:
        step: optimizer steps done.
        first_step: the step that this training started from: 0, or that of the checkpoint it was started from.
        world_size: number of workers that wrote it.
        zero_stage: the ZeRO stage that it was written with.
        metrics: the last report.
        first_metrics: the last report of the checkpoint that this training was started from.
    """

    step: int
    first_step: int
    world_size: int
    zero_stage: int
    metrics: Mapping[str, float]
    first_metrics: Mapping[str, float] = field(default_factory=dict)

    def mismatch(self, world_size: int, zero_stage: int) -> str:
        """Why these workers cannot load it: DeepSpeed's files fit one number of workers and one ZeRO stage."""
        if (self.world_size, self.zero_stage) == (world_size, zero_stage):
            return ""
        written, present = (f"{count} worker{'s' * (count != 1)}" for count in (self.world_size, world_size))
        return f"was written by {written} with ZeRO {self.zero_stage}; this run has {present} with ZeRO {zero_stage}"


def save_checkpoint(engine: Any, folder: Path, state: CheckpointState, rank: int) -> None:
    """Write this worker's part of a checkpoint; all workers call it together, each with an empty folder of its own."""
    engine.save_checkpoint(folder, tag=_TAG)
    if rank == 0:
        (folder / STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    (folder / _manifest_name(rank)).write_text(json.dumps(sizes), encoding="utf-8")


def read_state(folder: Path) -> CheckpointState:
    """What a checkpoint is a checkpoint of, once all its files are known to be there.

    Raises:
        StudentError: it is damaged.
    """
    with library_errors(f"checkpoint {one_line(folder, 200)} is damaged"):
        state = CheckpointState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
        for rank in range(state.world_size):
            sizes = json.loads((folder / _manifest_name(rank)).read_text(encoding="utf-8"))
            for name, size in sizes.items():
                path = folder / name
                if not path.is_file() or path.stat().st_size != size:
                    raise ValueError(f"{name} is missing or incomplete")
        return state


def verify_checkpoint(folder: Path) -> None:
    """Compare the checksums in a checkpoint's files of tensors, all of which are read (1 GB/s or so).

    Damaged, they would stop each worker when it loads them, and be tried again with every restart of the workers.

    Raises:
        StudentError: it is damaged.
    """
    with library_errors(f"checkpoint {one_line(folder, 200)} is damaged"):
        for path in sorted(folder.rglob("*.pt")):
            with zipfile.ZipFile(path) as archive:  # as which torch writes them
                if archive.testzip() is not None:
                    raise ValueError(f"{path.relative_to(folder)} has a wrong checksum")


def load_checkpoint(engine: Any, folder: Path, state: CheckpointState) -> None:
    """Load weights and optimizer state into an engine that has not trained yet; all workers call it together.

    Raises:
        StudentError: the checkpoint did not load.
    """
    what = f"checkpoint {one_line(folder, 200)} did not load"
    with library_errors(what):
        loaded, _ = engine.load_checkpoint(folder, tag=_TAG)
    if loaded is None or engine.global_steps != state.step:
        raise StudentError(f"{what}: DeepSpeed read step {engine.global_steps} instead of {state.step}")


def _manifest_name(rank: int) -> str:
    return f"files-{rank}.json"
