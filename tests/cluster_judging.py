"""Judge programs on all nodes of the cluster that this process belongs to, with as many sandboxes as there is room for.

python tests/cluster_judging.py FOLDER

Creates ``FOLDER/begun`` once every node has judged a program, and ``FOLDER/verdicts.json`` at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ray

from codeplan.config import ExecutionConfig
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan_sandbox import Case, Limits, Suite

PROGRAMS = 80
PROGRAM = "import time\ntime.sleep(0.2)\nprint(int(input()) + 1)"


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1])
    ray.init(address="auto")
    judges = JudgeActors.start(ExecutionConfig(judge_actors=int(2 * ray.cluster_resources()["CPU"])), Limits())
    programs = [(PROGRAM, Suite("stdin", cases=(Case(input=f"{n}\n", output=f"{n + 1}\n"),))) for n in range(PROGRAMS)]
    verdicts: dict[int, str] = {}
    for index, verdict in judges.judge_many(programs):
        if index in verdicts:
            raise RuntimeError(f"two verdicts on program {index}")
        verdicts[index] = verdict.outcome.name
        if len(verdicts) == PROGRAMS // 4:
            (folder / "begun").touch()
    (folder / "verdicts.json").write_text(json.dumps(verdicts))
    judges.stop()


if __name__ == "__main__":
    main()
