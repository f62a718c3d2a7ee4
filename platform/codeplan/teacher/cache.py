"""The teacher's paid answers: one file per answer, shared by runs, safe under many writers and kill -9."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pydantic import ValidationError

from codeplan.errors import one_line
from codeplan.files import write_text
from codeplan.teacher.requests import Answer, TeacherRequest

logger = logging.getLogger(__name__)


class AnswerCache:
    """A folder of answers: ``<first two digits of the key>/<key>.json`` contains a request and its answer.

    A file appears whole or not at all: it is written under another name, brought to disk, then renamed. Two writers of
    one key both succeed, and one of their answers remains. A file that cannot be read is skipped with a warning: its
    request is sent again and the file replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """The file of the answer to the request with this key."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, request: TeacherRequest) -> Answer | None:
        """The stored answer; None where there is none, or none that can be read."""
        path = self.path(request.key)
        try:
            stored = json.loads(path.read_bytes())
            if TeacherRequest.model_validate(stored["request"]).key != request.key:
                raise ValueError("it belongs to another request")
            return Answer.model_validate(stored["answer"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            logger.warning("ignoring the unreadable answer %s (%s); its request is sent again", path, one_line(error))
            return None

    def put(self, request: TeacherRequest, answer: Answer) -> None:
        """Store an answer; when this returns it is on disk."""
        path = self.path(request.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = {"request": request.model_dump(), "answer": answer.model_dump()}
        write_text(path, json.dumps(stored, indent=1))
