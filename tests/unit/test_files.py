"""Files that appear whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codeplan.files import atomic_write, digest, remove_leftovers, write_text


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "done.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["done.json"]


def fail_to_write(path: Path) -> None:
    with atomic_write(path) as unfinished:
        unfinished.mkdir()
        unfinished.mkdir()


def test_a_folder_replaces_the_old_one_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "student"
    for name in ("first", "second"):
        with atomic_write(path) as unfinished:
            unfinished.mkdir()
            (unfinished / name).touch()
    with pytest.raises(FileExistsError):
        fail_to_write(path)
    assert [found.name for found in path.iterdir()] == ["second"]
    assert [found.name for found in tmp_path.iterdir()] == ["student"]


KILLED = """
import os, signal, sys
from pathlib import Path
from codeplan.files import atomic_write
with atomic_write(Path(sys.argv[1]) / "student") as unfinished:
    unfinished.mkdir()
    (unfinished / "weights").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".student.*"))
    assert not (tmp_path / "student").exists()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folders_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({before, renamed, digest(tmp_path)}) == 3
