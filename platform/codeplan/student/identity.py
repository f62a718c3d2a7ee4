"""What a student's fingerprint covers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from codeplan.config import StudentConfig
from codeplan.stages import digest
from codeplan.student import tasks


def student_identity(student: StudentConfig) -> dict[str, Any]:
    """The settings that change the student; a model in a folder counts by its content, not by where it lies."""
    identity = student.model_dump(mode="json")
    if student.init == "pretrained" and os.path.isdir(student.model):  # noqa: PTH112  # Path.is_dir raises on names that are too long
        identity["model"] = digest(Path(student.model))
    return {"student": identity, "tasks_version": tasks.VERSION}
