"""Answers of the three APIs with the odd parts of real servers, complete and in pieces."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from carteiro.models.cloud.client import CloudModel
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from tests.provider import Provider

Json = dict[str, Any]
PROMPT = Prompt(messages=[Message("user", "one two three")])
USAGE = {"prompt_tokens": 3, "completion_tokens": 20, "input_tokens": 3, "output_tokens": 20, "total_tokens": 23}


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT: Any = _Absent()
ABSENT = _ABSENT


def full_answer(api: str, text: Any, reason: Any = "stop", usage: Any = USAGE, **more: Any) -> Json:
    """Return a complete answer. `more` goes into the message, the choice of Completions, or the response."""
    if api == "responses":
        content = text if isinstance(text, list) else [{"type": "output_text", "text": text}]
        output = [{"type": "message", "role": "assistant", "content": content}]
        body: Json = {"object": "response", "output": output, "usage": usage, **more}
        if reason == "length":
            return body | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return body | ({} if reason is ABSENT else {"status": "completed" if reason == "stop" else reason})
    choice: Json = {"index": 0} | ({} if reason is ABSENT else {"finish_reason": reason})
    choice |= {"text": text, **more} if api == "completions" else {"message": {"content": text, **more}}
    return {"id": "x", "choices": [choice], "usage": usage}


def stream_chunks(api: str, texts: Iterable[Any], reason: Any = "stop", usage: Any = USAGE) -> list[Json]:
    """Return the same answer in pieces."""
    if api == "responses":
        begun = {"type": "response.created", "response": {"status": "in_progress", "output": []}}
        deltas = [{"type": "response.output_text.delta", "output_index": 0, "delta": text} for text in texts]
        text = "".join(text for text in texts if isinstance(text, str))
        last = full_answer(api, text, reason, usage)
        kind = "incomplete" if reason == "length" else "completed"
        return [begun, *deltas, {"type": f"response.{kind}", "response": last}]
    name = "text" if api == "completions" else "delta"
    choices = [
        {"index": 0, name: text if api == "completions" or not isinstance(text, str) else {"content": text}}
        for text in texts
    ]
    last_choice = {"index": 0, name: "" if api == "completions" else {}}
    last_choice |= {} if reason is ABSENT else {"finish_reason": reason}
    return [*({"choices": [choice]} for choice in [*choices, last_choice]), {"choices": [], "usage": usage}]


def event_bytes(events: Iterable[Any], *, done: bool = True) -> bytes:
    """Return the pieces as server-sent events."""
    lines = [f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


AnswerHandler = Callable[[web.Request, Json], Any]


def answer_with(*chunks: bytes, content_type: str | None = "text/event-stream") -> AnswerHandler:
    """Return a handler that answers with these bytes, in separate chunks."""

    async def answer(request: web.Request, request_body: Json) -> web.StreamResponse:
        response = web.StreamResponse()
        if content_type:
            response.headers["Content-Type"] = content_type
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return answer


class ShownTextRecorder:
    """Sink that keeps the text that was streamed and not revoked."""

    def __init__(self) -> None:
        self.text = ""
        self.restarts = 0

    def __call__(self, text: str) -> None:
        self.text += text

    def restart(self) -> None:
        self.text = ""
        self.restarts += 1


async def complete_streamed(model: CloudModel, prompt: Prompt = PROMPT) -> Completion:
    """Return the completion of a streamed call. Check that its text is the streamed text."""
    shown = ShownTextRecorder()
    completion = await model.stream(prompt, shown)
    assert shown.text == completion.text
    return completion


async def complete_both_ways(
    provider: Provider, model: CloudModel, one: Json, several: Iterable[Any]
) -> tuple[Completion, Completion]:
    """Return the completions of a complete answer and of a stream."""
    provider._next.append(answer_with(json.dumps(one).encode(), content_type="application/json"))
    completion = await model.complete(PROMPT)
    provider._next.append(answer_with(event_bytes(several)))
    return completion, await complete_streamed(model)
