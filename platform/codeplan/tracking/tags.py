"""Tags by which runs are filtered: what a run is, what it works on, and where it runs."""

from __future__ import annotations

import platform
from pathlib import Path

import codeplan
from codeplan.config import Config, Source, StudentConfig
from codeplan.environment import code_commit, ray_job


def of_config(config: Config) -> dict[str, str]:
    """The data sets, the student and the teacher of a configuration."""
    return {
        "dataset": dataset_name(config.problems.test),
        "train_dataset": dataset_name(config.problems.train),
        "student": student_name(config.student),
        "teacher": config.teacher.model,
    }


def of_process() -> dict[str, str]:
    """The code that runs and, in a Ray job, the job's id. A job's package has no Git; its metadata names the commit."""
    job = ray_job()
    tags = {
        "version": codeplan.__version__,
        "python": platform.python_version(),
        "commit": code_commit(Path(__file__).parent) or job.get("commit") or "unknown",
    }
    job_id = ray_job_id()
    return {**tags, "ray_job": job_id} if job_id else tags


def ray_job_id() -> str:
    """The submission id of the Ray job that this process is part of; empty where it is part of none."""
    return ray_job().get("job_submission_id", "")


def dataset_name(source: Source) -> str:
    """A data set as people call it: its reader's name, or the file's where the format may hold anything."""
    return Path(source.path).name if source.reader == "jsonl" else source.reader


def student_name(student: StudentConfig) -> str:
    """A model's name, or that of its folder; ``t5 from scratch`` where nothing was pretrained."""
    if student.init == "scratch":
        return f"{student.architecture.get('model_type', 'model')} from scratch"
    return student.model if student.model.count("/") == 1 else Path(student.model).name
