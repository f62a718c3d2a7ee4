"""The commit of a model on the Hugging Face hub that a branch, a tag or nothing stands for.

A student is trained from one commit, whatever its main branch becomes: the commit is resolved once per process, enters
the fingerprint, and is what the model's files are read at.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants

from codeplan.config import StudentConfig
from codeplan.errors import one_line
from codeplan.student.errors import StudentError, library_errors, reason

_HUB_TIMEOUT_S = 10.0
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_REPOSITORY = re.compile(r"[\w.-]+(?:/[\w.-]+)?", re.ASCII)
_NETWORK_VARIABLES = (
    *("HF_ENDPOINT", "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model at one commit.

    Attributes:
        commit: 40 hexadecimal digits.
        source: what to read it from: the repository's name, or its folder in the cache where the hub cannot be reached.
    """

    commit: str
    source: str


def resolve_revision(student: StudentConfig) -> str:
    """The commit that the student's model is read at; empty for a folder and for a student from scratch.

    ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ``HF_TOKEN`` and the cache count as they do in huggingface_hub.

    Raises:
        StudentError: neither the hub nor the cache can say.
    """
    if student.init != "pretrained" or not student.model.strip() or is_folder(student.model):
        return ""
    if _COMMIT.fullmatch(student.revision):
        return student.revision
    return find_model(student.model, student.revision).commit


def is_folder(name: str) -> bool:
    """Whether a ``student.model`` is a folder."""
    return os.path.isdir(name)  # noqa: PTH112  # Path.is_dir raises on names that are too long


@lru_cache(maxsize=32)
def find_model(name: str, revision: str) -> HubModel:
    """Look a repository up at the hub; without a network, or under HF_HUB_OFFLINE, in the cache.

    Args:
        name: a repository such as ``Salesforce/codet5-base``.
        revision: a branch, tag or commit; empty for the main branch.

    Raises:
        StudentError: it is not the name of a repository, or neither the hub nor the cache has it.
    """
    at = f" at revision {one_line(revision, 60)!r}" if revision else ""
    what = f"student.model {one_line(name, 120)!r}{at} cannot be loaded"
    if not _REPOSITORY.fullmatch(name) or name.startswith((".", "-")):
        raise StudentError(f"{what}: there is no such folder, and it is not the name of a Hugging Face repository")
    wanted = revision or constants.DEFAULT_REVISION
    with library_errors(what):
        problem = _hub_problem(name, wanted)
        if problem is None:
            # It keeps the branch's commit in the cache, which says what the branch was when there is no network.
            config = huggingface_hub.hf_hub_download(name, "config.json", revision=wanted)
            return HubModel(Path(config).parent.name, name)
        cached = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=wanted)
    if isinstance(cached, str):
        return HubModel(Path(cached).parent.name, str(Path(cached).parent))
    raise StudentError(f"{what}: there is no such folder, {problem}, and no copy is in the Hugging Face cache")


def _hub_problem(name: str, revision: str) -> str | None:
    """Why the hub does not give a repository, or None where it does; transformers itself would retry for a minute."""
    endpoint = reason(ValueError(constants.ENDPOINT))
    if huggingface_hub.is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    try:
        url = huggingface_hub.hf_hub_url(name, "config.json", revision=revision)
        token = huggingface_hub.get_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status = huggingface_hub.get_session().head(url, headers=headers, timeout=_HUB_TIMEOUT_S).status_code
    except Exception as error:  # the client's own classes, and those of addresses and proxies that are not valid
        used = ", ".join(variable for variable in _NETWORK_VARIABLES if os.environ.get(variable))
        hint = f"; it is reached by way of {used}" if used else ""
        return f"the hub at {endpoint} cannot be reached ({reason(error)}{hint})"
    if status < 400:
        return None
    hint = "; the repository or revision does not exist, or needs HF_TOKEN" if status in {401, 403, 404} else ""
    return f"the hub at {endpoint} answers HTTP {status} for its config.json{hint}"
