"""A Ray cluster to work on: a running one, or one on this machine for the length of the work."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from codeplan.config import ExecutionConfig
from codeplan.errors import UserError


class ClusterError(UserError):
    """The Ray cluster cannot be reached or started."""


@contextmanager
def cluster(execution: ExecutionConfig) -> Iterator[None]:
    """Connect to the configured cluster, or start one here and end it afterwards.

    Where a cluster is already connected in this process, for example in a test, it is used and left alone.

    Raises:
        ClusterError: the address cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    _quieten()
    try:
        if execution.ray_address:
            ray.init(address=execution.ray_address, log_to_driver=False, logging_level="WARNING")
        else:
            _own_token(Path(execution.home))
            with _native_words_kept_in(Path(execution.home) / "ray.log"):
                ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = execution.ray_address or "this machine"
        first_line = str(error).strip().partition("\n")[0]
        raise ClusterError(f"no Ray cluster on {where}: {first_line}; see execution.ray_address") from error
    try:
        yield
    finally:
        ray.shutdown()


def require(stage: str, execution: ExecutionConfig, cpus: float, gpus: float) -> None:
    """Check that the local cluster can ever give what a stage asks for; Ray itself would wait for it without end.

    A cluster behind an address may grow, so nothing is checked there.

    Raises:
        ClusterError: this machine has too few processors or GPUs.
    """
    if execution.ray_address:
        return
    has = ray.cluster_resources()
    for kind, wanted in (("CPU", cpus), ("GPU", gpus)):
        if wanted > has.get(kind, 0.0):
            raise ClusterError(
                f"stage {stage} asks for {wanted:g} {kind}s, this machine has {has.get(kind, 0.0):g}; lower "
                "execution.train_workers, sample_actors, judge_actors (half a CPU each) or gpus_per_worker, "
                "or name a larger cluster by execution.ray_address"
            )


def _quieten() -> None:
    """Leave the terminal to the stages' own progress; Ray's words stay in its session's logs."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning,ignore::FutureWarning")
    for name in ("ray", "ray.data", "ray.train", "ray._private"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


_CHATTY = (
    "ray.data._internal.progress",  # announces that its bars are off, as we asked
    "ray._private.authentication.authentication_token_setup",  # announces that a token is in use, as we asked
)


@contextmanager
def _native_words_kept_in(log: Path) -> Iterator[None]:
    """Send file descriptor 2 to a file while Ray's native core starts: it greets there, whatever its log level."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _own_token(home: Path) -> None:
    """Keep the local cluster's token in the run's home, for its owner alone.

    Ray would write it to the user's home, readable for all, and stop where that is not writable.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    path = (home / "ray_token").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
