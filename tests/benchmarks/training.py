"""Print how many optimizer steps per second a tiny student trains on this machine's CPU.

    python tests/benchmarks/training.py

A T5 of 1.2 million parameters, batches of 32, one thread, one process, without Ray. Times depend on the machine;
compare two versions only on one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.context import LocalContext
from codeplan.student.loop import train
from codeplan.student.prepare import prepare

ARCHITECTURE = {"model_type": "t5", "d_model": 128, "d_kv": 32, "d_ff": 384, "num_layers": 3, "num_heads": 4}
STEPS = 40


def main() -> None:
    """Train once, and print the rates of the reports after the first."""
    problems = [
        Problem(
            problem_id=f"b/{n}",
            dataset="b",
            split="train",
            level="b",
            question=f"Read a list of numbers. Keep those above {n}, double them, and print their sum. " * 3,
            solutions=(f"values = map(int, input().split())\nprint(sum(v * 2 for v in values if v > {n}))",),
        )
        for n in range(100)
    ]
    plans = [
        Plan(
            problem_id=problem.problem_id,
            author="b",
            solution_index=0,
            text="1. Read.\n2. Filter.\n3. Double.\n4. Sum.",
        )
        for problem in problems
    ]
    student = StudentConfig(init="scratch", architecture=ARCHITECTURE, vocab_size=400, max_source_tokens=200)
    training = TrainingConfig(steps=STEPS, batch_size=32, micro_batch_size=16, validation_examples=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare(problems, plans, student, training, folder)
        context = LocalContext(folder / "train")
        start = time.perf_counter()
        train(
            context,
            initial=prepared.initial,
            examples=prepared.examples,
            training=training,
            execution=ExecutionConfig(),
            trained=folder / "student",
        )
        seconds = time.perf_counter() - start
    reports = context.history[1:]
    examples = sum(report["examples_per_s"] for report in reports) / len(reports)
    tokens = sum(report["tokens_per_s"] for report in reports) / len(reports)
    print(
        f"{STEPS} steps in {seconds:.1f} s, start and end included; {examples / training.batch_size:.2f} steps/s, "
        f"{examples:,.0f} examples/s, {tokens:,.0f} tokens/s"
    )


if __name__ == "__main__":
    main()
