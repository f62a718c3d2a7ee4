"""What reading a source depends on: the identity of the stage that stores its problems."""

from __future__ import annotations

from pathlib import Path

from codeplan.config import MiniAppsSource, Settings, Source
from codeplan.files import digest
from codeplan.problems import miniapps
from codeplan.problems.json_files import error_reason, require_regular_file
from codeplan.problems.reading import VERSION, dials_of
from codeplan.problems.rows import ProblemError


class ReadSettings(Settings):
    """A source and the content of its files, which stands for their paths in fingerprints."""

    source: Source
    content: str
    """SHA-256 of the source's file or folder; empty for generated problems."""
    examples_content: str
    """The same for ``examples_path``; empty where there is none."""
    reader_version: int

    @classmethod
    def of(cls, source: Source) -> ReadSettings:
        """The settings of a source as its files are now.

        Raises:
            ProblemError: a file is missing or cannot be read.
        """
        if isinstance(source, MiniAppsSource):
            version = miniapps.VERSION if dials_of(source) == miniapps.DEFAULT else miniapps.DIALS_VERSION
            return cls(source=source, content="", examples_content="", reader_version=version)
        return cls(
            source=source,
            content=_digest(source.path),
            examples_content=_digest(source.examples_path) if source.examples_path else "",
            reader_version=VERSION,
        )


def _digest(path: str) -> str:
    require_regular_file(Path(path), "check the source's path", folder=True)
    try:
        return digest(Path(path))
    except OSError as error:
        raise ProblemError(f"{error.filename or path}: cannot be read: {error_reason(error)}") from error
