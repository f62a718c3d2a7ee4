"""Data sets as MLflow shows them: a name, a digest, where they come from and how many rows they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from codeplan.tracking import names


def dataset_input(
    name: str, fingerprint: str, context: str, source: Mapping[str, Any], profile: Mapping[str, float]
) -> DatasetInput:
    """A data set as the input of a run.

    Args:
        name: shown in the list of runs.
        fingerprint: of the stage that wrote it; its first 32 digits are the digest.
        context: what the run uses it for, as ``train`` or ``plans``.
        source: the settings that it was read or made with.
        profile: counts, among them ``num_rows``.
    """
    dataset = Dataset(
        name=names.label(name, names.DATASET_NAME_LENGTH),
        digest=fingerprint[:32],
        source_type="local" if "path" in source else "code",
        source=names.text(json.dumps(dict(source), ensure_ascii=False), _SOURCE_LENGTH),
        profile=names.text(json.dumps(dict(profile)), _PROFILE_LENGTH),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", names.text(context, 500))])


_SOURCE_LENGTH = 65_535
_PROFILE_LENGTH = 16_777_215
"""The limits of MLflow's tables."""
