"""Opens the tools that the worker runs for a request."""

from dataclasses import dataclass
from typing import Any

from carteiro.schemas import FieldError, OkReply
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.tools import ToolOptions
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.parsing import invalid_field
from carteiro.worker.tools.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class ServeTools:
    """Gives a request the tools that it names, or the service's default.

    Raises `RequestRejected` for a name that is not in the service's file.
    """

    toolbox: Toolbox | None
    """None if the service has no tools."""

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.parsed
        if not isinstance(request, ToolOptions) or not (names := self._names(request)):
            return await handle(context)
        assert self.toolbox is not None
        context.activity = "the service was opening its tools"
        tools = await self.toolbox.open(names, by_default=request.served_tools is None)
        served = {tool.name for tool in tools.definitions}
        for number, tool in enumerate(request.tools):
            if tool.function.name in served:
                reason = "is the name of a served tool: rename it, or send served_tools without it, such as []"
                raise invalid_field(FieldError(field=f"tools.{number}.function.name", reason=reason))
        context.tools, tools.journal, tools.step = tools, context.journal, context.envelope.step
        context.activity = "the model and its tools were at work"
        return await handle(context)

    def _names(self, request: ToolOptions) -> list[str]:
        if request.served_tools is None:
            has_schema = isinstance(request, GenerateRequest) and request.json_schema is not None
            return [] if self.toolbox is None or has_schema else list(self.toolbox.default)
        known = self.toolbox.sources if self.toolbox else {}
        for number, name in enumerate(request.served_tools):
            if name not in known:
                reason = "is not served here (CARTEIRO_TOOLS)"
                raise invalid_field(FieldError(field=f"served_tools.{number}", reason=reason))
        return list(dict.fromkeys(request.served_tools))
