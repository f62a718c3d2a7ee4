"""A trained student as a logged model in MLflow: found by its identity, made once, traced to its data and teacher.

The functions are operations (see `codeplan.tracking.operations`): they take plain data, and calling one again with the
same arguments adds nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeplan.tracking import names
from codeplan.tracking.mlflow_errors import RejectedError

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.tracking import MlflowClient

IDENTITY = "codeplan.identity"
_COPY = "codeplan.log_model"
"""Whether MLflow has the files, ``copy``, or their path, ``reference``."""
LOADER = "codeplan.student.serving"
"""The module that loads a student for MLflow's pyfunc."""


@dataclass(frozen=True)
class StudentModel:
    """What is logged of a student, as plain data.

    Attributes:
        experiment_id: the MLflow experiment.
        identity: the fingerprint of the stage that trained it.
        name: its display name.
        folder: its absolute path.
        copy: whether its files are uploaded; otherwise only the path is kept.
        tags: its data sets, teacher and prompt.
        params: how it was trained, flat.
        description: Markdown.
        example: one row to try it with, by column.
        generation: the parameters of generation, with their defaults.
        reference: the name of the file that holds the path.
    """

    experiment_id: str
    identity: str
    name: str
    folder: str
    copy: bool
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    description: str
    example: Mapping[str, str]
    generation: Mapping[str, Any]
    reference: str

    def plain(self) -> dict[str, Any]:
        """As the argument of `log_student`."""
        return asdict(self)


def log_student(client: MlflowClient, run_id: str, student: Mapping[str, Any]) -> None:
    """Log a student where it is not logged yet, and show it on the run.

    Raises:
        RejectedError: its files are to be uploaded, and are gone.
    """
    from mlflow.entities import LoggedModelOutput

    model = StudentModel(**student)
    model_id = find_student(client, model.experiment_id, model.identity)
    if model_id is None or (model.copy and not _is_copy(client, model_id)):
        model_id = _create(client, run_id, model)
    outputs = client.get_run(run_id).outputs
    if model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def use_student(client: MlflowClient, run_id: str, experiment_id: str, identity: str) -> None:
    """Show on a run which logged model it samples from, if there is one."""
    from mlflow.entities import LoggedModelInput

    model_id = find_student(client, experiment_id, identity)
    inputs = client.get_run(run_id).inputs
    known = {model.model_id for model in (inputs.model_inputs if inputs else [])}
    if model_id is not None and model_id not in known:
        client.log_inputs(run_id, models=[LoggedModelInput(model_id)])


def score_student(client: MlflowClient, run_id: str, scores: Mapping[str, Any]) -> None:
    """Log metrics of a run that also belong to a logged model and were measured on a data set.

    Args:
        client: of MLflow.
        run_id: the run.
        scores: ``experiment_id``, ``identity`` of the student, ``dataset`` (name and digest), ``metrics`` and
            ``timestamp`` in milliseconds.
    """
    from mlflow.entities import Metric

    model_id = find_student(client, scores["experiment_id"], scores["identity"])
    dataset, digest = scores["dataset"]
    dataset = names.label(dataset, names.DATASET_NAME_LENGTH)  # as `Run.dataset` has it
    belongs = {"model_id": model_id, "dataset_name": dataset, "dataset_digest": digest} if model_id else {}
    metrics = [
        Metric(names.key(key), value, scores["timestamp"], 0, **belongs) for key, value in scores["metrics"].items()
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])


