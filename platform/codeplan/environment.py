"""What libraries expect of a process's environment: a user's name, a home directory, a folder for temporary files.

Containers often lack the first two, schedulers set the third to paths that are too long for a socket or not there.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from codeplan.errors import UserError, one_line

_LONGEST_BASE = 36
"""Bytes. Ray's sockets lie up to 71 bytes below the temporary folder, and a socket's path has 107 bytes at most."""
_USUAL = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # checked, and used as Python's tempfile does
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EnvironmentVariableError(UserError):
    """An environment variable, or what it names, cannot be used."""


def prepare() -> None:
    """Fill in what is missing, for this process and those that it starts; what can be used is left as it is.

    - ``USER``, where the user id has no name: libraries look it up and fail.
    - ``HOME``, where it is not set and the user id has no entry, or where it is no folder.
    - ``TMPDIR``, where it names a folder that cannot be written to.
    - ``MPLCONFIGDIR``, where the home directory cannot be written to: matplotlib would warn in every process.
    - ``no_proxy`` gets this machine itself, where a proxy is set: no proxy leads to loopback.
    - ``MPLBACKEND`` becomes ``agg``: figures are files, and notebooks set a backend that only they have.

    Raises:
        EnvironmentVariableError: no folder for temporary files can be written to, or Ray cannot read a setting.
    """
    if "MPLBACKEND" in os.environ:
        os.environ["MPLBACKEND"] = "agg"
    _check_settings_of_ray()
    name = user_name()
    if not any(os.environ.get(key) for key in ("LOGNAME", "USER", "LNAME", "USERNAME")) and not _has_entry():
        os.environ["USER"] = name
    if "TMPDIR" in os.environ and not _is_writable(Path(os.environ["TMPDIR"])):
        os.environ["TMPDIR"] = str(_temporary_base())
        tempfile.tempdir = None  # decided once a process, perhaps by an import before this
    home = os.environ.get("HOME", "")
    if (not home and not _has_entry()) or (home and not Path(home).is_dir()):
        os.environ["HOME"] = str(_subfolder(private_folder(), "home"))
    if "MPLCONFIGDIR" not in os.environ and not _is_writable(Path("~").expanduser()):
        os.environ["MPLCONFIGDIR"] = str(_subfolder(private_folder(), "matplotlib"))
    _exempt_loopback()


def named_in(error: BaseException) -> str | None:
    """A message where a library's error is about the value of an environment variable, as its text shows; else None.

    The message never repeats a value that is long enough to be a token.
    """
    text = str(error)
    for name, value in os.environ.items():
        if name.startswith(_OF_LIBRARIES) and (name in text or (value and repr(value) in text)):
            said = one_line(text.replace(value, "[its value]") if len(value) >= _SHORTEST_SECRET else text)
            return f"the environment variable {name} cannot be used: {said}; correct it, or unset it"
    return None


_SHORTEST_SECRET = 8
_OF_LIBRARIES = ("CUDA_", "DS_", "HF_", "MLFLOW_", "MPL", "NCCL_", "OMP_", "OPENAI_", "RAY_", "TORCH", "TRANSFORMERS_")


def _check_settings_of_ray() -> None:
    """Ray's native core reads a variable for each of its settings, and crashes where a number is none."""
    names = sorted(name for name in os.environ if re.match("RAY_[a-z]", name))
    if not names:
        return
    others = {name: value for name, value in os.environ.items() if name not in names}
    for name in ["", *names]:  # all of them first: mostly none is wrong
        tried = {**others, name: os.environ[name]} if name else dict(os.environ)
        done = subprocess.run([sys.executable, "-c", "import ray"], env=tried, capture_output=True, check=False)
        if not name and done.returncode == 0:
            return
        if name and done.returncode:
            raise EnvironmentVariableError(
                f"the environment variable {name} holds no value that Ray can read for this setting; correct it, or "
                "unset it"
            )


def user_name() -> str:
    """Name of the user, or ``uid1234`` where the user id has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid{os.getuid()}"


def socket_base() -> Path:
    """A folder that Ray can keep its sockets below: writable, and with a path that is short enough.

    ``RAY_TMPDIR``, ``TMPDIR`` or ``/tmp``, the first that can be written to; a long path is shortened by a link, so
    that the files stay on the disk that the variable names.

    Raises:
        EnvironmentVariableError: none can be written to.
    """
    base = _temporary_base()
    below = base / "ray"
    if below.exists() and not _is_writable(below):  # another user's
        base = private_folder()
    if len(os.fsencode(base)) <= _LONGEST_BASE:
        return base
    name = hashlib.sha256(os.fsencode(base)).hexdigest()[:8]
    folder = private_folder()
    link = folder / name
    if len(os.fsencode(link)) > _LONGEST_BASE:
        raise EnvironmentVariableError(
            f"no short folder for sockets: {folder} is too long and /tmp cannot be written to; set RAY_TMPDIR to a "
            f"writable folder whose path has at most {_LONGEST_BASE} bytes"
        )
    unfinished = folder / f"{name}.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(base, target_is_directory=True)
    unfinished.replace(link)
    return link


def private_folder() -> Path:
    """A folder with a short path for this user alone, on this machine.

    Raises:
        EnvironmentVariableError: no folder for temporary files can be written to.
    """
    for base in (Path("/tmp"), _temporary_base()):  # noqa: S108  # made with mode 700, and its owner is checked
        folder = base / f"codeplan-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        # Anybody can make a folder of that name first.
        if folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and _is_writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="cp-", dir=_temporary_base()))


def _temporary_base() -> Path:
    asked = {name: os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)}
    for path in (*asked.values(), *_USUAL):
        if _is_writable(Path(path)):
            return Path(path).absolute()
    named = " nor ".join([*(f"{name}={value}" for name, value in asked.items()), *_USUAL])
    raise EnvironmentVariableError(
        f"no folder for temporary files can be written to, neither {named}; set TMPDIR to one that exists and can be"
    )


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _subfolder(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(mode=0o700, exist_ok=True)
    return made


def _has_entry() -> bool:
    import pwd

    try:
        return bool(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return False


def _exempt_loopback() -> None:
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in proxies):
        return
    # Lower and upper case: libraries differ in which they read, and some stop at the first that is set.
    for variable in ("no_proxy", "NO_PROXY"):
        told = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        hosts = [host.strip() for host in told.split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[variable] = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])
