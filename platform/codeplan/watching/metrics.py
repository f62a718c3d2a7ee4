"""All metrics, declared once. Prometheus shows them with Ray's prefix: ``ray_codeplan_teacher_answers_total``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "ray_"
"""What Ray puts before each name."""

COMMON_TAGS = ("run", "ray_job", "stage", "identity")
"""Tags of every metric: the MLflow run's id, the Ray job's submission id (empty outside a job), the stage's title, and
the first characters of its fingerprint."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: in Prometheus' style, without Ray's prefix.
        kind: a counter grows, and its name ends with ``_total``; a gauge is set; a histogram counts values by bucket.
        description: one sentence.
        tags: its own, beside `COMMON_TAGS`; each has few values.
        buckets: upper bounds, of a histogram.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    tags: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exported_name(self) -> str:
        """The name in Prometheus; a histogram's series have the suffixes ``_bucket``, ``_sum`` and ``_count``."""
        return PREFIX + self.name


def _counter(name: str, description: str, *tags: str) -> Metric:
    return Metric(f"codeplan_{name}_total", "counter", description, tags)


def _gauge(name: str, description: str, *tags: str) -> Metric:
    return Metric(f"codeplan_{name}", "gauge", description, tags)


TEACHER_ANSWERS = _counter(
    "teacher_answers",
    "Requests that are settled: answered (paid), cached, failed, over_budget, stopped or not_asked.",
    "outcome",
)
TEACHER_TOKENS = _counter("teacher_tokens", "Tokens of paid answers: prompt or completion.", "kind")
TEACHER_COST = _counter("teacher_cost_usd", "What paid answers cost, in US dollars.")
TEACHER_RETRIES = _counter("teacher_retries", "Attempts that failed and were repeated, by cause.", "reason")
TEACHER_SECONDS = Metric(
    "codeplan_teacher_answer_seconds",
    "histogram",
    "From sending a request to its answer, repeated attempts and pauses included.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0),
)
TEACHER_IN_FLIGHT = _gauge("teacher_requests_in_flight", "Requests that one actor has sent and has no answer to yet.")
TEACHER_PENDING = _gauge("teacher_requests_pending", "Requests of the stage that are not settled, in flight included.")

SAMPLED_SEQUENCES = _counter("sampled_sequences", "Sequences that the student generated: plan or program.", "kind")
SAMPLED_TOKENS = _counter("sampled_tokens", "Tokens that the student generated, by plan or program.", "kind")
SAMPLED_PROBLEMS = _counter("sampled_problems", "Problems whose samples are complete.")
SAMPLE_PENDING = _gauge("sample_problems_pending", "Problems of the stage whose samples are not complete.")

JUDGED_PROGRAMS = _counter("judged_programs", "Programs that were judged, by outcome.", "outcome")
JUDGED_TESTS = _counter("judged_tests", "Tests that were run, by outcome.", "outcome")
JUDGE_PENDING = _gauge("judge_programs_pending", "Programs of one caller that wait for a verdict or are being judged.")

TRAINING_STEPS = _counter("training_steps", "Optimizer steps.")
TRAINING_TOKENS = _counter("training_tokens", "Target tokens trained on, of all tasks.")
TRAINING_LOSS = _gauge("training_loss", "Mean training loss since the last report.")
TRAINING_PENDING = _gauge("training_steps_pending", "Steps until the end of the training.")

STAGES = _counter("stages", "Stages that are over: computed, reused, stopped or failed.", "outcome")
POOL_RECORDS = _counter("pool_records", "Records that a stage needed from a pool: reused or added.", "pool", "outcome")
FAILURES = _counter(
    "failures",
    "What went wrong and was handled or ended the stage: a teacher's rejected, rate_limited, timeout, connection, "
    "server_error, malformed_answer or refused; sandbox, judge_actor_restarted, training_workers, stage.",
    "kind",
)
WAITING = _gauge("waiting_for_resources", "1 while nothing gets done because the cluster has no room, else 0.")

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in order."""