def register_student(
    client: MlflowClient, run_id: str, experiment_id: str, identity: str, *, name: str, alias: str
) -> None:
    """Make the logged student a version of a registered model, if it is none yet, and give it the alias."""
    from mlflow.exceptions import MlflowException

    model_id = find_student(client, experiment_id, identity)
    if model_id is None:
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{name}'")
    source = f"models:/{model_id}"
    version = next((version for version in versions if version.source == source), None)
    if version is None:
        version = client.create_model_version(name, source, run_id=run_id, model_id=model_id)
    # MLflow's own registration sets this tag too: the model's page shows its versions by it.
    registered = json.dumps([{"name": name, "version": version.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": registered})
    client.set_registered_model_alias(name, alias, str(version.version))


def find_student(client: MlflowClient, experiment_id: str, identity: str) -> str | None:
    """The id of the newest usable logged model of that identity."""
    found = _found(client, experiment_id, identity)
    return next((str(model.model_id) for model in found if _is_ready(model)), None)


def _found(client: MlflowClient, experiment_id: str, identity: str) -> Sequence[LoggedModel]:
    found: Sequence[LoggedModel] = client.search_logged_models(
        [experiment_id],
        filter_string=f"tags.`{IDENTITY}` = '{identity}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
    )
    return found


def _is_ready(model: LoggedModel) -> bool:
    from mlflow.entities import LoggedModelStatus

    return bool(model.status == LoggedModelStatus.READY)


def _is_copy(client: MlflowClient, model_id: str) -> bool:
    return str(client.get_logged_model(model_id).tags.get(_COPY, "")) == "copy"


def _create(client: MlflowClient, run_id: str, student: StudentModel) -> str:
    if student.copy and not Path(student.folder).is_dir():
        raise RejectedError(f"{student.folder} does not exist, so the student in it cannot be uploaded")
    tags = {f"codeplan.{key}": names.text(value, names.TAG_LENGTH) for key, value in student.tags.items()}
    tags |= {
        IDENTITY: student.identity,
        "codeplan.folder": student.folder,
        _COPY: "copy" if student.copy else "reference",
        "mlflow.note.content": names.text(student.description, names.TAG_LENGTH),
    }
    params = {
        names.key(key): names.text(names.plain(value), names.PARAM_LENGTH) for key, value in student.params.items()
    }
    # One that this run created, and whose files did not all arrive, is finished.
    created = next(
        (
            model
            for model in _found(client, student.experiment_id, student.identity)
            if model.source_run_id == run_id and not _is_ready(model) and model.tags.get(_COPY) == tags[_COPY]
        ),
        None,
    ) or client.create_logged_model(
        student.experiment_id, student.name, source_run_id=run_id, tags=tags, params=params, model_type="student"
    )
    try:
        with tempfile.TemporaryDirectory(prefix="codeplan-model-") as name:
            _write(Path(name), student, run_id, created.model_id)
            client.log_model_artifacts(created.model_id, name)
            if student.copy:  # uploaded from where it is
                client.log_model_artifacts(created.model_id, student.folder, "data")
    except BaseException:
        with suppress(Exception):  # MLflow may be away
            client.finalize_logged_model(created.model_id, "FAILED")
        raise
    client.finalize_logged_model(created.model_id, "READY")
    return str(created.model_id)


def _write(folder: Path, student: StudentModel, run_id: str, model_id: str) -> None:
    """The files of a logged model: MLmodel with signature and example, and the student's path."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.models.utils import _Example
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    kinds = {str: "string", float: "double", int: "long"}
    columns = [ColSpec("string", name, required=name == "question") for name in student.example]
    signature = ModelSignature(
        Schema(columns),
        Schema([ColSpec("string", "text"), ColSpec("boolean", "finished")]),
        ParamSchema([ParamSpec(key, kinds[type(value)], value) for key, value in student.generation.items()]),
    )
    model = Model(run_id=run_id, model_id=model_id, signature=signature)
    example = _Example(pd.DataFrame([dict(student.example)]))
    example.save(str(folder))
    model.saved_input_example_info = example.info
    mlflow.pyfunc.add_to_model(model, loader_module=LOADER, data="data")
    model.save(str(folder / "MLmodel"))
    (folder / "data").mkdir()
    if not student.copy:
        reference = json.dumps({"folder": student.folder}, ensure_ascii=False)
        (folder / "data" / student.reference).write_text(reference, encoding="utf-8")


_BATCH = 900
