"""Plan sampling over a data set: blocks of problems, spread over actors by Ray Data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from codeplan.config import ExecutionConfig
from codeplan.errors import explain
from codeplan.inference.plan_sampling import TeacherPlans, sample
from codeplan.inference.sample_pool import SamplePool, counts
from codeplan.inference.samples import Samples
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan.on_ray.judge_metrics import counted
from codeplan.on_ray.metrics import watch_worker
from codeplan.pool import BlockMarkers
from codeplan.problem_blocks import ProblemBlocks
from codeplan.problems import with_comparator
from codeplan.stage import StageError
from codeplan.student.generation_request import Generation, GenerationRequest
from codeplan.watching import UNWATCHED, Watch
from codeplan.watching.metrics import POOL_RECORDS, SAMPLED_SEQUENCES, SAMPLED_TOKENS
from codeplan_sandbox import Suite, SuiteVerdict


@dataclass(frozen=True)
class Sampling:
    """What an actor works with.

    Attributes:
        model: the student's folder.
        problems: what to answer.
        samples: the pool, and what is asked for.
        markers: where finished blocks are marked.
        judges: the sandboxes that run the example tests.
        execution: batch size and device.
        watch: where samples are counted.
    """

    model: Path
    problems: ProblemBlocks
    samples: SamplePool
    markers: BlockMarkers
    judges: JudgeActors
    execution: ExecutionConfig
    watch: Watch = UNWATCHED


class Sampler:
    """One actor: a student on its device, answering for one block after another."""

    def __init__(self, data: Any, sampling: Sampling) -> None:
        # In the object store: once per machine and not once per actor. All of them, as foreign plans are of others.
        self._teacher_plans = ray.get(data)
        self._sampling = sampling
        self._student = _LazyGenerator(sampling)
        watch_worker(sampling.watch)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Sample one block, given as ``{"block": [index]}``: add to the pool what is missing there.

        An error that a user can act on is a column of the answer: Ray Data keeps only the text of what is raised.
        """
        block = int(batch["block"][0])
        try:
            return {"problems": [self._sample(block)], "error": [""]}
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            return {"problems": [0], "error": [message]}

    def _sample(self, block: int) -> int:
        samples = self._sampling.samples
        # Solutions and hidden tests are most of a data set, and nothing that samplers should know.
        read = self._sampling.problems.read(block, leave_out=("solutions", "hidden_tests"))
        problems = [with_comparator(problem, samples.settings.comparator) for problem in read]
        new = []
        with samples.pool.lock(block):
            there = samples.read_all(block)
            plans, student = self._teacher_plans, self._student
            for part in sample(problems, plans, student, self._judge, samples.settings, pool=there):
                samples.add(block, part)
                new.append(part)
                self._count(part)
            found = counts(samples.read(block), len(problems), new)
            self._sampling.markers.put(block, found, samples.parts(block))
        added = found["new.sequences"]
        reused = found["plans"] + found["programs"] - added
        self._sampling.watch.count(POOL_RECORDS, added, pool="samples", outcome="added")
        self._sampling.watch.count(POOL_RECORDS, reused, pool="samples", outcome="reused")
        return len(problems)

    def _count(self, part: Samples) -> None:
        watch = self._sampling.watch
        tokens = {
            "plan": [plan.completion_tokens for plan in part.plans if not plan.dropped],
            "program": [program.tokens for program in part.programs if not program.dropped],
        }
        for kind, lengths in tokens.items():
            watch.count(SAMPLED_SEQUENCES, len(lengths), kind=kind)
            watch.count(SAMPLED_TOKENS, sum(lengths), kind=kind)

    def _judge(self, programs: Sequence[tuple[str, Suite]]) -> list[SuiteVerdict]:
        judged = counted(self._sampling.judges.judge_many(programs), len(programs), self._sampling.watch)
        return [verdict for _, verdict in sorted(judged, key=lambda pair: pair[0])]


class _LazyGenerator:
    """A student that is loaded when something is first asked of it: a pool that has everything needs no model."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._loaded: Any = None

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        """Answer every request, in order."""
        if not requests:
            return []
        if self._loaded is None:
            from codeplan.student.generation import Generator

            execution = self._sampling.execution
            device = "cuda" if execution.gpus_per_sampler else "cpu"
            self._loaded = Generator(self._sampling.model, batch=execution.sample_batch, device=device)
        generated: list[Generation] = self._loaded.generate(requests, temperature=temperature, top_p=top_p)
        return generated


def sample_all(teacher_plans: TeacherPlans, sampling: Sampling, advance: Callable[[int], None]) -> None:
    """Sample every block that is not finished yet.

    Args:
        teacher_plans: the teacher's plans for the problems.
        sampling: with what, and what.
        advance: called with the number of problems that were finished.

    Raises:
        StageError: an actor met an error that a user can act on.
    """
    missing = sampling.markers.missing(sampling.problems.count)
    if not missing:
        return
    data = ray.put(teacher_plans)
    rows = ray.data.from_items([{"block": block} for block in missing], override_num_blocks=len(missing))
    sampled = rows.map_batches(
        Sampler,
        fn_constructor_args=(data, sampling),
        batch_size=1,
        num_cpus=0.5,
        num_gpus=sampling.execution.gpus_per_sampler or None,
        compute=ray.data.ActorPoolStrategy(size=min(sampling.execution.sample_actors, len(missing))),
    )
    for row in sampled.iter_rows():
        if row["error"]:
            raise StageError(row["error"])
        advance(int(row["problems"]))
