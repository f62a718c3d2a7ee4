"""Asking a student: greedy or sampled texts for any of its tasks, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from codeplan.config import Task
from codeplan.student.asks import Ask, Generation
from codeplan.student.decoding import decode
from codeplan.student.model import load_student
from codeplan.student.picking import Picker
from codeplan.student.tasks import DEFINITIONS, Head, PromptTooLongError, decode_target, encode_source


class Generator:
    """A student, loaded and ready to be asked.

    Args:
        folder: the student's folder.
        batch: sequences generated at once.
        device: where it computes, for example ``cpu`` or ``cuda:0``.
        threads: threads of torch in this process; None leaves them as they are.
    """

    def __init__(self, folder: Path, *, batch: int, device: str = "cpu", threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._student = load_student(folder)
        self._student.model.to(device).eval()
        self._batch = batch

    def generate(self, asks: Sequence[Ask], *, temperature: float, top_p: float) -> list[Generation]:
        """Write a text for each ask; the results come in the order of the asks.

        Equal prompts are read once a batch. Asks are batched by head and by length, to limit padding.
        """
        results: dict[int, Generation] = {}
        queue: list[tuple[Head, int, tuple[int, ...], int]] = []
        prompts: dict[tuple[str, Task, str], tuple[int, ...]] = {}
        for number, ask in enumerate(asks):
            try:
                prompt = self._prompt(ask, prompts)
            except PromptTooLongError as error:
                results[number] = Generation("", 0, finished=False, lost=error.part)
            else:
                queue.append((DEFINITIONS[ask.task].head, len(prompt), prompt, number))
        queue.sort()
        for head in ("code", "plan"):
            ready = [(prompt, number) for its_head, _, prompt, number in queue if its_head == head]
            for start in range(0, len(ready), self._batch):
                results.update(self._write(asks, ready[start : start + self._batch], temperature, top_p))
        return [results[number] for number in range(len(asks))]

    def _prompt(self, ask: Ask, known: dict[tuple[str, Task, str], tuple[int, ...]]) -> tuple[int, ...]:
        key = (ask.problem.problem_id, ask.task, ask.plan)
        if key not in known:
            source = encode_source(ask.task, ask.problem, ask.plan, self._student.tokenizer, self._student.limits)
            known[key] = tuple(source.ids)
        return known[key]

    def _write(
        self, asks: Sequence[Ask], rows: Sequence[tuple[tuple[int, ...], int]], temperature: float, top_p: float
    ) -> dict[int, Generation]:
        student = self._student
        mine = [asks[number] for _, number in rows]
        student.use(mine[0].task)
        distinct = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompt for prompt, _ in rows))}
        picker = Picker(
            [ask.stream for ask in mine], [ask.greedy for ask in mine], student.limits.target, temperature, top_p
        )
        written = decode(student, list(distinct), [distinct[prompt] for prompt, _ in rows], picker.pick)
        eos = student.tokenizer.eos_token_id
        return {
            number: Generation(decode_target(ids, student.tokenizer), len(ids), finished=ids[-1] == eos)
            for (_, number), ids in zip(rows, written, strict=True)
        }
