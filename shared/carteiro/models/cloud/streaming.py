"""Answers in pieces: read as they come, or from the body of a server that streams without being asked to."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import httpx2

from carteiro.models.answer_stream import AnswerStream
from carteiro.models.cloud.api import EndpointApi
from carteiro.models.cloud.call_usage import CallUsageMeter
from carteiro.models.cloud.choice_stream import ChoiceStreamAccumulator
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_in
from carteiro.models.cloud.event_stream import EventDecoder, read_events
from carteiro.models.cloud.message_content import IncrementalTextDecoder
from carteiro.models.cloud.message_stream import MessageStreamAccumulator
from carteiro.models.cloud.response_body import read_headers
from carteiro.models.cloud.response_stream import ResponseStreamAccumulator
from carteiro.models.errors import Unavailable


class StreamAccumulator(Protocol):
    """Protocol of an accumulator for an answer that is streamed."""

    def add(self, piece: Any) -> str:
        """Return the text that the piece adds."""

    @property
    def may_end(self) -> bool:
        """True if the answer may end here."""

    @property
    def finished(self) -> bool:
        """True if only the usage is still missing."""

    @property
    def truncated(self) -> bool:
        """True if a limit of tokens ended the answer."""

    @property
    def has_reasoning(self) -> bool:
        """True if the reasoning came in a field of its own."""

    def answer(self) -> Any:
        """Return the answer's JSON, as an answer without streaming would have it."""


ACCUMULATORS: Mapping[EndpointApi, Callable[[], StreamAccumulator]] = {
    "chat": ChoiceStreamAccumulator,
    "responses": ResponseStreamAccumulator,
    "completions": ChoiceStreamAccumulator,
    "messages": MessageStreamAccumulator,
}


class StreamedAnswer:
    """One answer in pieces. `name` is the model's name in failures, `headers` are those of the response, and
    `request_body` is the body of the request.
    """

    def __init__(self, name: str, endpoint: Endpoint, headers: Mapping[str, str], request_body: Any) -> None:
        self._name, self._endpoint, self._headers, self._request_body = name, endpoint, headers, request_body
        self.pieces = ACCUMULATORS[endpoint.api]()

    async def read(self, response: httpx2.Response, shown: AnswerStream) -> bool:
        """Read the events of a response, and pass their text on to `shown`. Return True if the answer is complete.

        Raise the failure in an event, `BodyTooLarge` or `IncompleteBody`.
        """
        ended, decoder = False, IncrementalTextDecoder()
        async with aclosing(response), aclosing(read_events(response, lambda: self.pieces.finished)) as events:
            async for event in events:
                if event.last:
                    ended = True
                    continue
                text = decoder.add(self._text_of_event(event.data))
                if self.pieces.has_reasoning:
                    shown.reasoning.mark_reasoning_separate()
                shown.add(text)
        complete = ended or self.pieces.may_end
        if complete:
            shown.add(decoder.end())
            shown.end(cut=self.pieces.truncated)
        return complete

    def decode(self, content: bytes) -> Any:
        """Return the answer's JSON in a complete body of events; None if the answer is incomplete. Raise the failure in
        an event.
        """
        decoder, ended = EventDecoder(), False
        for event in (*decoder.feed(content), *decoder.end()):
            if event.last:
                ended = True
            else:
                self._text_of_event(event.data)
        return self.pieces.answer() if ended or self.pieces.may_end else None

    def _text_of_event(self, data: Any) -> str:
        """Return the text that an event adds. Raise the failure in the event, unless the answer is already complete."""
        failure = failure_in(data, self._name, self._endpoint, self._headers, self._request_body)
        if failure is None:
            return self.pieces.add(data)
        if not self.pieces.finished:
            raise failure
        return ""  # A failure after the answer only concerns the server's bookkeeping.


async def stream_answer(
    connection: ProviderConnection,
    path: str,
    body: dict[str, Any],
    shown: AnswerStream,
    meter: CallUsageMeter,
    timeout: float | None = None,
) -> tuple[Any, Mapping[str, str]]:
    """Make one call whose answer comes in pieces, and pass its text on to `shown`.

    `timeout` is in seconds; the default is the connection's.

    Return the answer's JSON, as an answer without streaming would have it, and the headers of the response. Raise the
    errors of `carteiro.models.errors`.
    """
    async with connection.translate_errors(timeout, request_body=body):
        response = await connection.post(path, body)
        headers = read_headers(response)
        answer = StreamedAnswer(connection.name, connection.endpoint, headers, body)
        meter.watch_stream(answer.pieces.answer)
        if not await answer.read(response, shown):
            raise Unavailable(f"{connection.name} stopped half way through its answer") from ConnectionError("cut")
    return answer.pieces.answer(), headers
