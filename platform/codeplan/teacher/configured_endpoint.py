"""The teacher that a configuration names: an endpoint with its key, or the offline teacher for a block's length."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from pydantic import SecretStr

from codeplan.config import TeacherConfig
from codeplan.environment import ray_job
from codeplan.stage import StageError
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.offline import MODEL
from codeplan.teacher.offline.server import offline_host, offline_teacher


def host_of(teacher: TeacherConfig) -> str:
    """What stands for the teacher's endpoint in the keys of requests.

    Raises:
        StageError: a model other than the offline teacher is named without an endpoint.
    """
    if teacher.base_url:
        return Endpoint(teacher.base_url, SecretStr("")).host
    if teacher.model != MODEL:
        raise StageError(
            f"teacher.model is {teacher.model!r}, but teacher.base_url is empty, which means the offline teacher "
            f"({MODEL}); set teacher.base_url to the endpoint, for example https://api.openai.com/v1"
        )
    return offline_host()


def endpoint_of(teacher: TeacherConfig) -> AbstractContextManager[Endpoint]:
    """The teacher's endpoint; the offline teacher runs for the length of the block.

    Raises:
        StageError: the environment variable for the key does not contain one.
    """
    if not teacher.base_url:
        return offline_teacher()
    key = os.environ.get(teacher.api_key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        problem = "contains characters that no API key has" if key else "is empty or not set"
        nodes = " in the environment of the cluster's nodes that run the command and, in a sweep, its trials"
        where = nodes if ray_job() else ""
        raise StageError(
            f"the environment variable {teacher.api_key_env}, named by teacher.api_key_env, {problem}; set it to the "
            f"teacher's key{where} (any word will do for an endpoint that needs none)"
        )
    return nullcontext(Endpoint(teacher.base_url, SecretStr(key)))
