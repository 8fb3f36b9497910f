"""Mixed load through the project's own client: all tasks, conversations, streams, repetitions and invalid requests."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

from carteiro.client import Carteiro, ReplyError
from carteiro.schemas import REQUESTS, Options, Request
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatMessage, ChatRequest
from carteiro.schemas.embed import EmbedRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.translate import TranslateRequest

_WORDS = "the keeper counts ships of night and writes their names into a book while rain falls on glass".split()
_MALFORMED_VALUES = (
    b"",
    b'{"prompt": ',
    b"[]",
    b'{"colour": 5}',
    b'{"text": "\xff"}',
    b'{"options": {"temperature": 9}}',
)
_CONVERSATIONS = 60
_MORE_FIELDS: dict[str, dict[str, Any]] = {
    "classify": {"labels": ["ships", "weather"]},
    "extract": {"fields": {"type": "object", "properties": {"ship": {"type": "string"}}}},
}
_STREAMED = {"generate", "translate", "chat"}


def _malformed_request(kind: type[Request[Any]]) -> type[Request[Any]]:
    """Return a subclass of the task's request whose record value is any bytes."""

    class Spoilt(kind):  # type: ignore[misc, valid-type]
        value: bytes

        def to_json(self) -> bytes:
            return self.value

    return Spoilt


_MALFORMED_REQUESTS = {task: _malformed_request(kind) for task, kind in REQUESTS.items()}


class CallStats:
    """Outcomes of the calls that ended since the last `drain`."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._codes: Counter[str] = Counter()

    def add(self, code: str, seconds: float) -> None:
        """Count a call that ended. Its time in seconds counts only if the code is `ok`."""
        self._codes[code] += 1
        if code == "ok":
            self._seconds.append(seconds)

    def drain(self) -> tuple[list[float], dict[str, int]]:
        """Return the seconds of each `ok` call, sorted, and the number of calls by code. Start counting again."""
        read = sorted(self._seconds), dict(self._codes)
        self._seconds, self._codes = [], Counter()
        return read


class LoadGenerator:
    """Generator of requests at random times, decided by the seed. Their outcomes go to `stats`."""

    def __init__(self, carteiro: Carteiro, stats: CallStats, seed: int) -> None:
        self._carteiro, self._stats, self._chance = carteiro, stats, random.Random(seed)
        self.sent_count = 0

    async def run(self, per_second: float, seconds: float) -> None:
        """Send for `seconds` at the rate `per_second`. Return when every call has ended."""
        loop = asyncio.get_running_loop()
        now = began = loop.time()
        async with asyncio.TaskGroup() as calls:
            while now < began + seconds:
                for delay, request, call in self._next():
                    self.sent_count += 1
                    calls.create_task(self._ask(delay, request, call))
                # Irregular intervals cannot fall in step with another timer.
                now += self._chance.uniform(0.5, 1.5) / per_second
                await asyncio.sleep(now - loop.time())

    def _next(self) -> list[tuple[float, Request[Any], dict[str, Any]]]:
        """Return the next request, or a request and its repetition: delay in seconds, request, arguments."""
        chance, task = self._chance, self._chance.choice(list(REQUESTS))
        kind = chance.random()
        if kind < 0.03:
            return [(0.0, _MALFORMED_REQUESTS[task].model_construct(value=chance.choice(_MALFORMED_VALUES)), {})]
        if kind < 0.06:
            name = f"{chance.getrandbits(64):x}"
            call = {"key": name.encode(), "idempotency_key": name}
            request = self._request(task, Options(), conversations=False)
            return [(0.0, request, call), (chance.uniform(0.0, 10.0), request, call)]
        if kind < 0.10:
            return [(0.0, self._request(task, Options(), conversations=False), {"timeout": 20.0})]
        options = Options(stream=task in _STREAMED and kind < 0.25, cache=kind > 0.95)
        return [(0.0, self._request(task, options, conversations=not options.cache), {})]

    def _request(self, task: str, options: Options, *, conversations: bool) -> Request[Any]:
        match task:
            case "generate":
                return GenerateRequest(prompt=self._text(options), options=options)
            case "translate":
                return TranslateRequest(text=self._text(options), target="pt", options=options)
            case "chat":
                name = f"guest-{self._chance.randrange(_CONVERSATIONS)}"
                going_on = conversations and self._chance.random() < 0.5
                messages = [ChatMessage(role="user", content=self._text(options))]
                return ChatRequest(messages=messages, options=options, conversation_id=name if going_on else None)
            case "sentiment" | "summarize" | "classify" | "extract":
                fields = _MORE_FIELDS.get(task, {})
                return REQUESTS[task].model_validate({"text": self._text(options), "options": options, **fields})
            case "answer":
                return AnswerRequest(question="Who counts the ships?", context=self._text(options), options=options)
        return EmbedRequest(texts=[self._text(options) for _ in range(3)], options=options)

    def _text(self, options: Options) -> str:
        """Return mostly one or a few paragraphs, sometimes a document. With the cache, return one of a few texts."""
        if options.cache:
            return f"{self._chance.randrange(20)} {' '.join(_WORDS)}"
        words = 4_000 if self._chance.random() < 0.01 else self._chance.randint(10, 300)
        return " ".join(self._chance.choices(_WORDS, k=words))

    async def _ask(self, delay: float, request: Request[Any], call: dict[str, Any]) -> None:
        await asyncio.sleep(delay)
        began = time.perf_counter()
        try:
            if request.options.stream:
                async for _ in self._carteiro.stream.ask(request, **call):
                    pass
            else:
                await self._carteiro.ask(request, **call)
            code = "ok"
        except ReplyError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001
            # The run goes on after any error of a call and shows it.
            code = type(error).__name__
        self._stats.add(code, time.perf_counter() - began)
