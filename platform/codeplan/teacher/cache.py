"""The teacher's paid answers: one file an answer, shared by runs, safe under many writers and against kill -9."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pydantic import ValidationError

from codeplan.stages import write_text
from codeplan.teacher.requests import Answer, Request

logger = logging.getLogger(__name__)


class AnswerCache:
    """A folder of answers: ``<first two digits of the key>/<key>.json`` holds a request and its answer.

    A file appears whole or not at all: it is written under another name, brought to disk, then renamed. Two writers of
    one key both succeed, and one of their answers stays. A file that cannot be read is passed over with a warning, so
    that its request is asked again and the file replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the answer to a request with this key lies."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, request: Request) -> Answer | None:
        """The stored answer; None where there is none, or none that can be used."""
        path = self.path(request.key)
        try:
            stored = json.loads(path.read_bytes())
            if Request.model_validate(stored["request"]).key != request.key:
                raise ValueError("it answers another request")
            return Answer.model_validate(stored["answer"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            logger.warning("ignoring the unusable answer %s (%s); the teacher is asked again", path, _first_line(error))
            return None

    def put(self, request: Request, answer: Answer) -> None:
        """Store an answer; when this returns it is on disk."""
        path = self.path(request.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = {"request": request.model_dump(), "answer": answer.model_dump()}
        write_text(path, json.dumps(stored, indent=1))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
