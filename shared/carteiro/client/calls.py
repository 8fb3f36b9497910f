"""Calls of the clients, one for each task, and `ask` for any request. Written by scripts/generate.py."""

from carteiro.client import request_builder, task_requests
from carteiro.client.call_forms import (
    AsyncCaller,
    BlockingCaller,
    blocking_method,
    coroutine_method,
    iterator_method,
    streaming_method,
)


class CoroutineCalls(AsyncCaller):
    """Calls as coroutines that return the reply."""

    ask = coroutine_method(request_builder.ask)
    answer = coroutine_method(task_requests.answer)
    chat = coroutine_method(task_requests.chat)
    classify = coroutine_method(task_requests.classify)
    embed = coroutine_method(task_requests.embed)
    extract = coroutine_method(task_requests.extract)
    generate = coroutine_method(task_requests.generate)
    sentiment = coroutine_method(task_requests.sentiment)
    summarize = coroutine_method(task_requests.summarize)
    translate = coroutine_method(task_requests.translate)


class StreamingCalls(AsyncCaller):
    """Calls for `async for`. They yield the chunks of the reply, and the whole reply last."""

    ask = streaming_method(request_builder.ask)
    answer = streaming_method(task_requests.answer)
    chat = streaming_method(task_requests.chat)
    classify = streaming_method(task_requests.classify)
    embed = streaming_method(task_requests.embed)
    extract = streaming_method(task_requests.extract)
    generate = streaming_method(task_requests.generate)
    sentiment = streaming_method(task_requests.sentiment)
    summarize = streaming_method(task_requests.summarize)
    translate = streaming_method(task_requests.translate)


class BlockingCalls(BlockingCaller):
    """Calls that block until they return the reply."""

    ask = blocking_method(CoroutineCalls.ask)
    answer = blocking_method(CoroutineCalls.answer)
    chat = blocking_method(CoroutineCalls.chat)
    classify = blocking_method(CoroutineCalls.classify)
    embed = blocking_method(CoroutineCalls.embed)
    extract = blocking_method(CoroutineCalls.extract)
    generate = blocking_method(CoroutineCalls.generate)
    sentiment = blocking_method(CoroutineCalls.sentiment)
    summarize = blocking_method(CoroutineCalls.summarize)
    translate = blocking_method(CoroutineCalls.translate)


class IteratorCalls(BlockingCaller):
    """Calls for `for`. They yield the chunks of the reply, and the whole reply last."""

    ask = iterator_method(StreamingCalls.ask)
    answer = iterator_method(StreamingCalls.answer)
    chat = iterator_method(StreamingCalls.chat)
    classify = iterator_method(StreamingCalls.classify)
    embed = iterator_method(StreamingCalls.embed)
    extract = iterator_method(StreamingCalls.extract)
    generate = iterator_method(StreamingCalls.generate)
    sentiment = iterator_method(StreamingCalls.sentiment)
    summarize = iterator_method(StreamingCalls.summarize)
    translate = iterator_method(StreamingCalls.translate)
