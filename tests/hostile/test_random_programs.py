"""Random programs that open, write and remove files, in the jail: none passes, and nothing around them changes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).resolve().parent
PROGRAMS = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 40
_TIER_NOT_AVAILABLE, _JAIL_NOT_AVAILABLE = 5, 4

PATHS = (
    *("/", ".", "x", "/tmp/x", "/dev/shm/x", "/dev/stdin", "/dev/stdout", "/dev/fd/3", "/dev/null", "/dev/full"),
    *(
        "/etc/passwd",
        "/home/judge/password",
        "/srv/judge/canary/keep",
        "/proc/self/mem",
        "/proc/1/environ",
        "/program.py",
    ),
    *("/usr/lib/os-release", "/proc/self/fd/6", "/run/x", "/var/tmp/x", "", "\0", "é" * 200, "../" * 30 + "tmp/x"),
)
PIECES = (
    *("print(open({path}).read(9))", "open({path}, {mode}).write('text')", "os.open({path}, {number})"),
    *(
        "os.unlink({path})",
        "os.rename({path}, {other})",
        "os.mkdir({path})",
        "os.rmdir({path})",
        "os.chmod({path}, 511)",
    ),
    *("os.symlink({path}, {other})", "os.link({path}, {other})", "os.truncate({path}, {number})", "os.chdir({path})"),
    *(
        "os.utime({path})",
        "os.mkfifo({path})",
        "print(os.listdir({path}))",
        "print(os.stat({path}))",
        "shutil.rmtree({path})",
    ),
    *("os.setxattr({path}, 'user.a', b'1')", "os.mknod({path})", "os.chown({path}, 0, 0)", "tempfile.mkstemp()"),
    *(
        "os.write({number} % 21, b'text')",
        "os.close({number} % 21)",
        "os.dup2({number} % 21, 1)",
        "os._exit({number} % 3)",
    ),
    *("socket.socket(1).connect({path})", "ctypes.CDLL({path})", "sys.path.insert(0, {path})", "__import__('this')"),
    *("pathlib.Path({path}).write_text('text')", "mmap.mmap(os.open({path}, 2), 4096)", "os.execv({path}, ['x'])"),
    *("threading.Thread(target=open, args=({path}, {mode})).start()", "fcntl.flock({number} % 21, 6)", "os.fork()"),
)
MODES = ("r", "w", "a", "x", "r+", "wb")
HEADER = "# mode: stdin\n# stdin: ''\n# out: {secret!r}\n# expect: failed\n"
IMPORTS = "import ctypes, fcntl, mmap, os, pathlib, shutil, socket, sys, tempfile, threading\n"


def program(number: int) -> str:
    """A program of statements whose errors it ignores, so that all are attempted."""
    choice = random.Random(number)
    lines = []
    for _ in range(choice.randrange(1, 9)):
        line = choice.choice(PIECES).format(
            path=repr(choice.choice(PATHS)),
            other=repr(choice.choice(PATHS)),
            mode=repr(choice.choice(MODES)),
            number=choice.randrange(1 << 20),
        )
        repeated = choice.choice(("", "", "for _ in range(99): "))
        lines.append(f"try: {line}" if not repeated else f"try:\n    {repeated}{line}")
        lines.append("except BaseException as error: print(error, file=sys.stderr)")
    secret = f"{choice.getrandbits(64):x}"
    return HEADER.format(secret=secret) + IMPORTS + "\n".join(lines)


@pytest.mark.fuzz
@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_random_programs_pass_no_test_and_change_nothing(tier: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files = [tmp_path / f"random_{number}.py" for number in range(PROGRAMS)]
    for number, file in enumerate(files):
        file.write_text(program(number), encoding="utf-8")
    command = [sys.executable, str(HERE / "jail.py"), "judged.py", "nobody", tier, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode in (_JAIL_NOT_AVAILABLE, _TIER_NOT_AVAILABLE):
        pytest.skip(done.stderr.strip() or "the jail is not available on this machine")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(files)
    violations = {line["name"]: line["violations"] for line in lines if line["violations"]}
    assert not violations, json.dumps(violations, indent=1)
