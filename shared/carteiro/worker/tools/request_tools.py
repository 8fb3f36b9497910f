"""The served tools of one request: their calls, and the steps that its reply tells."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from carteiro.models.errors import ModelError, Unsupported
from carteiro.models.json_output import compact_json
from carteiro.models.prompt import RawToolCall, ToolDefinition
from carteiro.models.written_calls import arguments_object
from carteiro.schemas.tools import ToolStep
from carteiro.tasks.tools import ToolSet
from carteiro.text.units import utf8_length
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics
from carteiro.worker.observability.tracing import tool_span
from carteiro.worker.tools.interface import ToolFailed, ToolSource

log = structlog.get_logger("carteiro.worker")

MAX_RESULT_CHARACTERS = 20_000
"""Maximum characters of a result that the model reads."""
_MAX_ERROR_CHARACTERS = 2000
_MAX_SHOWN_CHARACTERS = 1000
"""Maximum characters of a result in the reply."""
_MAX_SHOWN_BYTES = 200_000
"""Maximum bytes of results and arguments in the reply. Later calls are shown without them: a reply that is too large
cannot be sent.
"""
_MAX_SHOWN_ARGUMENTS = 4000
"""Maximum characters of a call's arguments in the reply: those of all calls must not make it too large to be sent."""


@dataclass(frozen=True, slots=True)
class _MadeCall:
    key: tuple[str, str]
    result: str
    step: ToolStep


class RequestTools:
    """The tools that the models of one request may call.

    `sources` are the sources by the names of their tools. `unreachable` are steps for sources whose tools are unknown.
    """

    def __init__(
        self,
        definitions: Sequence[ToolDefinition],
        sources: Mapping[str, ToolSource],
        max_rounds: int,
        unreachable: Sequence[ToolStep] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        by_default: bool = False,
    ) -> None:
        """The tools are `by_default` if the operator chose them, and not the request."""
        self.definitions, self.max_rounds = definitions, max_rounds
        self._sources, self._unreachable, self._clock, self._by_default = sources, unreachable, clock, by_default
        self._tools = ToolSet(definitions, "served_tools")
        self.journal: RequestJournal | None = None
        """Finished calls of models; None if they are not kept."""
        self.step = ""
        """Name of the enrichment's step that makes the request. Steps share a journal, and no calls."""
        self._begun: Counter[tuple[str, str]] = Counter()
        """Calls of the attempt, by tool and arguments."""
        self._steps: list[ToolStep] = []
        self._shown_bytes = 0
        self._made: list[_MadeCall] = []
        """Calls of the present attempt."""
        self._reusable: list[_MadeCall] = []

    @property
    def steps(self) -> list[ToolStep]:
        """All calls that were made, in the order of their ends."""
        return [*self._unreachable, *self._steps]

    def begin_attempt(self) -> None:
        """Begin the loop again, with another model or a shorter prompt. Results of equal calls are used again."""
        self._reusable += [made for made in self._made if not made.step.failed]
        self._made = []
        self._begun.clear()

    def refusal(self, model: str) -> Unsupported:
        """Return the error of a model that cannot call them, for a request without tools of its own."""
        if not self._by_default:
            return Unsupported(f"{model} cannot call tools: send served_tools: [], or take another model", "tools")
        return Unsupported(
            f"{model} cannot call tools, and this service gives some to every request: send served_tools: []. "
            "The operator can take another model, or leave out default in the file of CARTEIRO_TOOLS",
            "tools",
        )

    async def begin_calls(self) -> None:
        """Keep the completion that asks for calls before they are made, so that a crash does not lead to others."""
        if self.journal is not None:
            await self.journal.keep_finished()

    async def call(self, call: RawToolCall, max_characters: int) -> str:
        """Return the result of a call for the model: an error text if the call fails. It never raises.

        The result has at most `max_characters`, and a note if it is cut.
        """
        key = (call.name, call.arguments.strip() and compact_json(arguments_object(call)))
        self._begun[key] += 1
        number = self._begun[key]
        made = next((each for each in self._reusable if each.key == key), None)
        if made is not None:
            self._reusable.remove(made)
        else:
            made = await self._make(key, call, number)
        self._made.append(made)
        return shorten(made.result, max_characters)

    async def _make(self, key: tuple[str, str], call: RawToolCall, number: int) -> _MadeCall:
        began = self._clock()
        failed = False
        name = call.name if call.name in self._sources else "unknown"
        with tool_span(name) as record_failure:
            try:
                text = await self._result_of(call, self._idempotency_key(key, number))
                result = _clean(text) or "(The tool returned nothing.)"
            except ToolFailed as error:
                failed, result = True, shorten(f"Error: {_clean(str(error))}", _MAX_ERROR_CHARACTERS)
                record_failure()
        seconds = self._clock() - began
        metrics.labelled(metrics.TOOL_SECONDS, name, "failed" if failed else "ok").observe(seconds)
        arguments = call.arguments if len(call.arguments) <= _MAX_SHOWN_ARGUMENTS else ""
        shown = result[:_MAX_SHOWN_CHARACTERS]
        self._shown_bytes += utf8_length(arguments) + utf8_length(shown)
        is_shown = self._shown_bytes <= _MAX_SHOWN_BYTES
        step = ToolStep(
            tool=call.name[:64],
            arguments=arguments_object(call) if arguments and is_shown else {},
            result=shown if is_shown else "",
            result_characters=len(result),
            failed=failed,
            seconds=round(seconds, 3),
        )
        self._steps.append(step)
        return _MadeCall(key, result, step)

    def _idempotency_key(self, key: tuple[str, str], number: int) -> str:
        """Return the key of the call with this number among equal ones of the request."""
        if self.journal is None:
            return ""
        request = [self.journal.request_id, self.step] if self.step else [self.journal.request_id]
        return hashlib.sha256(json.dumps([*request, *key, number]).encode()).hexdigest()[:32]

    async def _result_of(self, call: RawToolCall, idempotency_key: str) -> str:
        """Return the result of a call. Raise `ToolFailed`."""
        try:
            problem = await self._tools.problem(call)
        except ModelError as error:
            raise ToolFailed(error.message) from None
        if problem is not None:
            raise ToolFailed(problem)
        source = self._sources[call.name]
        try:
            async with asyncio.timeout(source.timeout):
                return await source.call(call.name, arguments_object(call), idempotency_key)
        except ToolFailed:
            raise
        except TimeoutError:
            raise ToolFailed(f"The tool did not answer within {source.timeout:g} s.") from None
        except Exception as error:  # noqa: BLE001  # a tool must not cost the request
            # The message is not logged: it may quote the arguments.
            log.warning("a served tool failed", tool=call.name, reason=type(error).__name__)
            raise ToolFailed("The tool failed.") from None


def shorten(text: str, max_characters: int) -> str:
    """Return a text, with a note in the place of what is beyond the limit."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}\n[Cut: the first {max_characters:,} of {len(text):,} characters.]"


def _clean(text: str) -> str:
    """Return a text that JSON in UTF-8 can carry."""
    return text.encode(errors="replace").decode().replace("\x00", "").strip()
