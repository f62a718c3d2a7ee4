"""A trained student for other programs: MLflow's pyfunc convention, a module with a function ``_load_pyfunc``.

    model = mlflow.pyfunc.load_model("models:/NAME@champion")
    model.predict([{"question": "..."}], params={"task": "code"})

Nothing here imports MLflow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeplan.records import Problem
from codeplan.student.errors import StudentError
from codeplan.student.generation_request import GenerationRequest

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "student.path.json"
"""A file that names the student's folder, where the student itself was not copied."""

PARAMS: dict[str, Any] = {"task": "code", "temperature": 0.0, "top_p": 1.0, "seed": 0}
"""What `ServedStudent.predict` takes beside its rows, with the defaults; temperature 0 is greedy."""

_BATCH = 32


def _load_pyfunc(path: str) -> ServedStudent:
    """What MLflow calls with the path of a logged model's data: a student's folder, or one that holds a reference.

    Raises:
        StudentError: the folder that is referred to does not exist any more.
    """
    folder = Path(path)
    reference = folder / REFERENCE
    if reference.is_file():
        folder = Path(json.loads(reference.read_text(encoding="utf-8"))["folder"])
        if not folder.is_dir():
            raise StudentError(
                f"the student's folder {folder} does not exist on this machine: the model was logged as a reference; "
                "run the pipeline again with tracking.log_model=copy, or bring the folder back"
            )
    return ServedStudent(folder)


class ServedStudent:
    """A student that answers rows of questions."""

    def __init__(self, folder: Path) -> None:
        import torch

        from codeplan.student.generation import Generator

        self._generator = Generator(folder, batch=_BATCH, device="cuda" if torch.cuda.is_available() else "cpu")

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Generate a text per row.

        Args:
            rows: columns ``question`` and, where there are any, ``starter_code`` and ``plan`` (for ``plan_code``).
            params: some of `PARAMS`.

        Returns:
            The columns ``text`` and ``finished``, in the order of the rows.
        """
        import pandas as pd

        given = {**PARAMS, **(params or {})}
        greedy = float(given["temperature"]) == 0.0
        requests = [
            GenerationRequest(
                problem=Problem(
                    problem_id=f"served/{index}",
                    dataset="served",
                    split="served",
                    level="",
                    question=str(row["question"]),
                    starter_code=str(row.get("starter_code") or ""),
                ),
                task=given["task"],
                plan=str(row.get("plan") or "") if given["task"] == "plan_code" else "",
                rng_key=f"{given['seed']}/{index}",
                greedy=greedy,
            )
            for index, row in enumerate(rows.to_dict("records"))
        ]
        generated = self._generator.generate(
            requests, temperature=1.0 if greedy else float(given["temperature"]), top_p=float(given["top_p"])
        )
        return pd.DataFrame([{"text": each.text, "finished": each.finished} for each in generated])
