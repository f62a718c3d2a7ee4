"""What libraries expect of a process's environment: a user name, a home directory, a folder for temporary files.

Containers often lack the first two; schedulers set the third to paths that are missing or too long for a socket.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from codeplan.errors import UserError, one_line

_MAX_BASE = 36
"""Bytes. Ray appends up to 71 bytes to the temporary folder, and a socket's path has at most 107 bytes."""
_FALLBACKS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # checked, and used as Python's tempfile does
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EnvironmentVariableError(UserError):
    """An environment variable, or the file or folder that it names, is unusable."""


def prepare() -> None:
    """Fill in what is missing, for this process and its children; usable values are left as they are.

    - ``USER``, if the user id has no name: libraries look it up and fail.
    - ``HOME``, if it is not set and the user id has no passwd entry, or if it is not a folder.
    - ``TMPDIR``, if it names a folder that is not writable.
    - ``MPLCONFIGDIR``, if the home directory is not writable: matplotlib would warn in every process.
    - ``no_proxy`` gets the loopback addresses, if a proxy is set: a proxy cannot reach this machine's loopback.
    - ``MPLBACKEND`` becomes ``agg``: figures are files, and notebooks set a backend that only they have.

    Raises:
        EnvironmentVariableError: no folder for temporary files is writable, or Ray cannot parse a setting.
    """
    if "MPLBACKEND" in os.environ:
        os.environ["MPLBACKEND"] = "agg"
    _check_ray_settings()
    name = user_name()
    if not any(os.environ.get(key) for key in ("LOGNAME", "USER", "LNAME", "USERNAME")) and not _has_passwd_entry():
        os.environ["USER"] = name
    if "TMPDIR" in os.environ and not _is_writable(Path(os.environ["TMPDIR"])):
        os.environ["TMPDIR"] = str(_temporary_base())
        tempfile.tempdir = None  # cached per process, perhaps by an earlier import
    home = os.environ.get("HOME", "")
    if (not home and not _has_passwd_entry()) or (home and not Path(home).is_dir()):
        os.environ["HOME"] = str(_subfolder(private_folder(), "home"))
    if "MPLCONFIGDIR" not in os.environ and not _is_writable(Path("~").expanduser()):
        os.environ["MPLCONFIGDIR"] = str(_subfolder(private_folder(), "matplotlib"))
    _exempt_loopback()


def explain_variable(error: BaseException) -> str | None:
    """A message if a library's error is about an environment variable, judging by its text; else None.

    The message never repeats a value that is long enough to be a token.
    """
    text = str(error)
    for name, value in os.environ.items():
        if name.startswith(_LIBRARY_PREFIXES) and (name in text or (value and repr(value) in text)):
            reason = one_line(text.replace(value, "[its value]") if len(value) >= _MIN_SECRET else text)
            return f"the environment variable {name} is unusable: {reason}; correct or unset it"
    return None


_MIN_SECRET = 8
"""Characters."""
_LIBRARY_PREFIXES = (
    "CUDA_",
    "DS_",
    "HF_",
    "MLFLOW_",
    "MPL",
    "NCCL_",
    "OMP_",
    "OPENAI_",
    "RAY_",
    "TORCH",
    "TRANSFORMERS_",
)


def _check_ray_settings() -> None:
    """Ray's native core reads a variable for each of its settings, and crashes on a value that it cannot parse."""
    names = sorted(name for name in os.environ if re.match("RAY_[a-z]", name))
    if not names:
        return
    others = {name: value for name, value in os.environ.items() if name not in names}
    for name in ["", *names]:  # all at once first: usually none is wrong
        variables = {**others, name: os.environ[name]} if name else dict(os.environ)
        result = subprocess.run([sys.executable, "-c", "import ray"], env=variables, capture_output=True, check=False)
        if not name and result.returncode == 0:
            return
        if name and result.returncode:
            raise EnvironmentVariableError(
                f"the environment variable {name} has a value that Ray cannot parse for this setting; correct or unset "
                "it"
            )


def ray_job() -> dict[str, str]:
    """The metadata of the Ray job that this process is the driver of, ``job_submission_id`` among them; else empty."""
    try:
        metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "")).get("metadata")
    except (ValueError, AttributeError):
        return {}
    return {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}


def code_commit(folder: Path) -> str:
    """The commit of a folder of code, with ``-dirty`` where it was changed; empty where Git does not know it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        described = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:  # there is no Git
        return ""
    return described.stdout.strip()


def user_name() -> str:
    """Name of the user, or ``uid1234`` if the user id has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid{os.getuid()}"


def socket_base() -> Path:
    """A folder under which Ray can create its sockets: writable, and with a path that is short enough.

    The first of ``RAY_TMPDIR``, ``TMPDIR`` and ``/tmp`` that is writable; a long path is shortened by a symbolic link,
    so that the files stay on the disk that the variable names.

    Raises:
        EnvironmentVariableError: none is writable.
    """
    base = _temporary_base()
    ray_folder = base / "ray"
    if ray_folder.exists() and not _is_writable(ray_folder):  # another user's
        base = private_folder()
    if len(os.fsencode(base)) <= _MAX_BASE:
        return base
    name = hashlib.sha256(os.fsencode(base)).hexdigest()[:8]
    folder = private_folder()
    link = folder / name
    if len(os.fsencode(link)) > _MAX_BASE:
        raise EnvironmentVariableError(
            f"no short path for sockets: {folder} is too long and /tmp is not writable; set RAY_TMPDIR to a writable "
            f"folder whose path has at most {_MAX_BASE} bytes"
        )
    unfinished = folder / f"{name}.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(base, target_is_directory=True)
    unfinished.replace(link)
    return link


def private_folder() -> Path:
    """A folder with a short path, private to this user, on this machine.

    Raises:
        EnvironmentVariableError: no folder for temporary files is writable.
    """
    for base in (Path("/tmp"), _temporary_base()):  # noqa: S108  # created with mode 700, and its owner is checked
        folder = base / f"codeplan-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
        except OSError:
            continue
        # Any user can create a folder of that name first.
        if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid() and _is_writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="cp-", dir=_temporary_base()))


def _temporary_base() -> Path:
    configured = {name: os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)}
    for path in (*configured.values(), *_FALLBACKS):
        if _is_writable(Path(path)):
            return Path(path).absolute()
    names = " nor ".join([*(f"{name}={value}" for name, value in configured.items()), *_FALLBACKS])
    raise EnvironmentVariableError(
        f"no folder for temporary files is writable, neither {names}; set TMPDIR to an existing writable folder"
    )


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _subfolder(folder: Path, name: str) -> Path:
    subfolder = folder / name
    subfolder.mkdir(mode=0o700, exist_ok=True)
    return subfolder


def _has_passwd_entry() -> bool:
    import pwd

    try:
        return bool(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return False


def _exempt_loopback() -> None:
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in proxies):
        return
    # Libraries differ in which case they read, and some stop at the first that is set.
    for variable in ("no_proxy", "NO_PROXY"):
        value = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        hosts = [host.strip() for host in value.split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[variable] = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])
