"""What must not leave this machine with a job: the cluster's token, and what is a secret by its name.

Nothing else is found: neither a secret whose variable has another name, nor one in a file that is not in this machine's
environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from codeplan.submission.errors import SubmissionError

MAX_SEARCHED = 4 * 1024 * 1024
"""Bytes: larger files are not searched for secrets, as those that people write are small."""
_MIN_SECRET = 8
"""Characters: shorter values are found in ordinary text."""
_SECRET = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?(_(?!PATHS?$|FILES?$)|\d*$)|(^|_)(PASS|PAT)(_|$)", re.IGNORECASE
)
"""Names of variables that hold secrets, not of those that name a file with one."""
_SETTING = re.compile(r"\d{0,7}|true|false|yes|no|on|off|none", re.IGNORECASE)
"""Values of variables that have such a name and no secret, as in MAX_TOKENS=4096 or HF_HUB_DISABLE_IMPLICIT_TOKEN=1."""
_WORDS = re.compile(r"[A-Za-z]+([-_ ][A-Za-z]+)*")
"""Values that code may contain by chance, as the word that is set where an endpoint needs no key."""
_WHERE = "leave it out, and set the variable in the environment of the cluster's nodes"


def require_no_secrets(sent: Iterable[Any], named: Iterable[str] = (), token: str = "") -> None:
    """Refuse to send what holds the cluster's token or the value of a variable that is a secret by its name.

    Args:
        sent: all that is sent, but for the code: texts, and mappings and sequences of them, none of them quoted for a
            shell or as JSON, which would change a secret.
        named: further variables that hold secrets.
        token: the cluster's.

    Raises:
        SubmissionError: naming the variable, never its value.
    """
    whole = "\n".join(_texts(sent))
    if len(token) >= _MIN_SECRET and token in whole:
        raise SubmissionError("the job would contain the cluster's token, where everybody could read it; leave it out")
    for name, value in _secrets_here(named):
        if value in whole:
            raise SubmissionError(
                f"the job would contain the value of the environment variable {name}, where everybody on the cluster "
                f"could read it; {_WHERE}"
            )


def require_no_secret_names(variables: Mapping[str, Any], named: Iterable[str] = ()) -> None:
    """Refuse variables of a runtime environment that are secrets by their name, whether or not this machine has them.

    Args:
        variables: the runtime environment's ``env_vars``.
        named: further variables that hold secrets.

    Raises:
        SubmissionError: naming the variable, never its value.
    """
    also = set(named)
    for name, value in variables.items():
        secret = bool(_SECRET.search(name)) or name in also
        if secret and not _SETTING.fullmatch(str(value).strip()):
            raise SubmissionError(
                f"the runtime environment's env_vars set {name}, by its name a secret, which everybody on the cluster "
                f"could read; {_WHERE}"
            )


def require_no_secrets_in_files(files: Mapping[str, Path], named: Iterable[str] = (), token: str = "") -> None:
    """Refuse files with what `require_no_secrets` refuses, unless it consists of words that code may well contain.

    Args:
        files: what is uploaded, by the name that messages give; those above `MAX_SEARCHED` are not searched.
        named: further variables that hold secrets.
        token: the cluster's.

    Raises:
        SubmissionError: naming the file and the variable, never its value.
    """
    secrets = [(f"the value of the environment variable {name}", value) for name, value in _secrets_here(named)]
    secrets += [("the cluster's token", token)] if len(token) >= _MIN_SECRET else []
    searched = [(what, os.fsencode(value)) for what, value in secrets if not _WORDS.fullmatch(value)]
    for name, path in files.items() if searched else ():
        if path.stat().st_size > MAX_SEARCHED:
            continue
        content = path.read_bytes()
        for what, value in searched:
            if value in content:
                raise SubmissionError(
                    f"the job's package would contain {what}, in {name}, where everybody on the cluster could read it; "
                    "take it out of the file, or list the file in .rayignore"
                )


def _secrets_here(named: Iterable[str]) -> Iterator[tuple[str, str]]:
    """This machine's variables that are secrets by their name, with their values."""
    also = set(named)
    for name, value in os.environ.items():
        if (_SECRET.search(name) or name in also) and len(value.strip()) >= _MIN_SECRET:
            yield name, value.strip()


def _texts(sent: Any) -> Iterator[str]:
    if isinstance(sent, Mapping):
        for key, value in sent.items():
            yield from (*_texts(key), *_texts(value))
    elif isinstance(sent, Iterable) and not isinstance(sent, str | bytes):
        for value in sent:
            yield from _texts(value)
    else:
        yield str(sent)
