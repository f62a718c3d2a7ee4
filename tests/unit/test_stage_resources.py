"""What stages ask of a cluster."""

import pytest

from codeplan.config import ExecutionConfig
from codeplan.stages import RESOURCES


@pytest.mark.parametrize(
    ("settings", "gpus"),
    [
        ({}, {"finetune": 0, "sample": 0}),
        ({"gpus_per_worker": 1}, {"finetune": 4, "sample": 8}),
        ({"gpus_per_worker": 1, "sample_gpus": 0.5}, {"finetune": 4, "sample": 4}),
        ({"gpus_per_worker": 1, "sample_gpus": 0}, {"finetune": 4, "sample": 0}),
        ({"sample_gpus": 0.25}, {"finetune": 0, "sample": 2}),
    ],
)
def test_gpus_go_to_training_and_sampling_alone(settings: dict[str, float], gpus: dict[str, float]) -> None:
    execution = ExecutionConfig.model_validate({"train_workers": 4, "sample_actors": 8, "judge_actors": 16, **settings})
    asked = {name: resources(execution) for name, resources in RESOURCES.items()}
    assert {name: found for name, (_, found) in asked.items() if name in gpus} == gpus
    assert asked["distill"][1] == asked["judge"][1] == 0
    assert asked["judge"][0] == 8, "half a CPU each"


def test_sandboxes_with_a_resource_of_their_own_take_no_cpus() -> None:
    execution = ExecutionConfig(sample_actors=4, judge_actors=16, judge_resource="sandbox")
    assert RESOURCES["judge"](execution) == (0, 0)
    assert RESOURCES["sample"](execution) == (2, 0)
