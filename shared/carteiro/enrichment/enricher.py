"""Runs the steps of an enrichment on one event."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentStep, OnError
from carteiro.enrichment.expression import ExpressionFailed, Path
from carteiro.wire.event_format import DecodedEvent, MemberRefused
from carteiro.wire.json_members import NotJson, to_json
from carteiro.wire.record import Headers

P = ParamSpec("P")
T = TypeVar("T")

CallTask = Callable[[EnrichmentStep, Any], Awaitable[dict[str, Any]]]
"""Sends a step's request to its task, and returns the result as a JSON object. Raises `StepFailed`."""

Action = Literal["send", "drop", "dead_letter"]
_ACTIONS: dict[OnError, Action] = {"keep": "send", "drop": "drop", "dead_letter": "dead_letter"}


class StepFailed(Exception):
    """A step has no result. `code` is the code of an error reply; the message is for the event's consumers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class StepError:
    """A step that failed, the file's condition that failed, or an event that cannot be read or written into."""

    step: EnrichmentStep | Literal["when", "event"]
    code: str
    message: str

    @property
    def name(self) -> str:
        """Name of the step, or `when` or `event`."""
        return self.step if isinstance(self.step, str) else self.step.name

    @property
    def on_error(self) -> OnError | None:
        """Action of the step itself; None for the file's."""
        return None if isinstance(self.step, str) else self.step.on_error

    def as_json(self) -> dict[str, str]:
        """Return the error as an entry of the event's list of errors."""
        return (
            {"step": self.name}
            | ({} if isinstance(self.step, str) else {"task": self.step.task})
            | {"code": self.code, "message": self.message}
        )


@dataclass(frozen=True, slots=True)
class EnrichedEvent:
    """The end of an event's enrichment."""

    action: Action
    value: bytes
    """The event's new value; the old one if it is dropped or becomes a dead letter."""
    errors: tuple[StepError, ...] = ()
    headers: Headers = ()
    """Headers that take the place of the event's headers of the same names."""


class _Call(Protocol):
    """Calls a function: `asyncio.to_thread` for a large event, so that heartbeats continue."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


@dataclass(slots=True)
class _Results:
    values: dict[int, Any] = field(default_factory=dict)
    """Results by the number of their step."""
    errors: dict[int, StepError] = field(default_factory=dict)


class Enricher:
    """Runs the steps of a file. Steps that do not read each other's results run at once."""

    def __init__(self, file: EnrichmentFile, call_task: CallTask) -> None:
        self._file, self._call_task, self._needs = file, call_task, file.needs

    async def enrich(self, event: DecodedEvent) -> EnrichedEvent:
        """Return the event with the results of all steps, or what is done with it because a step failed."""
        results = _Results()
        call: _Call = asyncio.to_thread if event.is_large else _call_at_once
        try:
            if self._file.when is not None and not await call(self._file.when.is_true, event.document):
                return EnrichedEvent("send", event.value)
        except ExpressionFailed as error:
            results.errors[-1] = StepError("when", "invalid_request", str(error))
        try:
            await event.prepare()
        except MemberRefused as error:
            return self._refuse(event, error, ())
        if not results.errors:
            await self._run_steps(event, results, call)
        return await call(self._finish, event, results)

    async def _run_steps(self, event: DecodedEvent, results: _Results, call: _Call) -> None:
        if len(self._needs) == 1:  # A task of its own would cost more than the step.
            await self._run_step(0, event, results, call)
            return
        ended = [asyncio.Event() for _ in self._needs]

        async def run(index: int) -> None:
            for needed in self._needs[index]:
                await ended[needed].wait()
            await self._run_step(index, event, results, call)
            ended[index].set()

        async with asyncio.TaskGroup() as group:
            for index in range(len(self._needs)):
                group.create_task(run(index))

    async def _run_step(self, index: int, event: DecodedEvent, results: _Results, call: _Call) -> None:
        """Run a step whose needed steps have ended, and add its result or its error to `results`."""
        step, document = self._file.steps[index], event.document
        try:
            for needed in self._needs[index]:
                if needed in results.errors:
                    raise StepFailed("skipped", f"it needs {self._file.steps[needed].name}, which failed")
                if needed in results.values:
                    document = _with_value(document, self._file.steps[needed].into, results.values[needed])
            if step.when is not None and not await call(step.when.is_true, document):
                return
            await call(event.check_place, step.into)  # before a call of a model is paid
            result = await self._call_task(step, await call(step.request.evaluate, document))
            value = step.take.evaluate(result)
            to_json(value)
            results.values[index] = value
        except NotJson as error:
            results.errors[index] = StepError(step, "invalid_request", f"take: {step.take.text} {error}")
        except ExpressionFailed as error:
            results.errors[index] = StepError(step, "invalid_request", str(error))
        except MemberRefused as error:
            results.errors[index] = StepError(step, "invalid_request", f"cannot write into the event: {error}")
        except StepFailed as error:
            results.errors[index] = StepError(step, error.code, str(error))

    def _finish(self, event: DecodedEvent, results: _Results) -> EnrichedEvent:
        errors = tuple(results.errors[index] for index in sorted(results.errors))
        actions = {error.on_error or self._file.on_error for error in errors}
        if "dead_letter" in actions:
            return EnrichedEvent("dead_letter", event.value, errors)
        if "drop" in actions:
            return EnrichedEvent("drop", event.value, errors)
        members = {self._file.steps[index].into: results.values[index] for index in sorted(results.values)}
        if errors:
            members[self._file.errors_into] = [error.as_json() for error in errors]
        if not members:
            return EnrichedEvent("send", event.value)
        try:
            encoded = event.encode(members)
        except MemberRefused as error:
            return self._refuse(event, error, errors)
        return EnrichedEvent("send", encoded.value, errors, encoded.headers)

    def _refuse(self, event: DecodedEvent, error: MemberRefused, errors: tuple[StepError, ...]) -> EnrichedEvent:
        """Return what becomes of an event into which nothing can be written, not even its errors."""
        refused = StepError("event", "invalid_request", f"cannot write into the event: {error}")
        return EnrichedEvent(_ACTIONS[self._file.on_error], event.value, (*errors, refused))


async def _call_at_once(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function without a thread."""
    return function(*args, **kwargs)


def _with_value(document: Any, path: Path, value: Any) -> Any:
    """Return `document` with `value` at `path`. What is not on the path is shared, not copied."""
    if not path:
        return value
    members = document if isinstance(document, dict) else {}
    return members | {path[0]: _with_value(members.get(path[0]), path[1:], value)}
