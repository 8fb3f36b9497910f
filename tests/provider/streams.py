"""Answers that are streamed as server-sent events, in the form of each API's reference."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from tests.provider.completions import Json, complete


async def stream(request: web.Request, body: Json) -> web.StreamResponse:
    """Stream the whole answer, word for word."""
    response = await begin(request)
    for event in pieces(body, complete(body)):
        await write(response, event)
    if "input" not in body:
        await response.write(b"data: [DONE]\n\n")
    return response


async def begin(request: web.Request, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
    await response.prepare(request)
    return response


async def write(response: web.StreamResponse, event: Json) -> None:
    name = f"event: {event['type']}\n" if "type" in event else ""
    await response.write(f"{name}data: {json.dumps(event)}\n\n".encode())


def pieces(body: Json, answer: Json) -> Iterator[Json]:
    """Yield the pieces of an answer."""
    if "input" in body:
        yield from _responses(answer)
    elif "prompt" in body:
        yield from _completions(body, answer)
    else:
        yield from _chat(body, answer)


def words(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _chat(body: Json, answer: Json) -> Iterator[Json]:
    choice = answer["choices"][0]
    common = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1, "model": answer["model"]}
    common["service_tier"] = answer.get("service_tier")

    def piece(delta: Json, finish_reason: str | None = None) -> Json:
        return {**common, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}

    yield piece({"role": "assistant", "content": "", "refusal": None})
    for word in words(choice["message"]["content"] or ""):
        yield piece({"content": word})
    yield piece({}, choice["finish_reason"])
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**common, "choices": [], "usage": answer["usage"]}


def _completions(body: Json, answer: Json) -> Iterator[Json]:
    choice = answer["choices"][0]
    common: dict[str, Any] = {name: answer.get(name) for name in ("id", "object", "created", "model")}
    for word in words(choice["text"]):
        yield {**common, "choices": [{"text": word, "index": 0, "logprobs": None, "finish_reason": None}]}
    yield {**common, "choices": [{"text": "", "index": 0, "finish_reason": choice["finish_reason"]}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**common, "choices": [], "usage": answer["usage"]}


def _responses(answer: Json) -> Iterator[Json]:
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "sequence_number": 0, "response": begun}
    for item in answer["output"]:
        for part in item.get("content") or []:
            for word in words(part.get("text") or ""):
                yield {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": word}
    yield {"type": f"response.{answer['status']}", "sequence_number": 9, "response": answer}
