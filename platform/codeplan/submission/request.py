"""A job as it is asked for: which command, on which configuration, and what the cluster is told about it."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import codeplan
from codeplan.config import Config
from codeplan.config.loading import load, load_plain
from codeplan.environment import code_commit, user_name
from codeplan.submission.errors import SubmissionError
from codeplan.tracking import redacted

COMMANDS = ("run", "sweep", "problems", "distill", "finetune", "sample", "judge", "check", "status")
"""Commands of `codeplan` that a job can be."""
_ADDRESS = "execution.ray_address"
_ID_LENGTH = 40


@dataclass(frozen=True)
class JobRequest:
    """A command that is to run as a job.

    Attributes:
        command: one of `COMMANDS`.
        config: path of the configuration on this machine.
        settings: overrides, ``key=value``.
        skip_bad: whether broken rows of data files are dropped and counted.
    """

    command: str
    config: Path
    settings: tuple[str, ...] = ()
    skip_bad: bool = False

    def validated(self) -> Config:
        """The configuration as the job will read it.

        Raises:
            UserError: the command or a key is unknown, a value is invalid, or cannot work in a job.
        """
        if self.command not in COMMANDS:
            raise SubmissionError(f"{self.command!r} cannot be submitted; what can be: {', '.join(COMMANDS)}")
        config = load(self.config, self.settings)
        if any(setting.partition("=")[0].strip() == _ADDRESS for setting in self.settings):
            raise SubmissionError(f"leave out {_ADDRESS}: a job uses the cluster that it is submitted to (--address)")
        written = (load_plain(self.config, self.settings).get("execution") or {}).get("home", "")
        if written.startswith("~"):  # `load` has replaced it by this machine's
            raise SubmissionError(
                "execution.home begins with ~, which is another folder on the cluster; name a folder that all nodes "
                "share, as in -s execution.home=/shared/runs"
            )
        if not Path(config.execution.home).is_absolute():
            raise SubmissionError(
                f"execution.home is {config.execution.home}, a relative path: on the cluster it would lie in the job's "
                "package, which Ray deletes; name a folder that all nodes share, as in -s execution.home=/shared/runs"
            )
        if redacted(config.tracking.uri) != config.tracking.uri or urlsplit(config.tracking.uri).password:
            raise SubmissionError(
                "tracking.uri contains a password, which everybody on the cluster could read in the job; leave it out, "
                "and set it in the environment of the cluster's nodes: PGPASSWORD or PGPASSFILE for PostgreSQL, "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for a server"
            )
        return config

    def entrypoint(self, config: str, terminal: Mapping[str, str]) -> str:
        """The shell command that Ray runs.

        Args:
            config: the configuration's path in the job's working directory.
            terminal: variables that describe the client's terminal.
        """
        words = ["python", "-m", "codeplan.cli.main", self.command, config]
        for setting in (*self.settings, f"{_ADDRESS}=auto"):
            words += ["-s", setting]
        words += ["--skip-bad"] if self.skip_bad else []
        # Not in the runtime environment: that would reach every worker, whose logs are nobody's terminal.
        return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in terminal.items()), shlex.join(words)])

    def metadata(self, config: Config, job_id: str, code: Path) -> dict[str, str]:
        """What Ray's dashboard shows about the job; it cannot be changed later, so it says how to find its MLflow run.

        Args:
            config: the configuration.
            job_id: the job's id.
            code: folder of the code that travels.
        """
        return {
            "codeplan": codeplan.__version__,
            "command": self.command,
            "config": config.name,
            "user": user_name(),
            "commit": code_commit(code) or "unknown",
            "home": config.execution.home,
            "mlflow": config.tracking.uri or f"{config.execution.home}/mlflow.db",
            "mlflow_filter": f"tags.`codeplan.ray_job` = '{job_id}'",
        }


def new_job_id(command: str, name: str) -> str:
    """An id that people can read and type: the command, the configuration's name, and eight random digits."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{command}-{name}").strip("-")
    return f"{words[:_ID_LENGTH].rstrip('-')}-{secrets.token_hex(4)}"


def terminal_variables(width: int) -> dict[str, str]:
    """The variables that make the job's output fit this process's terminal; none where there is no terminal."""
    if not sys.stdout.isatty():
        return {}
    coloured = {"FORCE_COLOR": "1", "TERM": os.environ.get("TERM", "")} if not os.environ.get("NO_COLOR") else {}
    # No live displays: what is drawn over itself would stay in the log, frame by frame.
    return {"COLUMNS": str(width), **coloured, "TTY_INTERACTIVE": "0"}


def teacher_key_note(command: str, config: Config) -> str:
    """Where the teacher's key is taken from, if the job asks a teacher that needs one and this machine has it."""
    asks: Sequence[str] = COMMANDS[: COMMANDS.index("status")]
    name = config.teacher.api_key_env
    if command not in asks or command == "problems" or not config.teacher.base_url or not os.environ.get(name):
        return ""
    return f"the teacher's key is taken from {name} in the cluster's environment; that of this machine is not sent"
