"""A request to the teacher as a trace in MLflow: messages, answer, tokens, cost and how long it took; never a key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from codeplan.tracking import names

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True)
class TeacherCall:
    """One request and what came of it, as plain data.

    Attributes:
        key: identifies the request.
        model: the teacher's model.
        messages: of the prompt, each with ``role`` and ``content``.
        settings: sampling settings.
        answer: the answer's text; empty where it failed.
        error: why there is no answer; empty where there is one.
        prompt_tokens: as the teacher counts.
        completion_tokens: as the teacher counts.
        cost_usd: what was paid.
        started: when it was sent, in seconds since the epoch.
        seconds: until the answer was there, pauses and repeated attempts included.
    """

    key: str
    model: str
    messages: Sequence[Mapping[str, str]]
    settings: Mapping[str, Any]
    answer: str
    error: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    started: float
    seconds: float

    def plain(self) -> dict[str, Any]:
        """As the argument of `log_trace`."""
        return asdict(self)


def log_trace(client: MlflowClient, run_id: str, experiment_id: str, plain: Mapping[str, Any]) -> None:
    """Add a request, as `TeacherCall.plain` gives it, to a run: an operation, see `codeplan.tracking.operations`.

    A trace's id follows from run and request, so that sending it again changes nothing.
    """
    # The public functions trace into the process-wide experiment and send from a thread of their own, which only logs
    # its errors.
    tracing = client._tracing_client
    call = TeacherCall(**_valid(plain))
    trace_id = hashlib.sha256(f"{run_id}/{call.key}".encode()).hexdigest()[:32]
    tracing.start_trace(_info(call, f"tr-{trace_id}", run_id, experiment_id))
    tracing.log_spans(experiment_id, [_span(call, trace_id)])


def _valid(value: Any) -> Any:
    """The same plain data with text that every database accepts."""
    if isinstance(value, str):
        return names.text(value)
    if isinstance(value, Mapping):
        return {key: _valid(inner) for key, inner in value.items()}
    return [_valid(inner) for inner in value] if isinstance(value, list | tuple) else value


def _usage(call: TeacherCall) -> dict[str, int]:
    return {
        "input_tokens": call.prompt_tokens,
        "output_tokens": call.completion_tokens,
        "total_tokens": call.prompt_tokens + call.completion_tokens,
    }


def _info(call: TeacherCall, trace_id: str, run_id: str, experiment_id: str) -> Any:
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    metadata = {"mlflow.sourceRun": run_id, "mlflow.trace.tokenUsage": json.dumps(_usage(call))}
    metadata["mlflow.trace_schema.version"] = "3"
    if call.cost_usd:
        metadata["mlflow.trace.cost"] = json.dumps({"total_cost": call.cost_usd})
    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=int(call.started * 1000),
        execution_duration=int(call.seconds * 1000),
        state=TraceState.ERROR if call.error else TraceState.OK,
        request_preview=call.messages[-1]["content"][:_PREVIEW] if call.messages else "",
        response_preview=(call.answer or call.error)[:_PREVIEW],
        trace_metadata=metadata,
        tags={"mlflow.traceName": "teacher", "codeplan.teacher": call.model},
    )


def _span(call: TeacherCall, trace_id: str) -> Any:
    from mlflow.entities import Span

    start = int(call.started * 1e9)
    attributes = {
        "mlflow.traceRequestId": f"tr-{trace_id}",
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanInputs": {"messages": [dict(message) for message in call.messages], **call.settings},
        "mlflow.spanOutputs": {"choices": [{"message": {"role": "assistant", "content": call.answer}}]}
        if call.answer
        else {"error": call.error},
        "mlflow.chat.tokenUsage": _usage(call),
        "mlflow.llm.model": call.model,
        "mlflow.message.format": "openai",
    }
    if call.cost_usd:
        attributes["mlflow.llm.cost"] = {"total_cost": call.cost_usd}
    return Span.from_dict(
        {
            "trace_id": base64.b64encode(bytes.fromhex(trace_id)).decode(),
            "span_id": base64.b64encode(bytes.fromhex(trace_id[:16])).decode(),
            "parent_span_id": "",
            "name": "teacher",
            "start_time_unix_nano": start,
            "end_time_unix_nano": start + int(call.seconds * 1e9),
            "attributes": {key: json.dumps(value) for key, value in attributes.items()},
            "status": {
                "code": "STATUS_CODE_ERROR" if call.error else "STATUS_CODE_OK",
                "message": call.error,
            },
            "events": [],
        }
    )


_PREVIEW = 1000
"""Characters that the list of traces shows."""
