"""Runs the task. The last step."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from carteiro.models.errors import InvalidOutput
from carteiro.schemas import OkReply
from carteiro.tasks.task import Task, TaskOutput
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics
from carteiro.worker.tools.request_tools import RequestTools
from carteiro.worker.tools.tool_loop import ToolCallingModel


@dataclass(frozen=True, slots=True)
class RunTask:
    """Runs the task by the request's models, and makes the reply of its output. Raises what the models raise."""

    task: Task[Any, Any]
    chain: FallbackChain
    shows_reasoning: bool

    async def __call__(self, context: RequestContext) -> OkReply[Any]:
        request, run, meter = context.parsed, context.fallback_run, context.meter
        work: Callable[[Any], Awaitable[TaskOutput[Any]]]
        work = context.turn.run if context.turn else partial(self.task.run, request)
        output = await run.run(partial(_work_with_tools, work, context.tools) if context.tools else work)
        if not run.is_metered:
            meter.record(run.model.name, output.usage)
        if output.reasoning and self.shows_reasoning and request.options.reasoning:
            output = replace(output, result=output.result.model_copy(update={"reasoning": output.reasoning}))
        if context.tools:
            output = replace(output, result=output.result.model_copy(update={"steps": context.tools.steps}))
        _check_serializable(output)
        timing = context.timing
        if not self.chain.uses_batches:
            seconds = time.monotonic() - context.started_at
            metrics.labelled(metrics.WORK_SECONDS, self.task.name, run.model.name).observe(seconds)
        return _ok_reply_type(self.task.request.result)(
            task=self.task.name,
            request_id=context.envelope.request_id,
            result=output.result,
            model=run.model.name,
            finish_reason=output.finish_reason,
            usage=meter.usage,
            timing=timing,
        )


async def _work_with_tools(
    work: Callable[[Any], Awaitable[TaskOutput[Any]]], tools: RequestTools, model: Any
) -> TaskOutput[Any]:
    return await work(ToolCallingModel(model, tools))


@cache
def _ok_reply_type(result: type[BaseModel]) -> type[OkReply[Any]]:
    # Pydantic's lookup of a generic model is too slow to repeat for each request.
    return OkReply[result]  # type: ignore[valid-type]


def _check_serializable(output: TaskOutput[Any]) -> None:
    try:
        output.result.model_dump_json()
    except PydanticSerializationError:
        raise InvalidOutput("the model's completion holds text that JSON in UTF-8 cannot carry") from None
