"""Print how many tokens per second a tiny student samples on this machine's CPU.

    python tests/benchmarks/generation.py

A T5 of 1.5 million parameters with random weights, 256 sequences at once, 16 samples per prompt. Its texts end at
random, as a student's do. Times depend on the machine; compare two versions only on one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from codeplan.config import StudentConfig
from codeplan.records import Problem
from codeplan.student.generation import Generator
from codeplan.student.generation_request import GenerationRequest
from codeplan.student.model import build_student, save_student

ARCHITECTURE = {"model_type": "t5", "d_model": 128, "d_kv": 32, "d_ff": 384, "num_layers": 3, "num_heads": 4}
TEXTS = ["def solve(values):\n    return sum(value * 2 for value in values if value > 0)\n"] * 50


def main() -> None:
    """Build the student, generate once to warm up, and once to measure."""
    config = StudentConfig(
        init="scratch",
        architecture={**ARCHITECTURE, "tie_word_embeddings": False},
        vocab_size=600,
        max_source_tokens=200,
        max_plan_source_tokens=300,
        max_target_tokens=128,
    )
    problems = [
        Problem(
            problem_id=f"b/{n}", dataset="b", split="test", level="b", question="Double what is positive. " * (5 + n)
        )
        for n in range(32)
    ]
    requests = [
        GenerationRequest(problem, "code", rng_key=f"{problem.problem_id}/{n}")
        for problem in problems
        for n in range(16)
    ]
    with tempfile.TemporaryDirectory() as folder:
        student = build_student(config, TEXTS)
        size = sum(weights.numel() for weights in student.model.parameters())
        save_student(student, Path(folder))
        generator = Generator(Path(folder), batch=256, threads=1)
        generator.generate(requests[:32], temperature=1.0, top_p=0.95)
        start = time.perf_counter()
        generations = generator.generate(requests, temperature=2.0, top_p=0.95)
        seconds = time.perf_counter() - start
    tokens = sum(generation.tokens for generation in generations)
    print(
        f"{size:,} parameters, {len(requests)} texts, {tokens} tokens in {seconds:.1f} s: "
        f"{tokens / seconds:,.0f} tokens/s"
    )


if __name__ == "__main__":
    main()
