"""Generation: greedy or sampled texts for any of a student's tasks, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from codeplan.config import Task
from codeplan.student.decoding import decode
from codeplan.student.errors import StudentError
from codeplan.student.generation_request import Generation, GenerationRequest
from codeplan.student.model import load_student
from codeplan.student.tasks import DEFINITIONS, Head, PromptTooLongError, decode_target, encode_source, prompt_task
from codeplan.student.token_sampling import TokenSampler


class Generator:
    """A loaded student that answers generation requests.

    Args:
        folder: the student's folder.
        batch: sequences generated at once.
        device: for example ``cpu`` or ``cuda:0``.
        threads: PyTorch threads of this process; None leaves the setting alone.
    """

    def __init__(self, folder: Path, *, batch: int, device: str = "cpu", threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._student = load_student(folder)
        self._student.model.to(device).eval()
        self._batch = batch

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        """Generate a text per request; the results are in the order of the requests.

        Equal prompts are prefilled once per batch. Requests are batched by head and by length, to limit padding.

        Raises:
            StudentError: the student was not trained on a request's task.
        """
        results: dict[int, Generation] = {}
        queue: list[tuple[Head, int, tuple[int, ...], int]] = []
        prompts: dict[tuple[str, Task, str], tuple[int, ...]] = {}
        for index, request in enumerate(requests):
            try:
                prompt = self._prompt(request, prompts)
            except PromptTooLongError as error:
                results[index] = Generation("", 0, finished=False, dropped=error.part)
            else:
                queue.append((DEFINITIONS[request.task].head, len(prompt), prompt, index))
        queue.sort()
        for head in ("code", "plan"):
            ready = [(prompt, index) for its_head, _, prompt, index in queue if its_head == head]
            for start in range(0, len(ready), self._batch):
                results.update(self._generate(requests, ready[start : start + self._batch], temperature, top_p))
        return [results[index] for index in range(len(requests))]

    def _prompt(
        self, request: GenerationRequest, known: dict[tuple[str, Task, str], tuple[int, ...]]
    ) -> tuple[int, ...]:
        key = (request.problem.problem_id, request.task, request.plan)
        if key not in known:
            student = self._student
            trained = student.trained_tasks
            if prompt_task(request.task, trained) not in trained:
                raise StudentError(
                    f"the student was trained on {', '.join(trained)} and cannot generate for task {request.task}; set "
                    f"training.mixing.{request.task} above 0 and train it again"
                )
            source = encode_source(
                request.task, request.problem, request.plan, student.tokenizer, student.limits, trained=trained
            )
            known[key] = tuple(source.ids)
        return known[key]

    def _generate(
        self,
        requests: Sequence[GenerationRequest],
        rows: Sequence[tuple[tuple[int, ...], int]],
        temperature: float,
        top_p: float,
    ) -> dict[int, Generation]:
        student = self._student
        mine = [requests[index] for _, index in rows]
        student.use(mine[0].task)
        distinct = {prompt: index for index, prompt in enumerate(dict.fromkeys(prompt for prompt, _ in rows))}
        sampler = TokenSampler(
            [request.rng_key for request in mine],
            [request.greedy for request in mine],
            student.limits.target,
            temperature,
            top_p,
        )
        generated = decode(student, list(distinct), [distinct[prompt] for prompt, _ in rows], sampler.next_tokens)
        eos = student.tokenizer.eos_token_id
        return {
            index: Generation(decode_target(ids, student.tokenizer), len(ids), finished=ids[-1] == eos)
            for (_, index), ids in zip(rows, generated, strict=True)
        }
