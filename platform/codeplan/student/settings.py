"""What decides a trained student, beside its training problems and plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codeplan.config import Settings, StudentConfig, TrainingConfig
from codeplan.errors import one_line
from codeplan.files import digest
from codeplan.student import tasks
from codeplan.student.errors import StudentError
from codeplan.student.mixture import whole_ratio
from codeplan.student.revision import is_folder, resolve_revision


class FinetuneSettings(Settings):
    """The settings of the training stage: they are hashed, and they are what the stage runs from."""

    student: StudentConfig
    training: TrainingConfig
    content: str
    """Digest of the files of a ``student.model`` that is a folder; else empty."""
    revision: str
    """Commit of a ``student.model`` on the hub; else empty."""
    tasks_version: int
    """`codeplan.student.tasks.VERSION`."""

    @classmethod
    def of(cls, student: StudentConfig, training: TrainingConfig) -> FinetuneSettings:
        """The settings of a configuration, with its model looked up.

        Raises:
            StudentError: the model is on the hub, and neither the hub nor the cache knows its revision; or it is a
                folder, and a revision is given.
        """
        folder = student.init == "pretrained" and is_folder(student.model)
        if folder and student.revision:
            raise StudentError(
                f"student.revision is for a model on the hub, and student.model {one_line(student.model, 120)} is a "
                "folder; leave student.revision out"
            )
        return cls(
            student=student,
            training=training,
            content=digest(Path(student.model)) if folder else "",
            revision=resolve_revision(student),
            tasks_version=tasks.VERSION,
        )

    @property
    def pinned_student(self) -> StudentConfig:
        """The student, its model at the resolved commit."""
        return self.student.model_copy(update={"revision": self.revision}) if self.revision else self.student

    def identity(self) -> dict[str, Any]:
        """What the fingerprint covers: a folder counts by its content, a branch or tag by its commit.

        The mixing ratio is reduced to whole numbers, and a trained task that is not listed has weight 1.
        """
        identity = super().identity()
        mixing = whole_ratio(self.training.mixing)
        identity["training"]["mixing"] = mixing
        identity["training"]["weights"] = {task: self.training.weights.get(task, 1.0) for task in mixing}
        del identity["student"]["revision"]
        del identity["training"]["earlier"]  # stages of their own, which this one reads
        if self.content:
            del identity["student"]["model"]
        return identity

    @property
    def trajectory(self) -> dict[str, Any]:
        """What two trainings have in common where the longer one can go on from the other's last checkpoint.

        It is the identity, without the number of steps where the learning rate does not depend on it.
        """
        identity = self.identity()
        if self.training.schedule == "constant":
            del identity["training"]["steps"]
        return identity
